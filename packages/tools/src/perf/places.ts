// Where the next request goes: at random, or one after another and round again.

import type { Random } from "@nvmeof/core";

/** Places are as large as a request, and numbered from 0. */
export class Places {
  readonly count: number;
  readonly #random: Random | undefined;
  #next: number;

  /**
   * @param random undefined for one after another.
   * @param first where that begins.
   */
  constructor(count: number, random: Random | undefined, first = 0) {
    this.count = count;
    this.#random = random;
    this.#next = first;
  }

  next(): number {
    const random = this.#random;
    if (random === undefined) {
      const place = this.#next;
      this.#next = place + 1 < this.count ? place + 1 : 0;
      return place;
    }
    const high = random.next32();
    if (this.count <= 2 ** 32) return Math.floor((high / 2 ** 32) * this.count);
    // 53 bits and no more: what a double cannot hold would be rounded up to the end.
    const low = random.next32() >>> 11;
    return Math.floor(((high * 2 ** 21 + low) / 2 ** 53) * this.count);
  }
}
