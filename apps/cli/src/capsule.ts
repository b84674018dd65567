// A command as it would be sent: its 64 bytes, as nvme-cli's --show-command prints them.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format".

import { Sqe, viewOf } from "@nvmeof/codec";
import type { AdminCommand } from "@nvmeof/core";

/** The SQE of a command; CID and data pointer, which the transport fills in, are zero. */
export function sqeOf(command: AdminCommand): Uint8Array {
  const bytes = new Uint8Array(Sqe.size);
  const view = viewOf(bytes);
  Sqe.opc.set(view, 0, command.opcode);
  Sqe.nsid.set(view, 0, command.nsid ?? 0);
  command.fill?.(view);
  return bytes;
}

/** Fields of the first 8 bytes, then the dwords, by the names of nvme-cli. */
export function sqeFields(command: AdminCommand): Record<string, number> {
  const view = viewOf(sqeOf(command));
  const dwords = [2, 3, 10, 11, 12, 13, 14, 15].map(
    (n) => [`cdw${n}`, view.getUint32(4 * n, true)] as const,
  );
  return {
    opcode: view.getUint8(0),
    flags: view.getUint8(1),
    rsvd1: view.getUint16(2, true),
    nsid: view.getUint32(4, true),
    ...Object.fromEntries(dwords),
    data_len: command.data?.length ?? 0,
  };
}

/** Hexadecimal digits of those that are no dwords. */
const digits: Readonly<Record<string, number>> = { opcode: 2, flags: 2, rsvd1: 4 };

/** What a command looks like, for people. */
export const sqeText = (command: AdminCommand): string =>
  Object.entries(sqeFields(command))
    .map(
      ([name, value]) =>
        `${name.padEnd(12)} : ${value.toString(16).padStart(digits[name] ?? 8, "0")}\n`,
    )
    .join("");
