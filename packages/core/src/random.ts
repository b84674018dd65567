// Chance as a port: jitter comes from here, so that a seed decides it in the simulator.

/** A source of random numbers. */
export interface Random {
  /** A whole number, 0 to 2^32 - 1. */
  next32(): number;
}

/** A small seeded generator (mulberry32): for jitter and tests, never for keys. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next32(): number {
      state = (state + 0x6d2b79f5) >>> 0;
      let word = Math.imul(state ^ (state >>> 15), state | 1);
      word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
      return (word ^ (word >>> 14)) >>> 0;
    },
  };
}
