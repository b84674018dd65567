// Chance of a fault: one source per fault, connection and direction, so that none moves another.
// Read first: @nvmeof/core random.ts.

import { type Random, seededRandom } from "@nvmeof/core";

/** A seeded source of chance. */
export class Dice {
  readonly #source: Random;

  /** The same numbers give the same chance, in this order. */
  constructor(...seeds: readonly number[]) {
    let hash = 0x811c_9dc5;
    for (const seed of seeds) hash = seededRandom((hash ^ seed) >>> 0).next32();
    this.#source = seededRandom(hash);
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return limit <= 1 ? 0 : Math.floor(this.share() * limit);
  }

  /** From 0 up to, and without, 1. */
  share(): number {
    return this.#source.next32() / 2 ** 32;
  }

  /** Whether something of this probability, 0 to 1, happens. */
  happens(probability: number): boolean {
    // Asked also where the answer is known: what comes later must not depend on it.
    return this.share() < probability;
  }
}
