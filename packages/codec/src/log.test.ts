// Log pages as hex, and what they mean.

import { expect, test } from "vitest";
import { ParseError } from "./errors.ts";
import { decode, encoded, viewOf } from "./layout.ts";
import {
  COMMAND_EFFECTS_BYTES,
  CcrStatus,
  CommandEffects,
  CriticalWarning,
  CrossControllerResetEntry,
  ErrorLogEntry,
  FirmwareSlotLog,
  LostHostEntry,
  SmartLog,
  SupportedLogPage,
  commandEffectsOffset,
  decodeChangedNamespaces,
  decodeEntryLog,
  encodeChangedNamespaces,
  encodeEntryLog,
} from "./log.ts";
import { hexBytes, hexText } from "./nqn.ts";
import { AdminOpcode, NvmOpcode } from "./opcode.ts";
import { Status } from "./status.ts";

const zeroes = (count: number): string => "00".repeat(count);

const errorEntry = hexBytes(`07 00 00 00 00 00 00 00  01 00  2a 00  0b 05  28 00
                             00 10 00 00 00 00 00 00  01 00 00 00  00 03 00 05
                             ${zeroes(31)} 01`);

test("an error log entry names the command, its status and the field at fault", () => {
  const entry = decode(ErrorLogEntry, viewOf(errorEntry));
  expect(entry).toMatchObject({
    ecnt: 7n,
    sqid: 1,
    cid: 0x2a,
    p: 1,
    status: Status.CompareFailure,
    peloc: 40,
    lba: 4096n,
    nsid: 1,
    trtype: 3,
    opc: NvmOpcode.Compare,
    lpver: 1,
  });
  expect(encoded(ErrorLogEntry, entry)).toEqual(errorEntry);
});

test("the SMART log: a temperature that is not aligned, counters of 128 bits", () => {
  const log = encoded(SmartLog, {
    cw: CriticalWarning.SpareLow | CriticalWarning.ReadOnly,
    ctemp: 0x0137, // 311 K, 38 °C
    avsp: 100,
    avspt: 10,
    pused: 255,
    dur: 1n << 64n,
    upl: 3n,
    neile: 0x0102n,
    tsen1: 300,
  });
  expect(log.subarray(0, 8)).toEqual(hexBytes("09 3701 64 0a ff 0000"));
  expect(log.subarray(32, 48)).toEqual(hexBytes(`${zeroes(8)} 01 ${zeroes(7)}`));
  expect(log[144]).toBe(3);
  expect(hexText(log.subarray(176, 180))).toBe("02010000");
  expect(hexText(log.subarray(200, 204))).toBe("2c010000");
  expect(decode(SmartLog, viewOf(log))).toMatchObject({ ctemp: 311, dur: 1n << 64n, tsen8: 0 });
});

test("the firmware log says which slot runs, and which is next", () => {
  const log = new Uint8Array(512);
  log.set(hexBytes("21")); // slot 1 now, slot 2 after the next reset
  log.set(hexBytes("31 2e 30 20 20 20 20 20"), 8);
  expect(decode(FirmwareSlotLog, viewOf(log))).toMatchObject({
    cafs: 1,
    nafs: 2,
    frs1: "1.0",
    frs2: "",
  });
});

test("changed namespaces end at the first zero", () => {
  expect(decodeChangedNamespaces(hexBytes("03 00 00 00 01 00 00 00 00 00 00 00"))).toEqual([3, 1]);
  expect(decodeChangedNamespaces(encodeChangedNamespaces([5, 6]))).toEqual([5, 6]);
  expect(decodeChangedNamespaces(encodeChangedNamespaces([]))).toEqual([]);
});

test("more changed namespaces than fit are an overflow [H52]", () => {
  expect(decodeChangedNamespaces(hexBytes("ff ff ff ff 00 00 00 00"))).toBe("overflow");
  const many = Array.from({ length: 1025 }, (_, i) => i + 1);
  expect(decodeChangedNamespaces(encodeChangedNamespaces(many))).toBe("overflow");
  expect(decodeChangedNamespaces(encodeChangedNamespaces(many.slice(1)))).toHaveLength(1024);
});

test("the effects log has admin commands first, then I/O commands", () => {
  const log = viewOf(new Uint8Array(COMMAND_EFFECTS_BYTES));
  const format = commandEffectsOffset(true, AdminOpcode.FormatNvm);
  const write = commandEffectsOffset(false, NvmOpcode.Write);
  expect([format, write]).toEqual([0x200, 0x404]);
  log.setUint32(format, 0x0002_0013, true);
  log.setUint32(write, 0x0000_0003, true);
  expect(decode(CommandEffects, log, format)).toEqual({
    csupp: 1,
    lbcc: 1,
    ncc: 0,
    nic: 0,
    ccc: 1,
    cser: 0,
    cse: 2,
    uss: 0,
    csp: 0,
  });
  expect(decode(CommandEffects, log, write)).toMatchObject({ csupp: 1, lbcc: 1, cse: 0 });
});

test("a supported log page, with what it offers", () => {
  expect(decode(SupportedLogPage, viewOf(hexBytes("03 00 01 00")))).toEqual({
    lsupp: 1,
    ios: 1,
    lidsp: 1,
  });
});

// One entry, reset of controller 0102h done.
const resets = hexBytes("01 00 00 00 00 00 00 00  02 01 fe 00 ff ff 01 03");

test("the Cross-Controller Reset log tells how each reset went", () => {
  const entry = { icid: 0x0102, ciu: 0xfe, acid: 0xffff, ccrs: CcrStatus.Successful, ccrf: 3 };
  expect(decodeEntryLog(CrossControllerResetEntry, resets)).toEqual([entry]);
  expect(encodeEntryLog(CrossControllerResetEntry, [entry])).toEqual(resets);
  expect(decodeEntryLog(CrossControllerResetEntry, new Uint8Array(8))).toEqual([]);
});

test("the Lost Host Communication log names controllers", () => {
  const log = hexBytes("01 00 00 00 00 00 00 00  05 00 02 fe 00 00 00 00");
  expect(decodeEntryLog(LostHostEntry, log)).toEqual([{ cntlid: 5, lc: 2, ciu: 0xfe }]);
});

test.each([
  ["claims more entries than it holds", "02 00 00 00 00 00 00 00  02 01 fe 00 ff ff 01 03"],
  ["claims 512 entries", `00 02 00 00 00 00 00 00 ${zeroes(4096)}`],
  ["has half a header", "00 00 00 00"],
])("a log of entries that %s is refused [H20]", (_what, hex) => {
  expect(() => decodeEntryLog(CrossControllerResetEntry, hexBytes(hex))).toThrow(ParseError);
});

test("entries of a log follow each other, up to 511 of them", () => {
  const entries = Array.from({ length: 511 }, (_, i) => ({ cntlid: i, lc: 1, ciu: i & 0xff }));
  const log = encodeEntryLog(LostHostEntry, entries);
  expect(decodeEntryLog(LostHostEntry, log)).toMatchObject(entries);
  expect(decodeEntryLog(LostHostEntry, encodeEntryLog(LostHostEntry, entries.slice(0, 2)))).toEqual(
    entries.slice(0, 2),
  );
  const beyond = encodeEntryLog(LostHostEntry, [...entries, ...entries.slice(0, 1)]);
  expect(() => decodeEntryLog(LostHostEntry, beyond)).toThrow(ParseError);
});
