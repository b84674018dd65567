// What an error of a block device is in the words of NBD.
// Read first: the NBD protocol, "Error values"; Base 2.0 §3.3.3.2.1 "Status Field Definition".

import { type NvmeofError, Status, codeOf } from "@nvmeof/codec";
import { NbdCommand, NbdErrno } from "./protocol.ts";

/** The statuses that are more than "it did not work". Everything else is EIO. */
const byStatus: ReadonlyMap<number, NbdErrno> = new Map<number, NbdErrno>([
  [Status.CapacityExceeded, NbdErrno.ENOSPC],
  [Status.NamespaceWriteProtected, NbdErrno.EPERM],
  [Status.WriteToReadOnlyRange, NbdErrno.EPERM],
  [Status.OperationDenied, NbdErrno.EPERM],
  [Status.AccessDenied, NbdErrno.EPERM],
  [Status.ReservationConflict, NbdErrno.EPERM],
  [Status.InvalidOpcode, NbdErrno.EINVAL],
  [Status.InvalidField, NbdErrno.EINVAL],
  [Status.CommandSizeLimitExceeded, NbdErrno.EINVAL],
]);

/** Codes that say that the device is gone for good, whatever their status. */
const gone: ReadonlySet<string> = new Set([
  "NVME_ERR_CLOSED",
  "NVME_ERR_CONTROLLER_CLOSED",
  "NVME_ERR_NS_CHANGED",
]);

/** The error that a request of NBD type `command` is answered with. */
export function errnoOf({ code, status = 0 }: NvmeofError, command: number): NbdErrno {
  if (gone.has(code)) return NbdErrno.ESHUTDOWN;
  const what = codeOf(status);
  if (what === Status.LbaOutOfRange) return pastEnd(command);
  return byStatus.get(what) ?? NbdErrno.EIO;
}

/** What is beyond the end of a disk: no space for those who write there, nothing for the others. */
export const pastEnd = (command: number): NbdErrno =>
  command === NbdCommand.Write || command === NbdCommand.WriteZeroes
    ? NbdErrno.ENOSPC
    : NbdErrno.EINVAL;
