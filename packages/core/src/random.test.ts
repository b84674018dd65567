// The small generator: the same seed, the same numbers, and all of them are whole and 32 bits.

import { expect, test } from "vitest";
import { seededRandom } from "./random.ts";

const take = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.next32());
};

test("a seed decides all numbers, and another seed gives others", () => {
  expect(take(7, 20)).toEqual(take(7, 20));
  expect(take(7, 20)).not.toEqual(take(8, 20));
});

test("numbers are whole, from 0 to 2^32 - 1, and fill that range evenly", () => {
  const numbers = take(1, 10_000);
  expect(numbers.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32)).toBe(true);
  const quarters = [0, 0, 0, 0].map(
    (_, quarter) => numbers.filter((n) => Math.floor(n / 2 ** 30) === quarter).length,
  );
  for (const count of quarters) expect(Math.abs(count - 2_500)).toBeLessThan(200);
});
