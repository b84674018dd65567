// Information units of FC-NVMe: big-endian around little-endian entries, and what is refused.

import { describe, expect, test } from "vitest";
import { Cqe } from "../cqe.ts";
import { decode, encode, encoded, viewOf } from "../layout.ts";
import { hexBytes } from "../nqn.ts";
import { Sqe } from "../sqe.ts";
import { refusalOf } from "../testing/refusal.ts";
import {
  CmdCategory,
  CmdIu,
  ErspIu,
  XferRdyIu,
  checkCmdIu,
  checkErspIu,
  checkRspIu,
  checkXferRdyIu,
  connectionIdHigh,
  connectionIdLow,
} from "./information-unit.ts";

const CMD_BYTES = 96;

// A Read of 4 KiB: CID 2Ah, NSID 1, LBA 8, with a Transport SGL of its length.
const readCommand = hexBytes(`fd 28 00 18  00 00 08 02  01 23 45 67 89 ab cd ef
                              00 00 00 07  00 00 10 00
                              02 40 2a 00  01 00 00 00  00 00 00 00  00 00 00 00
                              00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00
                              00 10 00 00  00 00 00 5a  08 00 00 00  00 00 00 00
                              07 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00
                              00 09 00 00  00 00 00 00`);

const readFields = {
  formatId: 0xfd,
  fcId: 0x28,
  iuLength: 24,
  category: CmdCategory.Nvm,
  write: 0,
  read: 1,
  picwp: 0,
  connectionId: 0x0123_4567_89ab_cdefn,
  csn: 7,
  dataLength: 4096,
  sqe: readCommand.slice(24, 88),
  dps: 0,
  lbads: 9,
  ms: 0,
};

test("CMD IU of a Read: the unit is big-endian, the SQE in it is not", () => {
  const view = viewOf(readCommand);
  expect(decode(CmdIu, view)).toEqual(readFields);
  expect(encoded(CmdIu, readFields)).toEqual(readCommand);
  expect(connectionIdHigh.get(view)).toBe(0x0123_4567);
  expect(connectionIdLow.get(view)).toBe(0x89ab_cdef);
  const sqe = decode(Sqe, view, 24);
  expect(sqe).toMatchObject({ opc: 2, cid: 0x2a, nsid: 1, sglLength: 4096, sglId: 0x5a });
  expect(() => checkCmdIu(view, 0, CMD_BYTES)).not.toThrow();
});

test("a CMD IU leaves nothing of an old buffer", () => {
  const dirty = new Uint8Array(112).fill(0xa5);
  encode(CmdIu, viewOf(dirty), 8, readFields);
  expect(dirty.subarray(8, 104)).toEqual(readCommand);
});

/** Checks the Read with some of its bytes changed, at an odd place in a buffer. */
function checkChanged(changes: Readonly<Record<number, number>>, iuBytes = CMD_BYTES): void {
  const bytes = new Uint8Array(120).fill(0xff);
  bytes.set(readCommand, 11);
  for (const [at, value] of Object.entries(changes)) bytes[11 + Number(at)] = value;
  checkCmdIu(viewOf(bytes), 11, iuBytes);
}

describe("a CMD IU is taken", () => {
  test.each<[string, Record<number, number>]>([
    ["of a Write", { 7: 1, 24: 0x01 }],
    ["of a Flush, without data", { 7: 0, 24: 0x00, 22: 0 }],
    ["of a Connect, whose direction is that of its FCTYPE", { 6: 1, 7: 1, 24: 0x7f, 28: 0x01 }],
    ["of a Property Get", { 6: 1, 7: 0, 22: 0, 24: 0x7f, 28: 0x04 }],
    ["of a Get Log Page", { 6: 1 }],
    ["of a vendor's command with data both ways, sent as a read", { 24: 0xc3 }],
    ["of a Read of nothing, which is the controller's to judge", { 7: 0, 22: 0 }],
  ])("%s", (_name, changes) => {
    expect(() => checkChanged(changes)).not.toThrow();
  });
});

describe("a CMD IU is refused, with its field and place", () => {
  test.each<[string, Record<number, number>, number, string, number]>([
    ["when it is short", {}, 95, "length", 95],
    ["when it is long", {}, 97, "length", 97],
    ["for its format identifier", { 0: 0xfe }, CMD_BYTES, "formatId", 0],
    ["for the identifier of another protocol", { 1: 0x08 }, CMD_BYTES, "fcId", 1],
    ["for a length that is not its own", { 3: 23 }, CMD_BYTES, "iuLength", 2],
    ["for both directions", { 7: 3 }, CMD_BYTES, "read", 7],
    ["for a write flag with a Read", { 7: 1 }, CMD_BYTES, "write", 7],
    ["for a read flag with a Write", { 24: 0x01 }, CMD_BYTES, "read", 7],
    ["for a read flag with a Flush", { 24: 0x00 }, CMD_BYTES, "read", 7],
    ["for a read flag with a Connect", { 24: 0x7f, 28: 0x01 }, CMD_BYTES, "read", 7],
    ["for data without a direction", { 7: 0 }, CMD_BYTES, "dataLength", 20],
  ])("%s", (_name, changes, iuBytes, field, offset) => {
    const error = refusalOf(() => checkChanged(changes, iuBytes));
    expect([error.structure, error.field, error.offset]).toEqual(["CMD IU", field, offset]);
  });
});

