// Text that is held back until somebody can wait for its being written: as bytes, since strings that are put
// together of many cost more the longer they wait.
// Read first: ../verbs/decode.ts, which fills and empties it.

/** Bytes that are written at once, if a single text is not longer. */
const PIECE_BYTES = 64 * 1024;
/** Of one unit of a string, in UTF-8. */
const UNIT_BYTES_MAX = 3;

/** Pieces of text in their order, as UTF-8. */
export class HeldText {
  /** The one that is being filled, and how far. */
  #piece = Buffer.allocUnsafe(PIECE_BYTES);
  #bytes = 0;
  #full: Uint8Array[] = [];

  add(text: string): void {
    const bytesMax = UNIT_BYTES_MAX * text.length;
    if (this.#bytes + bytesMax > this.#piece.length) {
      this.#seal();
      this.#piece = Buffer.allocUnsafe(Math.max(PIECE_BYTES, bytesMax));
    }
    this.#bytes += this.#piece.write(text, this.#bytes, "utf8");
  }

  /** All that was added since the last call; it is the caller's. */
  take(): readonly Uint8Array[] {
    this.#seal();
    const full = this.#full;
    this.#full = [];
    return full;
  }

  #seal(): void {
    if (this.#bytes === 0) return;
    this.#full.push(this.#piece.subarray(0, this.#bytes));
    // What is left of it serves on: what was given away is not touched.
    this.#piece = this.#piece.subarray(this.#bytes);
    this.#bytes = 0;
  }
}
