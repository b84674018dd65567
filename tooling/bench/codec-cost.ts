// What the codec costs for a PDU, beside the same fields read and written by hand on a DataView.
// Read first: cost.ts; @nvmeof/codec field.ts.

import {
  Cqe,
  DataPdu,
  IdentifyController,
  NvmOpcode,
  PSDT_SGL,
  type PduContext,
  PduHeader,
  PduType,
  R2t,
  RwCommand,
  SglId,
  checkPduHeader,
  cqeStatus,
  decode,
  encode,
} from "@nvmeof/codec";
import { RawPdus, joined } from "@nvmeof/transport/testing";
import { type Subject, costsOf, report } from "./cost.ts";
import { patternOf } from "./meter.ts";

const PDUS = 1_024;
const pdus = new RawPdus();

/** Headers one after the other, as they lie in a receive buffer, without their data. */
function headers(make: (cid: number) => Uint8Array, bytes: number): DataView {
  const all = Array.from({ length: PDUS }, (_, cid) => make(cid).slice(0, bytes));
  return new DataView(joined(...all).buffer as ArrayBuffer);
}

const page = patternOf(4096);
const data = headers((cid) => pdus.c2hData({ cccid: cid, datao: 4096 * cid }, { data: page }), 24);
const responses = headers((cid) => pdus.capsuleResp({ cid, dw0: cid * 77, sqhd: cid }), 24);
const r2ts = headers((cid) => pdus.r2t({ cccid: cid, ttag: cid + 1, r2tl: 4096 }), 24);
const context: PduContext = {
  toHost: true,
  headerDigest: false,
  dataDigest: false,
  alignment: 4,
  dataBytesMax: 1 << 20,
};

// Each subject has a loop of its own: V8 learns what a place in the code calls, and a loop that were
// shared would call so many things that it could take none of them in.

/** Header `i` of those that lie one after the other, again and again. */
const at24 = (i: number): number => (i & (PDUS - 1)) * 24;

