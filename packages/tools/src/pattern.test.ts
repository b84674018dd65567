// The pattern tells every block from every other, and finds each difference.

import { expect, test } from "vitest";
import { checkPattern, fillPattern } from "./pattern.ts";

const pattern = (lba: number, seed: number, blocks = 1): Uint8Array => {
  const bytes = new Uint8Array(512 * blocks);
  fillPattern(bytes, 512, lba, seed);
  return bytes;
};

function differences(bytes: Uint8Array, lba: number, seed: number): [number, number][] {
  const found: [number, number][] = [];
  checkPattern(bytes, new Uint8Array(512), lba, seed, (at, claims) => found.push([at, claims]));
  return found;
}

test("what was filled compares equal, wherever the piece begins", () => {
  const whole = pattern(100, 7, 8);
  expect(differences(whole, 100, 7)).toEqual([]);
  expect(differences(whole.subarray(3 * 512, 5 * 512), 103, 7)).toEqual([]);
});

test("a block in the wrong place says where it belongs, also beyond 32 bits", () => {
  expect(differences(pattern(2 ** 40 + 5, 7), 9, 7)).toEqual([[9, 2 ** 40 + 5]]);
});

test("a single bit that differs is found, and only in its block", () => {
  const bytes = pattern(50, 1, 4);
  bytes.set([bytes.at(3 * 512 - 1)! ^ 0x80], 3 * 512 - 1);
  expect(differences(bytes, 50, 1)).toEqual([[52, 52]]);
});

test("another seed, or no content at all, differs", () => {
  expect(differences(pattern(1, 1), 1, 2)).toHaveLength(1);
  expect(differences(new Uint8Array(512), 1, 2)).toEqual([[1, 0]]);
});
