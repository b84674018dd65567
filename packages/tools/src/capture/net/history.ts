// The last bytes of a stream, kept to compare retransmissions with.
// Read first: lane.ts.

const FIRST_BYTES = 4096;

/** A ring of the last bytes. It grows with what passes, up to its limit. */
export class History {
  readonly #limitBytes: number;
  #ring = new Uint8Array(0);
  /** Where the next byte goes, and how many are known. */
  #at = 0;
  #count = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const from = Math.max(start, end - this.#limitBytes);
    const count = end - from;
    if (this.#count + count > this.#ring.length) this.#grow(this.#count + count);
    const toEnd = Math.min(count, this.#ring.length - this.#at);
    this.#ring.set(bytes.subarray(from, from + toEnd), this.#at);
    this.#ring.set(bytes.subarray(from + toEnd, end), 0);
    this.#at = this.#ring.length === 0 ? 0 : (this.#at + count) % this.#ring.length;
    this.#count = Math.min(this.#ring.length, this.#count + count);
  }

  /** Nothing is known of what came last. */
  forget(): void {
    this.#count = 0;
  }

  /** Whether bytes differ from those that began `back` bytes ago, as far as those are known. */
  differs(bytes: Uint8Array, start: number, end: number, back: number): boolean {
    const size = this.#ring.length;
    const unknown = Math.max(0, back - this.#count);
    for (let i = unknown; i < end - start; i++) {
      if (this.#ring[(this.#at + 2 * size - back + i) % size] !== bytes[start + i]) return true;
    }
    return false;
  }

  #grow(wanted: number): void {
    if (this.#ring.length >= this.#limitBytes) return;
    const size = Math.min(this.#limitBytes, Math.max(wanted, FIRST_BYTES, 2 * this.#ring.length));
    const ring = new Uint8Array(size);
    for (let i = 0; i < this.#count; i++) {
      ring[i] = this.#ring[(this.#at + this.#ring.length - this.#count + i) % this.#ring.length]!;
    }
    this.#ring = ring;
    this.#at = this.#count % size;
  }
}
