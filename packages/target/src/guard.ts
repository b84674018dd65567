// What stands between a command and a namespace: reservations, a format, a sanitize operation.
// Read first: Base 2.0 §8.19 "Reservations", "Command Behavior in the Presence of a Reservation"; §8.20
// "Sanitize Operations".

import { NvmOpcode, Status } from "@nvmeof/codec";
import type { Seat } from "./seat.ts";

/** Bits of `Namespace.guard`. One look at it lets the usual command pass. */
export const Guard = {
  /** There is a reservation. */
  Reserved: 1,
  Formatting: 2,
  Sanitizing: 4,
  /** The last sanitize operation failed. */
  SanitizeFailed: 8,
} as const;

/** Commands that look after themselves: they are about the reservation. */
const isAboutReservations = (opcode: number): boolean =>
  opcode === NvmOpcode.ReservationRegister ||
  opcode === NvmOpcode.ReservationReport ||
  opcode === NvmOpcode.ReservationAcquire ||
  opcode === NvmOpcode.ReservationRelease;

/** The status to refuse a command with where `Namespace.guard` is not 0; 0 where it may go on. */
export function guardRefusal(seat: Seat, opcode: number): number {
  const { guard } = seat.namespace;
  if (isAboutReservations(opcode)) return 0;
  if ((guard & Guard.Sanitizing) !== 0) return Status.SanitizeInProgress;
  if ((guard & Guard.SanitizeFailed) !== 0) return Status.SanitizeFailed;
  if ((guard & Guard.Formatting) !== 0) return Status.FormatInProgress;
  switch (opcode) {
    case NvmOpcode.Read:
    case NvmOpcode.Compare:
    case NvmOpcode.Verify:
      return seat.mayRead ? 0 : Status.ReservationConflict;
    case NvmOpcode.Copy:
      return seat.mayRead && seat.mayWrite ? 0 : Status.ReservationConflict;
    default:
      return seat.mayWrite ? 0 : Status.ReservationConflict;
  }
}
