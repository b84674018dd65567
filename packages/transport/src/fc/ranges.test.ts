// Pieces of a transfer, in any order: each byte counts once.

import { array, assert, infiniteStream, integer, nat, property } from "fast-check";
import { expect, test } from "vitest";
import { IdPool, NO_ID } from "./id-pool.ts";
import { Ranges } from "./ranges.ts";

test("pieces in any order make a whole, and none is taken twice", () => {
  assert(
    property(
      array(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 }),
      infiniteStream(nat()),
      (lengths, chance) => {
        let at = 0;
        const pieces = lengths.map((length) => ({ start: at, end: (at += length) }));
        const ranges = new Ranges();
        while (pieces.length > 0) {
          const [piece] = pieces.splice(chance.next().value! % pieces.length, 1);
          expect(ranges.add(piece!.start, piece!.end)).toBe("new");
          expect(ranges.add(piece!.start, piece!.end)).toBe("overlap");
        }
        expect(ranges.bytes).toBe(at);
        ranges.clear();
        expect(ranges.bytes).toBe(0);
      },
    ),
  );
});

test("a piece that reaches into another one is none", () => {
  const ranges = new Ranges();
  ranges.add(10, 20);
  ranges.add(30, 40);
  for (const [start, end] of [
    [5, 11],
    [19, 25],
    [12, 15],
    [25, 31],
    [5, 50],
  ] as const) {
    expect(ranges.add(start, end)).toBe("overlap");
  }
  expect(ranges.bytes).toBe(20);
});

test("there is a bound on the gaps", () => {
  const ranges = new Ranges();
  for (let at = 0; at < 64; at++) expect(ranges.add(at * 2, at * 2 + 1)).toBe("new");
  expect(ranges.add(1_000, 1_001)).toBe("too-many-gaps");
  expect(ranges.bytes).toBe(64);
});

test("an identifier is given out as late after its last use as can be", () => {
  const pool = new IdPool(3);
  expect([pool.take(0), pool.take(0)]).toEqual([0, 1]);
  pool.give(0);
  expect([pool.take(0), pool.take(0), pool.take(0)]).toEqual([2, 0, NO_ID]);
});

test("an identifier that is kept back is free again when its time has passed", () => {
  const pool = new IdPool(1);
  pool.keepUntil(pool.take(0), 10_000);
  expect(pool.take(9_999)).toBe(NO_ID);
  expect(pool.nextFreeMs).toBe(10_000);
  expect(pool.take(10_000)).toBe(0);
  expect(() => new IdPool(65_536)).toThrow(RangeError);
});
