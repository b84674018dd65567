// Admin and NVM commands as hex, and what they mean.

import { expect, test } from "vitest";
import {
  AbortCommand,
  AbortResult,
  CompareCommand,
  CrossControllerResetCommand,
  CrossControllerResetResult,
  DsmCommand,
  DsmRange,
  FeatureSelect,
  GetFeaturesCommand,
  GetLogPageCommand,
  IdentifyCommand,
  RwCommand,
  SetFeaturesCommand,
  VerifyCommand,
  WriteZeroesCommand,
} from "./command.ts";
import { decodeDwords } from "./dword.ts";
import { Fid } from "./feature.ts";
import { Cns } from "./identify.ts";
import { decode, encode, encoded, viewOf } from "./layout.ts";
import { Lid } from "./log.ts";
import { hexBytes, hexText } from "./nqn.ts";
import { AdminOpcode, NvmOpcode } from "./opcode.ts";
import { PSDT_SGL, SglId } from "./sqe.ts";

/** So many Command Dwords of an SQE from number 10, their bytes as they lie. */
const cdws = (sqe: Uint8Array, count = 6): string[] =>
  Array.from({ length: count }, (_, i) => hexText(sqe.subarray(40 + 4 * i, 44 + 4 * i)));

const read = hexBytes(`02 40 07 00  01 00 00 00  00 00 00 00  00 00 00 00
                       00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00
                       00 10 00 00  00 00 00 5a  08 00 00 00  01 00 00 00
                       07 00 00 c0  00 00 00 00  00 00 00 00  00 00 00 00`);

test("Read of 8 blocks from LBA 100000008h, unit access forced, few retries", () => {
  const fields = decode(RwCommand, viewOf(read));
  expect(fields).toMatchObject({
    opc: NvmOpcode.Read,
    psdt: PSDT_SGL,
    cid: 7,
    nsid: 1,
    sglLength: 4096,
    sglId: SglId.Transport,
    slba: 0x1_0000_0008,
    nlb: 8, // 7 on the wire
    fua: 1,
    lr: 1,
    prinfo: 0,
  });
  expect(encoded(RwCommand, fields)).toEqual(read);
});

test("a command written over another leaves nothing of it", () => {
  const buffer = new Uint8Array(64).fill(0xff);
  encode(RwCommand, viewOf(buffer), 0, { opc: NvmOpcode.Write, nlb: 65_536 });
  expect(buffer).toEqual(hexBytes(`01 ${"00".repeat(47)} ffff0000 ${"00".repeat(12)}`));
});

test("the control bits of Write lie where the specification numbers them", () => {
  const fields = { stc: 1, prinfo: 0b1001, dtype: 1, dspec: 0x1234, dsm: 0x41, nlb: 1 };
  expect(cdws(encoded(RwCommand, fields)).slice(2, 4)).toEqual(["00001025", "41003412"]);
});

test("Identify asks for a structure, a controller and a command set", () => {
  const fields = { cns: Cns.CommandSetController, cntid: 0x1234, cnssid: 0x56, csi: 2, uidx: 3 };
  const sqe = encoded(IdentifyCommand, { opc: AdminOpcode.Identify, ...fields });
  expect(cdws(sqe, 5)).toEqual(["06003412", "56000002", "00000000", "00000000", "03000000"]);
});

test("Get Log Page splits its count of dwords over two words", () => {
  const fields = { lid: Lid.Ana, lsp: 1, rae: 1, numd: 0x1_2346, lsi: 0xbeef, lpo: 4096 };
  const sqe = encoded(GetLogPageCommand, fields);
  // NUMDL 2345h in CDW10 31:16, NUMDU 1 in CDW11 15:0
  expect(cdws(sqe, 4)).toEqual(["0c814523", "0100efbe", "00100000", "00000000"]);
  expect(decode(GetLogPageCommand, viewOf(sqe))).toMatchObject(fields);
});

test("Get Log Page counts from one dword to all that 32 bits allow", () => {
  expect(cdws(encoded(GetLogPageCommand, { numd: 1 }), 2)).toEqual(["00000000", "00000000"]);
  const all = encoded(GetLogPageCommand, { numd: 2 ** 32 });
  expect(cdws(all, 2)).toEqual(["0000ffff", "ffff0000"]);
  expect(cdws(encoded(GetLogPageCommand, { ot: 1, csi: 2 }))[4]).toBe("00008002");
});

test("Set Features saves a value, Get Features asks for the saved one", () => {
  const set = encoded(SetFeaturesCommand, { fid: Fid.KeepAliveTimer, sv: 1, cdw11: 120_000 });
  expect(cdws(set, 2)).toEqual(["0f000080", "c0d40100"]);
  const get = encoded(GetFeaturesCommand, { fid: Fid.Timestamp, sel: FeatureSelect.Saved });
  expect(cdws(get, 1)).toEqual(["0e020000"]);
});

test("Abort names a queue and a command, and says whether it did it", () => {
  const sqe = encoded(AbortCommand, { cid: 9, sqid: 2, abortedCid: 0x1f });
  expect(cdws(sqe, 1)).toEqual(["02001f00"]);
  expect(decode(AbortCommand, viewOf(sqe))).toMatchObject({ cid: 9, abortedCid: 0x1f });
  expect(decodeDwords(AbortResult, 0)).toEqual({ ianp: 0 });
  expect(decodeDwords(AbortResult, 1)).toEqual({ ianp: 1 });
});

test("Cross-Controller Reset names one incarnation of a controller", () => {
  const fields = { icid: 0x0102, ciu: 0xfe, cirn: 0x1122_3344_5566_7788n };
  const sqe = encoded(CrossControllerResetCommand, fields);
  expect(cdws(sqe, 4)).toEqual(["0201fe00", "00000000", "88776655", "44332211"]);
  expect(decodeDwords(CrossControllerResetResult, 1)).toEqual({ irs: 1 });
});

test("Write Zeroes may deallocate; Compare and Verify carry a range", () => {
  const range = { slba: 2 ** 40, nlb: 256 };
  const zeroes = cdws(encoded(WriteZeroesCommand, { ...range, deac: 1, fua: 1 }), 3);
  expect(zeroes).toEqual(["00000000", "00010000", "ff000042"]);
  for (const layout of [CompareCommand, VerifyCommand]) {
    const sqe = encoded(layout, { ...range, prinfo: 7 });
    expect(cdws(sqe, 3)).toEqual(["00000000", "00010000", "ff00001c"]);
  }
});

test("Dataset Management deallocates 256 ranges", () => {
  const sqe = encoded(DsmCommand, { nr: 256, ad: 1 });
  expect(cdws(sqe, 2)).toEqual(["ff000000", "04000000"]);
  const hints = encoded(DsmCommand, { nr: 1, idr: 1, idw: 1 });
  expect(cdws(hints, 2)).toEqual(["00000000", "03000000"]);
});

test("the length of a range to deallocate is not 0's based", () => {
  const range = encoded(DsmRange, { nlb: 8, slba: 16 });
  expect(range).toEqual(hexBytes("00000000 08000000 1000000000000000"));
  expect(decode(DsmRange, viewOf(range))).toEqual({ cattr: 0, nlb: 8, slba: 16 });
});
