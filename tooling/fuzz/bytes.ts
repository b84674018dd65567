// Bytes changed without knowing what they mean: what every target can do to its inputs.
// Read first: random.ts; fuzz-target.ts, where targets add what they know better.

import type { Random } from "./random.ts";

/** Longest that an input gets by being changed. */
export const INPUT_BYTES_MAX = 64 * 1024;

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Removes `count` bytes at `at`, and puts others in their place. */
const spliced = (input: Uint8Array, at: number, count: number, into: Uint8Array): Uint8Array =>
  joined(input.subarray(0, at), into, input.subarray(at + count));

type Change = (input: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const overwritten = (input: Uint8Array, at: number, ...values: number[]): Uint8Array => {
  const out = input.slice();
  for (const [i, value] of values.entries()) if (at + i < out.length) out[at + i] = value & 0xff;
  return out;
};

const changes: readonly Change[] = [
  // One bit.
  (input, random) => {
    const at = random.below(input.length);
    return overwritten(input, at, input[at]! ^ (1 << random.below(8)));
  },
  // One byte, by any value or by one that is an edge.
  (input, random) => overwritten(input, random.below(input.length), random.byte()),
  (input, random) =>
    overwritten(input, random.below(input.length), random.pick([0, 1, 0x7f, 0x80, 0xff])),
  // A number of 2, 4 or 8 bytes, either way round.
  (input, random) => {
    const value = random.edge();
    const width = random.pick([2, 4, 8]);
    const little = Array.from({ length: width }, (_, i) => (i < 4 ? value >>> (8 * i) : 0));
    const values = random.once(3) ? little.toReversed() : little;
    return overwritten(input, random.below(input.length), ...values);
  },
  // Cut, emptied, repeated, with something in between, or with a part of another one.
  (input, random) => input.slice(0, random.below(input.length)),
  (input, random) => {
    const at = random.below(input.length);
    return spliced(input, at, random.between(1, 16), new Uint8Array(0));
  },
  (input, random) => {
    const at = random.below(input.length);
    const part = input.slice(at, at + random.between(1, 64));
    return spliced(input, at, 0, part);
  },
  (input, random) =>
    spliced(input, random.below(input.length), 0, random.bytes(random.between(1, 16))),
  (input, random, other) => {
    const from = random.below(other.length + 1);
    return joined(input.subarray(0, random.below(input.length)), other.subarray(from));
  },
];

/** Changes an input once or a few times. `other` is one that a part may be taken from. */
export function changed(input: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  let out = input;
  for (let times = random.pick([1, 1, 1, 2, 3, 8]); times > 0; times--) {
    out =
      out.length === 0
        ? random.bytes(random.between(1, 32))
        : random.pick(changes)(out, random, other);
  }
  return out.length > INPUT_BYTES_MAX ? out.slice(0, INPUT_BYTES_MAX) : out;
}
