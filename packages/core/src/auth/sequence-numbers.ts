// Sequence numbers of challenges: ours never repeat, and those of a peer are not taken twice.
// Read first: Base 2.0 §8.13.5.3 "DH-HMAC-CHAP_Challenge Message", "Sequence Number (SEQNUM)".

import type { AuthCrypto } from "./crypto.ts";

/** Numbers of a peer that are remembered. A replay of an older one meets another challenge anyway. */
const REMEMBERED_MAX = 256;

/** Sequence numbers of a host for its challenges, and those of its peers that were seen already. */
export class SequenceNumbers {
  #last: number;
  readonly #seen = new Set<number>();

  constructor(crypto: AuthCrypto) {
    const bytes = crypto.random(4);
    this.#last = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  }

  /** The next of ours, 1 to 2^32 - 1: it begins anywhere, goes up by one, and leaves out 0. */
  next(): number {
    this.#last = this.#last === 0xffff_ffff ? 1 : this.#last + 1;
    return this.#last;
  }

  /** Notes one of a peer. Returns whether it may be: not 0, and not seen before. */
  take(seqnum: number): boolean {
    if (seqnum === 0 || this.#seen.has(seqnum)) return false;
    if (this.#seen.size >= REMEMBERED_MAX) {
      // A set keeps the order in which they came: the first is the oldest.
      const [oldest] = this.#seen;
      this.#seen.delete(oldest!);
    }
    this.#seen.add(seqnum);
    return true;
  }
}
