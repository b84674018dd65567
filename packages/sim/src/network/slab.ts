// Memory for bytes under way: many pieces share a buffer, since one for each costs more than its bytes.
// Read first: pipe.ts, which takes a part for each piece, and end.ts, which spoils it afterwards.

import { Region } from "@nvmeof/transport";

/** Bytes of a buffer; a larger piece has one of its own. */
const SLAB_BYTES = 64 * 1024;

/** Bytes `start` to `end` of a buffer: nobody else has them, before or after. */
export interface Part {
  readonly region: Region;
  readonly start: number;
  readonly end: number;
}

/** Gives out zeroed memory, each byte once. */
export class Slab {
  #region = new Region(new Uint8Array(SLAB_BYTES));
  #used = 0;

  take(bytes: number): Part {
    if (bytes > SLAB_BYTES)
      return { region: new Region(new Uint8Array(bytes)), start: 0, end: bytes };
    if (this.#used + bytes > SLAB_BYTES) {
      this.#region = new Region(new Uint8Array(SLAB_BYTES));
      this.#used = 0;
    }
    const start = this.#used;
    // Words begin where words do, as in a buffer of its own.
    this.#used = (start + bytes + 7) & ~7;
    return { region: this.#region, start, end: start + bytes };
  }
}
