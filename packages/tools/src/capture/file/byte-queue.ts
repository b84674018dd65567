// Bytes that have come and were not used up yet: a file in pieces, read as one.
// Read first: reader.ts, its user.

const FIRST_BYTES = 64 * 1024;

/** Holds what was appended and not consumed, in one piece. Knows where in the file it stands. */
export class ByteQueue {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;
  /** Bytes that are to be dropped as they come. */
  #owedBytes = 0;
  /** Offset in the file of the first byte that was not consumed. */
  offset = 0;

  /** Bytes that can be looked at. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** The buffer; valid until the next `append`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get view(): DataView {
    return this.#view;
  }

  /** Where in `bytes` the first byte lies that was not consumed. */
  get start(): number {
    return this.#start;
  }

  append(chunk: Uint8Array): void {
    const dropped = Math.min(this.#owedBytes, chunk.length);
    this.#owedBytes -= dropped;
    this.offset += dropped;
    const count = chunk.length - dropped;
    if (count === 0) return;
    if (this.#end + count > this.#bytes.length) this.#makeRoom(count);
    this.#bytes.set(dropped === 0 ? chunk : chunk.subarray(dropped), this.#end);
    this.#end += count;
  }

  /** The first `count` bytes are done with; also such as have not come yet. */
  consume(count: number): void {
    const here = Math.min(count, this.length);
    this.#start += here;
    this.offset += here;
    this.#owedBytes += count - here;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** Whether bytes were consumed that have not come. */
  get isShort(): boolean {
    return this.#owedBytes > 0;
  }

  #makeRoom(count: number): void {
    const { length } = this;
    const old = this.#bytes.subarray(this.#start, this.#end);
    if (length + count > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.max(length + count, 2 * this.#bytes.length));
      this.#view = new DataView(this.#bytes.buffer);
      this.#bytes.set(old);
    } else {
      this.#bytes.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = length;
  }
}