const readC2hData: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const at = at24(i);
    sum +=
      PduHeader.type.get(data, at) +
      PduHeader.flags.get(data, at) +
      PduHeader.plen.get(data, at) +
      DataPdu.cccid.get(data, at) +
      DataPdu.datao.get(data, at) +
      DataPdu.datal.get(data, at);
    sum |= 0;
  }
  return sum;
};
const readC2hDataByHand: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const at = at24(i);
    sum +=
      data.getUint8(at) +
      data.getUint8(at + 1) +
      data.getUint32(at + 4, true) +
      data.getUint16(at + 8, true) +
      data.getUint32(at + 12, true) +
      data.getUint32(at + 16, true);
    sum |= 0;
  }
  return sum;
};
const readResponse: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const at = at24(i);
    sum +=
      PduHeader.type.get(responses, at) +
      Cqe.cid.get(responses, at + 8) +
      cqeStatus.get(responses, at + 8) +
      Cqe.dw0.get(responses, at + 8);
    sum |= 0;
  }
  return sum;
};
const readResponseByHand: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const at = at24(i);
    sum +=
      responses.getUint8(at) +
      responses.getUint16(at + 20, true) +
      (responses.getUint16(at + 22, true) >> 1) +
      responses.getUint32(at + 8, true);
    sum |= 0;
  }
  return sum;
};
const readR2t: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const at = at24(i);
    sum +=
      R2t.cccid.get(r2ts, at) +
      R2t.ttag.get(r2ts, at) +
      R2t.r2to.get(r2ts, at) +
      R2t.r2tl.get(r2ts, at);
    sum |= 0;
  }
  return sum;
};
const check: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + checkPduHeader(data, at24(i), context)) | 0;
  return sum;
};
const sqes = new DataView(new ArrayBuffer(PDUS * 64));
const written: Subject = (count) => {
  for (let i = 0; i < count; i++) {
    const at = (i & (PDUS - 1)) * 64;
    RwCommand.opc.set(sqes, at, NvmOpcode.Read);
    RwCommand.psdt.set(sqes, at, PSDT_SGL);
    RwCommand.cid.set(sqes, at, i & 0xffff);
    RwCommand.nsid.set(sqes, at, 1);
    RwCommand.sglLength.set(sqes, at, 4096);
    RwCommand.sglId.set(sqes, at, SglId.Transport);
    RwCommand.slba.set(sqes, at, i);
    RwCommand.nlb.set(sqes, at, 8);
  }
  return sqes.getInt32(40, true);
};
const writtenByHand: Subject = (count) => {
  for (let i = 0; i < count; i++) {
    const at = (i & (PDUS - 1)) * 64;
    sqes.setUint8(at, 2);
    sqes.setUint8(at + 1, 0x40);
    sqes.setUint16(at + 2, i & 0xffff, true);
    sqes.setUint32(at + 4, 1, true);
    sqes.setUint32(at + 32, 4096, true);
    sqes.setUint8(at + 39, 0x5a);
    sqes.setUint32(at + 40, i, true);
    sqes.setUint32(at + 44, 0, true);
    sqes.setUint16(at + 48, 7, true);
  }
  return sqes.getInt32(40, true);
};
const headersOut = new DataView(new ArrayBuffer(PDUS * 24));
const dataHeader: Subject = (count) => {
  for (let i = 0; i < count; i++) {
    const at = (i & (PDUS - 1)) * 24;
    PduHeader.type.set(headersOut, at, PduType.H2CData);
    PduHeader.flags.set(headersOut, at, 4);
    PduHeader.hlen.set(headersOut, at, 24);
    PduHeader.pdo.set(headersOut, at, 24);
    PduHeader.plen.set(headersOut, at, 24 + 4096);
    DataPdu.cccid.set(headersOut, at, i & 0xffff);
    DataPdu.ttag.set(headersOut, at, i & 0xffff);
    DataPdu.datao.set(headersOut, at, 0);
    DataPdu.datal.set(headersOut, at, 4096);
  }
  return headersOut.getInt32(8, true);
};
const object: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + decode(Cqe, responses, at24(i) + 8).cid) | 0;
  return sum;
};
const encodedObject: Subject = (count) => {
  for (let i = 0; i < count; i++) encode(Cqe, headersOut, 8, { cid: i & 0xffff });
  return headersOut.getInt32(8, true);
};
const identify = new DataView(new ArrayBuffer(4096));
const identified: Subject = (count) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + decode(IdentifyController, identify).cntlid) | 0;
  return sum;
};

if (readC2hData(PDUS) !== readC2hDataByHand(PDUS) || check(1) !== 4096) {
  throw new Error("the codec reads other values");
}
const costs = costsOf({
  readC2hData,
  readC2hDataByHand,
  readResponse,
  readResponseByHand,
  readR2t,
  check,
  written,
  writtenByHand,
  dataHeader,
  object,
  encodedObject,
  identified,
});
const ns = (name: string, cost: string, than?: string) => ({
  name,
  value: costs[cost]!.ns,
  unit: "ns" as const,
  ...(than === undefined ? {} : { than: costs[than]!.ns }),
});
const bytes = (name: string, cost: string) => ({
  name: `${name}, heap`,
  value: costs[cost]!.bytes,
  unit: "bytes" as const,
});
report([
  ns("decode of a C2HData header", "readC2hData", "readC2hDataByHand"),
  bytes("decode of a C2HData header", "readC2hData"),
  ns("decode of a CapsuleResp", "readResponse", "readResponseByHand"),
  bytes("decode of a CapsuleResp", "readResponse"),
  ns("decode of an R2T", "readR2t"),
  ns("check of a common header", "check"),
  bytes("check of a common header", "check"),
  ns("encode of a Read command", "written", "writtenByHand"),
  bytes("encode of a Read command", "written"),
  ns("encode of an H2CData header", "dataHeader"),
  bytes("encode of an H2CData header", "dataHeader"),
  ns("a CQE as an object", "object"),
  bytes("a CQE as an object", "object"),
  ns("a CQE from an object", "encodedObject"),
  ns("Identify Controller as an object", "identified"),
  bytes("Identify Controller as an object", "identified"),
]);
