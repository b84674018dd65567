// Information units of FC-NVMe: command, response, extended response, transfer ready.
// Read first: FC-NVMe-2 "Information units". Big-endian around a little-endian SQE and CQE.

import { bits, bytes, u8 } from "../field.ts";
import { OPC_FABRICS } from "../opcode.ts";
import { DataDirection, Sqe, directionOf } from "../sqe.ts";
import { Cqe } from "../cqe.ts";
import { u16be, u32be, u64be } from "./big-endian.ts";
import { badField, badLength } from "./errors.ts";

const category = u8(6);
const flags = u8(7);

/** Format identifier of a CMD IU. */
export const CMD_FORMAT_ID = 0xfd;
/** FC identifier of a CMD IU: the TYPE of FC-NVMe. */
export const CMD_FC_ID = 0x28;
/** Where the SQE lies in a CMD IU. */
export const CMD_SQE_OFFSET = 24;
/** Where the CQE lies in an ERSP IU. */
export const ERSP_CQE_OFFSET = 16;
/** Bytes of an RSP IU, all of them zero: success, with no more to say. */
export const RSP_IU_BYTES = 12;

/** CMD IU, 96 bytes. FC-NVMe-2 "NVMe_CMND IU". */
export const CmdIu = {
  size: 96,
  formatId: u8(0), // CMD_FORMAT_ID
  fcId: u8(1), // CMD_FC_ID
  iuLength: u16be(2), // CMND IU Length, in dwords: 24
  category: bits(category, 0, 4), // see `CmdCategory`
  write: bits(flags, 0, 1), // data from the host
  read: bits(flags, 1, 1), // data to the host
  picwp: bits(flags, 2, 1), // protection information in the data, at the host's side
  connectionId: u64be(8), // Connection Identifier, of the queue
  csn: u32be(16), // Command Sequence Number, counted per connection
  dataLength: u32be(20), // Data Length, bytes
  sqe: bytes(CMD_SQE_OFFSET, Sqe.size), // `Sqe`, little-endian
  dps: u8(88), // End-to-end Data Protection Type Settings, of the namespace
  lbads: u8(89), // LBA Data Size, power of two
  ms: u16be(90), // Metadata Size, bytes
} as const;

/** The two halves of `CmdIu.connectionId`, for a hot path: a `bigint` costs an allocation. */
export const connectionIdHigh = /* @__PURE__ */ u32be(8);
/** See {@link connectionIdHigh}. */
export const connectionIdLow = /* @__PURE__ */ u32be(12);

/** Category of a CMD IU. FC-NVMe-2 "NVMe_CMND IU": 8h plus the Command Set Identifier on I/O queues. */
export const CmdCategory = { Admin: 0x1, Nvm: 0x8 } as const;

/** ERSP IU, 32 bytes: a completion in full. FC-NVMe-2 "NVMe_ERSP IU". */
export const ErspIu = {
  size: 32,
  result: u8(0), // ERSP Result, see `ErspResult`
  iuLength: u16be(2), // ERSP IU Length, in dwords: 8
  rsn: u32be(4), // Response Sequence Number: ERSPs of the connection, counted
  transferredLength: u32be(8), // Transferred Data Length, bytes
  cqe: bytes(ERSP_CQE_OFFSET, Cqe.size), // `Cqe`, little-endian
} as const;

/** ERSP Result. FC-NVMe-2 "NVMe_ERSP IU". */
export const ErspResult = { Success: 0, InvalidField: 1, IllegalConnectionParameters: 3 } as const;

/** XFER_RDY IU, 12 bytes: the target can take data. FC-NVMe-2 "NVMe_XFER_RDY IU"; recalled. */
export const XferRdyIu = {
  size: 12,
  relativeOffset: u32be(0), // Relative Offset of the first byte, in the command's data
  burstLength: u32be(4), // Burst Length, bytes
} as const;

const FCTYPE_OFFSET = CMD_SQE_OFFSET + 4;

/**
 * Checks a CMD IU in field order: its length and constants, and that the direction it gives is that
 * of its command. Whether the connection exists, and what the SQE says, is for layers above.
 *
 * @param iuBytes bytes of the information unit.
 * @throws FcProtocolError
 */
export function checkCmdIu(view: DataView, base: number, iuBytes: number): void {
  if (iuBytes !== CmdIu.size) throw badLength("CMD IU", iuBytes, CmdIu.size);
  const formatId = CmdIu.formatId.get(view, base);
  if (formatId !== CMD_FORMAT_ID) throw expected("formatId", formatId, CMD_FORMAT_ID);
  const fcId = CmdIu.fcId.get(view, base);
  if (fcId !== CMD_FC_ID) throw expected("fcId", fcId, CMD_FC_ID);
  const dwords = CmdIu.iuLength.get(view, base);
  if (dwords !== CmdIu.size / 4) throw expected("iuLength", dwords, CmdIu.size / 4);
  checkDirection(view, base);
}

