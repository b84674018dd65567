// What a controller requires of the PDUs it receives while running, and of a command's data pointer.
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer"; Fabrics 1.1 §2.3 "SGL"; ids in brackets are rows of
// the table of bad input.

import {
  DataDirection,
  DataPdu,
  Fes,
  OPC_FABRICS,
  PSDT_SGL,
  PduFlag,
  PduHeader,
  ProtocolError,
  SglId,
  Sqe,
  Status,
} from "@nvmeof/codec";
import type { ControllerSlot } from "./controller-slot.ts";

const field = (fei: number, message: string): ProtocolError =>
  new ProtocolError(Fes.InvalidHeaderField, fei, message);

// FEI has a meaning with FES 1, 3 and 6 only; it is reserved, so 0, with the others.
const sequence = (message: string): ProtocolError =>
  new ProtocolError(Fes.SequenceError, 0, message);

/** Whether the command's opcode, or its FCTYPE, moves data to the controller. */
export function movesToController(sqe: DataView): boolean {
  const opcode = Sqe.opc.get(sqe);
  const code = opcode === OPC_FABRICS ? sqe.getUint8(4) : opcode;
  return (code & DataDirection.ToController) !== 0;
}

/**
 * What is wrong with H2CData whose TTAG names no R2T (T45, T46, T48 to T52).
 *
 * @param fetching how many R2Ts are outstanding.
 */
export function strayH2CData(
  slots: readonly ControllerSlot[],
  fetching: number,
  view: DataView,
  base: number,
): ProtocolError {
  const cccid = DataPdu.cccid.get(view, base);
  const named = slots.find((slot) => slot.outstanding && slot.cid === cccid);
  if (named !== undefined && !movesToController(named.sqe)) {
    return field(8, `H2CData: command ${cccid} does not write`);
  }
  if (fetching === 0) return sequence("H2CData: no R2T is outstanding");
  return field(10, `H2CData: TTAG ${DataPdu.ttag.get(view, base)} was not issued`);
}

/** H2CData: answers the one R2T that its TTAG names, in order, to its end (T47, T53 to T62). */
export function checkH2CData(
  slot: ControllerSlot,
  view: DataView,
  base: number,
  dataBytes: number,
): void {
  const ttag = DataPdu.ttag.get(view, base);
  const cccid = DataPdu.cccid.get(view, base);
  if (cccid !== slot.cid) throw field(8, `H2CData: TTAG ${ttag} is not of command ${cccid}`);
  const length = DataPdu.datal.get(view, base);
  if (length !== dataBytes) {
    throw field(16, `H2CData: DATAL ${length}, but the PDU carries ${dataBytes}`);
  }
  const offset = DataPdu.datao.get(view, base);
  const whole = slot.fetchBytes;
  if (offset + length > whole) {
    const range = `bytes ${offset} to ${offset + length} of ${whole}`;
    throw new ProtocolError(Fes.TransferOutOfRange, 0, `H2CData: ${range}`);
  }
  if (offset !== slot.movedBytes) {
    throw sequence(`H2CData: DATAO ${offset}, expected ${slot.movedBytes}`);
  }
  const last = (PduHeader.flags.get(view, base) & PduFlag.Last) !== 0;
  const ends = offset + length === whole;
  if (last !== ends) throw sequence(`H2CData: LAST_PDU ${last ? "before" : "missing at"} the end`);
  if (!last && length % 4 !== 0) throw field(16, `H2CData: DATAL ${length} is not a multiple of 4`);
}

/**
 * A command's data pointer against what the capsule carries (T38, T40, T67 to T69).
 *
 * @returns the status that refuses the command, 0 when the pointer is sound.
 */
export function dataPointerStatus(sqe: DataView, capsuleBytes: number): number {
  if (Sqe.psdt.get(sqe) !== PSDT_SGL) return Status.InvalidField;
  const id = Sqe.sglId.get(sqe);
  const length = Sqe.sglLength.get(sqe);
  if (id === SglId.InCapsule) {
    if (Sqe.sglAddress.get(sqe) !== 0) return Status.SglOffsetInvalid;
    if (length === 0 && capsuleBytes === 0) return 0;
    if (!movesToController(sqe)) return Status.InvalidField;
    return length === capsuleBytes ? 0 : Status.SglDataLengthInvalid;
  }
  if (id === SglId.Transport || (id === 0 && length === 0)) {
    return capsuleBytes === 0 ? 0 : Status.InvalidField;
  }
  // Segments are legal in NVMe but not over this transport; a keyed descriptor is RDMA's.
  return Status.SglTypeInvalid;
}
