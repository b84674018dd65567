// Chance of a simulation: one generator per purpose, so that leaving out one part moves no other.
// Read first: @nvmeof/core random.ts for the port that it fills.

import { type Random, seededRandom } from "@nvmeof/core";

/** A seeded source of chance that can be divided by name. */
export class SimRandom implements Random {
  readonly #seed: number;
  readonly #source: Random;

  /** @param seed a whole number, 0 to 2^32 - 1. */
  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#source = seededRandom(this.#seed);
  }

  next32(): number {
    return this.#source.next32();
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return this.#source.next32() % limit;
  }

  /** A whole number from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True once in `count` times on average. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** A generator of its own for `purpose`: the same seed and purpose give the same numbers. */
  fork(purpose: string): SimRandom {
    let hash = (this.#seed ^ 0x811c9dc5) >>> 0;
    for (let at = 0; at < purpose.length; at++) {
      hash = Math.imul(hash ^ purpose.charCodeAt(at), 0x01000193) >>> 0;
    }
    return new SimRandom(hash);
  }
}