function checkDirection(view: DataView, base: number): void {
  const write = CmdIu.write.get(view, base) === 1;
  const read = CmdIu.read.get(view, base) === 1;
  const opc = Sqe.opc.get(view, base + CMD_SQE_OFFSET);
  const code = opc === OPC_FABRICS ? view.getUint8(base + FCTYPE_OFFSET) : opc;
  const direction = directionOf(code);
  if (write && read) throw badField("CMD IU", CmdIu, "read", "both directions are given");
  if (write && (direction & DataDirection.ToController) === 0) {
    throw badField("CMD IU", CmdIu, "write", `opcode ${opc} takes no data from the host`);
  }
  if (read && (direction & DataDirection.ToHost) === 0) {
    throw badField("CMD IU", CmdIu, "read", `opcode ${opc} gives no data to the host`);
  }
  const dataBytes = CmdIu.dataLength.get(view, base);
  if (!write && !read && dataBytes !== 0) {
    throw badField("CMD IU", CmdIu, "dataLength", `${dataBytes} bytes without a direction`);
  }
}

const expected = (name: keyof typeof CmdIu, found: number, wanted: number) =>
  badField("CMD IU", CmdIu, name, `${found}, expected ${wanted}`);

/** What a host knows of the command that is answered. */
export interface ErspExpectation {
  /** Command Identifier of the command. */
  readonly cid: number;
  /** Bytes that moved, as the port counted them. */
  readonly transferredBytes: number;
}

/**
 * Checks an ERSP IU in field order. Whoever catches the error ends the association.
 *
 * @param iuBytes bytes of the information unit.
 * @throws FcProtocolError
 */
export function checkErspIu(
  view: DataView,
  base: number,
  iuBytes: number,
  { cid, transferredBytes }: ErspExpectation,
): void {
  const bad = (name: keyof typeof ErspIu, found: number, wanted: number) =>
    badField("ERSP IU", ErspIu, name, `${found}, expected ${wanted}`);
  if (iuBytes !== ErspIu.size) throw badLength("ERSP IU", iuBytes, ErspIu.size);
  const result = ErspIu.result.get(view, base);
  if (result !== ErspResult.Success) throw bad("result", result, ErspResult.Success);
  const dwords = ErspIu.iuLength.get(view, base);
  if (dwords !== ErspIu.size / 4) throw bad("iuLength", dwords, ErspIu.size / 4);
  const transferred = ErspIu.transferredLength.get(view, base);
  if (transferred !== transferredBytes) {
    throw bad("transferredLength", transferred, transferredBytes);
  }
  const answered = Cqe.cid.get(view, base + ERSP_CQE_OFFSET);
  if (answered !== cid) throw bad("cqe", answered, cid);
}

/**
 * Checks an RSP IU: 12 zero bytes. A host takes no bytes at all for one as well; that is not asked
 * here.
 *
 * @throws FcProtocolError
 */
export function checkRspIu(view: DataView, base: number, iuBytes: number): void {
  if (iuBytes !== RSP_IU_BYTES) throw badLength("RSP IU", iuBytes, RSP_IU_BYTES);
  for (let at = 0; at < RSP_IU_BYTES; at += 4) {
    if (view.getUint32(base + at) !== 0) throw badZeroes(at);
  }
}

const badZeroes = (at: number) =>
  badField("RSP IU", { zeroes: u32be(at) }, "zeroes", "expected zeroes");

/**
 * Checks an XFER_RDY IU against the command's data.
 *
 * @param dataBytes bytes that the command writes.
 * @throws FcProtocolError
 */
export function checkXferRdyIu(
  view: DataView,
  base: number,
  iuBytes: number,
  dataBytes: number,
): void {
  if (iuBytes !== XferRdyIu.size) throw badLength("XFER_RDY IU", iuBytes, XferRdyIu.size);
  const offset = XferRdyIu.relativeOffset.get(view, base);
  const burst = XferRdyIu.burstLength.get(view, base);
  const bad = (name: keyof typeof XferRdyIu, message: string) =>
    badField("XFER_RDY IU", XferRdyIu, name, message);
  if (offset >= dataBytes) throw bad("relativeOffset", `${offset} of ${dataBytes} bytes`);
  if (burst === 0 || offset + burst > dataBytes) {
    throw bad("burstLength", `${burst} bytes from ${offset} of ${dataBytes}`);
  }
}
