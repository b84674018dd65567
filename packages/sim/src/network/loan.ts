// Buffers that a stream has on loan until `drained`, and whether they were left alone meanwhile.
// Read first: @nvmeof/transport byte-stream.ts, `write`; invariant I28.

import type { Part } from "./slab.ts";

interface Loan {
  readonly bytes: Uint8Array;
  readonly sum: number;
}

/** Pieces given to `write` that are not out yet, oldest first. */
export class Loans {
  #loans: Loan[] = [];
  /** Bytes of the first one that are out. */
  #out = 0;
  #bytes = 0;
  readonly #changed: () => void;

  /** @param changed is called for a piece that is not what was given. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Bytes that are not out. */
  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#loans.push({ bytes, sum: sumOf(bytes) });
    this.#bytes += bytes.length;
  }

  /** Copies the next bytes, as they are now, to where `part` is, which is not longer than they are. */
  take({ region, start, end }: Part): void {
    for (let at = start; at < end;) {
      const { bytes, sum } = this.#loans[0]!;
      const count = Math.min(bytes.length - this.#out, end - at);
      const whole = count === bytes.length;
      region.bytes.set(whole ? bytes : bytes.subarray(this.#out, this.#out + count), at);
      at += count;
      this.#out += count;
      if (this.#out < bytes.length) continue;
      if (sumOf(bytes) !== sum) this.#changed();
      this.#loans.shift();
      this.#out = 0;
    }
    this.#bytes -= end - start;
  }

  /** Gives all of them back: nothing more of them is sent. */
  drop(): void {
    this.#loans = [];
    this.#out = 0;
    this.#bytes = 0;
  }
}

/** Any change of one word changes it. Word by word where the platform lets us. */
function sumOf(bytes: Uint8Array): number {
  let sum = bytes.length;
  let at = 0;
  if ((bytes.byteOffset & 3) === 0 && bytes.length >= 64) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    for (let word = 0; word < words.length; word++) sum = Math.imul(sum ^ words[word]!, 0x01000193);
    at = words.length * 4;
  }
  for (; at < bytes.length; at++) sum = Math.imul(sum ^ bytes[at]!, 0x01000193);
  return sum;
}
