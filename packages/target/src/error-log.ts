// The Error Information log of a controller: the commands it failed, newest first, in bounded room.
// Read first: Base 2.0 §5.16.1.2 "Error Information (Log Identifier 01h)".

import { ErrorLogEntry, Sqe, encode, viewOf } from "@nvmeof/codec";

/** No byte of the command is to blame in particular. */
const NO_LOCATION = 0xffff;

/** A ring of entries as they go into the log. */
export class ErrorLog {
  /** Errors since the controller was made. */
  count = 0;
  readonly #entries: Uint8Array;
  readonly #view: DataView;
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
    this.#entries = new Uint8Array(entriesMax * ErrorLogEntry.size);
    this.#view = viewOf(this.#entries);
  }

  /** Notes a command that was answered with a status other than success. */
  note(qid: number, sqe: DataView, status: number, trtype: number): void {
    const at = (this.count % this.#entriesMax) * ErrorLogEntry.size;
    this.count++;
    encode(ErrorLogEntry, this.#view, at, {
      ecnt: BigInt(this.count),
      sqid: qid,
      cid: Sqe.cid.get(sqe),
      status,
      peloc: NO_LOCATION,
      lba: qid === 0 ? 0n : sqe.getBigUint64(40, true),
      nsid: Sqe.nsid.get(sqe),
      trtype,
      opc: Sqe.opc.get(sqe),
      lpver: 1,
    });
  }

  /** The log, newest entry first. */
  page(): Uint8Array {
    const page = new Uint8Array(this.#entries.length);
    const held = Math.min(this.count, this.#entriesMax);
    for (let i = 0; i < held; i++) {
      const from = ((this.count - 1 - i) % this.#entriesMax) * ErrorLogEntry.size;
      page.set(this.#entries.subarray(from, from + ErrorLogEntry.size), i * ErrorLogEntry.size);
    }
    return page;
  }
}
