// Sequence numbers at their ends: 32 bits go round without 0, and what is remembered is bounded.
// Read first: sequence-numbers.ts.

import { expect, test } from "vitest";
import { authCrypto } from "../node/auth-crypto.ts";
import { SequenceNumbers } from "./sequence-numbers.ts";

const from = (first: number): SequenceNumbers => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, first);
  return new SequenceNumbers({ ...authCrypto, random: () => bytes });
};

test.each([
  [0xffff_fffe, [0xffff_ffff, 1, 2]],
  [0xffff_ffff, [1, 2, 3]],
  [0, [1, 2, 3]],
])("after %i they go on without 0", (first, expected) => {
  const numbers = from(first);
  expect([numbers.next(), numbers.next(), numbers.next()]).toEqual(expected);
});

test("of a peer, none is taken twice, and 0 never", () => {
  const numbers = from(5);
  expect([7, 7, 0, 8].map((seqnum) => numbers.take(seqnum))).toEqual([true, false, false, true]);
});

test("the last 256 of a peer are remembered, and the oldest is forgotten first", () => {
  const numbers = from(5);
  for (let seqnum = 1; seqnum <= 256; seqnum++) expect(numbers.take(seqnum)).toBe(true);
  expect(numbers.take(1)).toBe(false);
  expect(numbers.take(257)).toBe(true);
  expect(numbers.take(2)).toBe(false);
  expect(numbers.take(1)).toBe(true);
});
