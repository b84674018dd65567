// Data of admin and Fabrics commands, from the capsule or by way of the transport. Not for I/O.
// Read first: @nvmeof/transport queue-link.ts, `capsuleData` and `fetch`.

import type { ControllerLink } from "@nvmeof/transport";

interface Pending {
  readonly data: Uint8Array;
  readonly take: (data: Uint8Array) => void;
}

/** Gets the data of a few cold commands at a time. */
export class DataIn {
  readonly #link: ControllerLink;
  readonly #pending = new Map<number, Pending>();

  constructor(link: ControllerLink) {
    this.#link = link;
  }

  /** Commands whose data is under way. */
  get count(): number {
    return this.#pending.size;
  }

  /** Whether the data of the command in slot `tag` is under way. */
  awaits(tag: number): boolean {
    return this.#pending.has(tag);
  }

  /** Calls `take` with the command's data: now where it came in the capsule. */
  get(tag: number, take: (data: Uint8Array) => void): void {
    const inCapsule = this.#link.capsuleData(tag);
    if (inCapsule !== undefined) {
      take(inCapsule);
      return;
    }
    const data = new Uint8Array(this.#link.transferBytes(tag));
    this.#pending.set(tag, { data, take });
    this.#link.fetch(tag, data);
  }

  /** To be called with what the link says. Returns the status to refuse the command with, or 0. */
  fetched(tag: number, status: number): number {
    const pending = this.#pending.get(tag);
    this.#pending.delete(tag);
    if (status === 0) pending?.take(pending.data);
    return status;
  }
}
