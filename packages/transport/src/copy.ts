// A buffer and its view, made once for all that is done with it; and the copying of payload.
// Why `set(subarray())`: a loop over 64-bit aliases leaves nothing on the heap, but takes 370 ns for 4 KiB
// where this takes 100, its garbage included (measured); node-ceilings.md §5 has more of them.

/** Up to this many bytes a loop is cheaper than the view that `set` needs. */
const LOOP_BYTES_MAX = 48;

/** A buffer with its view. One serves a buffer for good; the view is made when it is first of use. */
export class Region {
  readonly bytes: Uint8Array;
  #view: DataView | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get view(): DataView {
    return (this.#view ??= new DataView(
      this.bytes.buffer,
      this.bytes.byteOffset,
      this.bytes.byteLength,
    ));
  }

  /** Copies bytes `start` to `end` of `source` to `at` in this region. */
  copy(at: number, source: Region, start: number, end: number): void {
    const { bytes } = this;
    const from = source.bytes;
    if (end - start > LOOP_BYTES_MAX) bytes.set(from.subarray(start, end), at);
    else for (let i = start; i < end; i++) bytes[at + i - start] = from[i]!;
  }
}

/** Data that is not wanted goes nowhere. */
export const NO_DATA: Uint8Array = new Uint8Array(0);

/** The region of no data. */
export const NO_REGION: Region = new Region(NO_DATA);
