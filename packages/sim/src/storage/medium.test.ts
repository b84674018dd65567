// Tests of a volatile cache: what a flush keeps, and that a crash may lose any part of the rest.

import { expect, test } from "vitest";
import { SimRandom } from "../random.ts";
import { Medium } from "./medium.ts";

const block = (value: number): Uint8Array => new Uint8Array(4).fill(value);

/** What block 0 holds after `prepare` and a crash, over many seeds. */
function afterCrash(prepare: (medium: Medium) => void): Set<number | undefined> {
  const found = new Set<number | undefined>();
  for (let seed = 0; seed < 200; seed++) {
    const medium = new Medium("volatile");
    prepare(medium);
    medium.crash(new SimRandom(seed));
    found.add(medium.get(0)?.[0]);
  }
  return found;
}

test("a crash leaves any version since the last flush, and nothing older", () => {
  const found = afterCrash((medium) => {
    medium.put(0, block(1), false);
    medium.put(0, block(2), false);
    medium.flush();
    medium.put(0, block(3), false);
    medium.put(0, block(4), false);
  });
  expect(found).toEqual(new Set([2, 3, 4]));
});

test("what was forced to stable media survives, and no older version comes back over it", () => {
  const found = afterCrash((medium) => {
    medium.put(0, block(1), false);
    medium.put(0, block(2), true);
  });
  expect(found).toEqual(new Set([2]));
});

test("without a cache nothing is lost", () => {
  const medium = new Medium("none");
  medium.put(3, block(1), false);
  medium.put(1, block(2), false);
  expect(medium.crash(new SimRandom(1))).toBe(0);
  expect(medium.written).toEqual([1, 3]);
});

test("versions are bounded: the oldest is written back, and a crash never reaches behind it", () => {
  const found = afterCrash((medium) => {
    for (let value = 1; value <= 12; value++) medium.put(0, block(value), false);
  });
  expect(found.has(undefined)).toBe(false);
  expect(Math.min(...Array.from(found, (each) => each ?? 0))).toBe(4);
});

test("what is cut off reads as zeroes when it is there again", () => {
  const medium = new Medium("volatile");
  medium.put(5, block(1), true);
  medium.put(6, block(1), false);
  medium.cut(5);
  expect([medium.get(5), medium.get(6)]).toEqual([undefined, undefined]);
});
