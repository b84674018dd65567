// What a host requires of the PDUs it receives while running: one check per PDU type.
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer", §3.5.2 "Fatal Error Handling". The ids in brackets
// (H12, …) are rows of the table of bad input that the tests go through.

import {
  Cqe,
  DataDirection,
  DataPdu,
  Fes,
  PduFlag,
  PduHeader,
  ProtocolError,
  R2t,
} from "@nvmeof/codec";
import type { HostSlot } from "./host-slot.ts";

const field = (fei: number, message: string): ProtocolError =>
  new ProtocolError(Fes.InvalidHeaderField, fei, message);

// FEI has a meaning with FES 1, 3 and 6 only; it is reserved, so 0, with the others.
const outOfRange = (message: string): ProtocolError =>
  new ProtocolError(Fes.TransferOutOfRange, 0, message);

/** C2HData: for a read that is under way, in order, within it (H21 to H29). */
export function checkC2HData(
  slot: HostSlot | undefined,
  view: DataView,
  base: number,
  dataBytes: number,
): asserts slot is HostSlot {
  const flags = PduHeader.flags.get(view, base);
  if ((flags & PduFlag.Success) !== 0 && (flags & PduFlag.Last) === 0) {
    throw field(1, "C2HData: SUCCESS without LAST_PDU");
  }
  if (slot === undefined || !slot.outstanding) {
    throw field(8, `C2HData: no command ${DataPdu.cccid.get(view, base)} is outstanding`);
  }
  if (slot.direction !== DataDirection.ToHost) {
    throw field(8, `C2HData: command ${DataPdu.cccid.get(view, base)} does not read`);
  }
  if (slot.lastSeen) throw new ProtocolError(Fes.SequenceError, 0, "C2HData after LAST_PDU");
  const offset = DataPdu.datao.get(view, base);
  const length = DataPdu.datal.get(view, base);
  const whole = slot.transferBytes;
  // Sums are exact: both are below 2^32 and numbers hold 2^53.
  if (offset + length > whole) {
    throw outOfRange(`C2HData: bytes ${offset} to ${offset + length} of ${whole}`);
  }
  if (offset !== slot.movedBytes) {
    throw field(12, `C2HData: DATAO ${offset}, expected ${slot.movedBytes}`);
  }
  if (length !== dataBytes) {
    throw field(16, `C2HData: DATAL ${length}, but the PDU carries ${dataBytes}`);
  }
}

/** CapsuleResp: for a command that is outstanding on this queue (H12 to H16). */
export function checkCompletion(
  slot: HostSlot | undefined,
  view: DataView,
  base: number,
  qid: number,
): asserts slot is HostSlot {
  if (slot === undefined || !slot.outstanding) {
    throw field(20, `CapsuleResp: no command ${Cqe.cid.get(view, base)} is outstanding`);
  }
  // Some targets leave SQID zero on every queue; one of another queue's is a mix-up.
  const sqid = Cqe.sqid.get(view, base);
  if (sqid !== 0 && sqid !== qid) throw field(18, `CapsuleResp: SQID ${sqid} on queue ${qid}`);
}

/** R2T: for a write whose data it asks for in order, once, and one at a time (H32 to H36). */
export function checkR2t(
  slot: HostSlot | undefined,
  view: DataView,
  base: number,
): asserts slot is HostSlot {
  if (slot === undefined || !slot.outstanding) {
    throw field(8, `R2T: no command ${R2t.cccid.get(view, base)} is outstanding`);
  }
  if (slot.direction !== DataDirection.ToController) {
    throw field(8, `R2T: command ${R2t.cccid.get(view, base)} does not write`);
  }
  const offset = R2t.r2to.get(view, base);
  const length = R2t.r2tl.get(view, base);
  const whole = slot.transferBytes;
  if (offset + length > whole) {
    throw outOfRange(`R2T: bytes ${offset} to ${offset + length} of ${whole}`);
  }
  if (offset !== slot.movedBytes) {
    throw field(12, `R2T: R2TO ${offset}, expected ${slot.movedBytes}`);
  }
  if (length === 0) throw field(16, "R2T: R2TL 0");
  // Data that has not left us cannot have arrived: its R2T is outstanding still.
  if (slot.sentBytes !== slot.movedBytes) {
    throw new ProtocolError(Fes.LimitExceeded, 0, "R2T: more at a time than MAXR2T allows");
  }
}
