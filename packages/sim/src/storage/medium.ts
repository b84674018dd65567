// The blocks of a disk: what is on stable media, what lies in the volatile cache, and what a crash leaves.
// Read first: Base 2.0 §5.27.1.4 "Volatile Write Cache" (write cache and Flush); disk.ts, which it is part of.

import type { SimRandom } from "../random.ts";

/** Versions of a block in the cache; the oldest is written back when there are more. */
const VERSIONS_MAX = 8;

/**
 * Blocks by number. Only what was written takes memory, and at most `blockCount` × 9 blocks of it. What is
 * handed in is kept, and must not change afterwards; undefined stands for zeroes.
 */
export class Medium {
  readonly #cache: "none" | "volatile";
  readonly #stable = new Map<number, Uint8Array>();
  /** Versions that are not on stable media yet, oldest first. */
  readonly #volatile = new Map<number, (Uint8Array | undefined)[]>();

  constructor(cache: "none" | "volatile") {
    this.#cache = cache;
  }

  /** What a block holds now. */
  get(lba: number): Uint8Array | undefined {
    const versions = this.#volatile.get(lba);
    return versions === undefined ? this.#stable.get(lba) : versions.at(-1);
  }

  /** @param stable it goes to stable media at once, whatever cache there is. */
  put(lba: number, block: Uint8Array | undefined, stable: boolean): void {
    if (stable || this.#cache === "none") {
      // Older versions must not come back over it.
      this.#volatile.delete(lba);
      this.#keep(lba, block);
      return;
    }
    const versions = this.#volatile.get(lba);
    if (versions === undefined) {
      this.#volatile.set(lba, [block]);
      return;
    }
    versions.push(block);
    if (versions.length > VERSIONS_MAX) this.#keep(lba, versions.shift());
  }

  /** All that was put is on stable media. */
  flush(): void {
    for (const [lba, versions] of this.#volatile) this.#keep(lba, versions.at(-1));
    this.#volatile.clear();
  }

  /**
   * Power is lost: of each block in the cache any version may have been written back, or none of them.
   *
   * @returns the number of blocks that lost something.
   */
  crash(random: SimRandom): number {
    let lost = 0;
    for (const [lba, versions] of this.#volatile) {
      const kept = random.below(versions.length + 1);
      if (kept > 0) this.#keep(lba, versions[kept - 1]);
      if (kept < versions.length) lost++;
    }
    this.#volatile.clear();
    return lost;
  }

  /** Blocks from `blockCount` on are cut off. */
  cut(blockCount: number): void {
    for (const blocks of [this.#stable, this.#volatile]) {
      for (const lba of Array.from(blocks.keys())) if (lba >= blockCount) blocks.delete(lba);
    }
  }

  /** Numbers of the blocks that were ever written, in order. */
  get written(): number[] {
    const all = new Set([...this.#stable.keys(), ...this.#volatile.keys()]);
    return Array.from(all).sort((a, b) => a - b);
  }

  #keep(lba: number, block: Uint8Array | undefined): void {
    if (block === undefined) this.#stable.delete(lba);
    else this.#stable.set(lba, block);
  }
}