// CID 2Ah, SQHD 12, LBA out of range with DNR.
const response = hexBytes(`00 00 00 08  00 00 00 03  00 00 02 00  00 00 00 00
                           00 00 00 00  00 00 00 00  0c 00 01 00  2a 00 00 81`);
const ok = { cid: 0x2a, transferredBytes: 512 };

test("ERSP IU: a completion and what was counted", () => {
  const view = viewOf(response);
  const cqe = response.slice(16);
  const values = { result: 0, iuLength: 8, rsn: 3, transferredLength: 512, cqe };
  expect(decode(ErspIu, view)).toEqual(values);
  expect(encoded(ErspIu, values)).toEqual(response);
  expect(decode(Cqe, view, 16)).toMatchObject({ sqhd: 12, cid: 0x2a, sc: 0x80, dnr: 1 });
  expect(() => checkErspIu(view, 0, 32, ok)).not.toThrow();
});

describe("an ERSP IU is refused, with its field and place", () => {
  test.each<[string, Record<number, number>, number, typeof ok, string, number]>([
    ["when it is short", {}, 31, ok, "length", 31],
    ["when it is an RSP IU", {}, 12, ok, "length", 12],
    ["for an invalid field", { 0: 1 }, 32, ok, "result", 0],
    ["for illegal connection parameters", { 0: 3 }, 32, ok, "result", 0],
    ["for a length that is not its own", { 3: 9 }, 32, ok, "iuLength", 2],
    [
      "for other data than moved",
      {},
      32,
      { ...ok, transferredBytes: 4096 },
      "transferredLength",
      8,
    ],
    ["for another command", {}, 32, { ...ok, cid: 0x2b }, "cqe", 16],
  ])("%s", (_name, changes, iuBytes, expectation, field, offset) => {
    const bytes = response.slice();
    for (const [at, value] of Object.entries(changes)) bytes[Number(at)] = value;
    const error = refusalOf(() => checkErspIu(viewOf(bytes), 0, iuBytes, expectation));
    expect([error.structure, error.field, error.offset]).toEqual(["ERSP IU", field, offset]);
  });
});

test("an RSP IU is twelve zeroes and nothing else", () => {
  const bytes = new Uint8Array(16);
  expect(() => checkRspIu(viewOf(bytes), 1, 12)).not.toThrow();
  expect(refusalOf(() => checkRspIu(viewOf(bytes), 0, 16)).field).toBe("length");
  for (const at of [0, 3, 4, 11]) {
    const dirty = bytes.slice();
    dirty[at] = 1;
    const error = refusalOf(() => checkRspIu(viewOf(dirty), 0, 12));
    expect([error.field, error.offset]).toEqual(["zeroes", at - (at % 4)]);
  }
});

test("XFER_RDY IU asks for a part of the data", () => {
  const bytes = hexBytes("00 01 00 00  00 02 00 00  00 00 00 00");
  const values = { relativeOffset: 0x1_0000, burstLength: 0x2_0000 };
  expect(decode(XferRdyIu, viewOf(bytes))).toEqual(values);
  expect(encoded(XferRdyIu, values)).toEqual(bytes);
  expect(() => checkXferRdyIu(viewOf(bytes), 0, 12, 0x3_0000)).not.toThrow();
});

describe("an XFER_RDY IU is refused, with its field and place", () => {
  test.each<[string, number, number, number, string, number]>([
    ["when it is short", 0, 512, 8, "length", 8],
    ["for an offset beyond the data", 4096, 512, 12, "relativeOffset", 0],
    ["for nothing", 0, 0, 12, "burstLength", 4],
    ["for more than there is", 512, 4096, 12, "burstLength", 4],
    ["for a sum beyond 32 bits", 1, 0xffff_ffff, 12, "burstLength", 4],
  ])("%s", (_name, relativeOffset, burstLength, iuBytes, field, offset) => {
    const bytes = encoded(XferRdyIu, { relativeOffset, burstLength });
    const error = refusalOf(() => checkXferRdyIu(viewOf(bytes), 0, iuBytes, 4096));
    expect([error.structure, error.field, error.offset]).toEqual(["XFER_RDY IU", field, offset]);
  });
});
