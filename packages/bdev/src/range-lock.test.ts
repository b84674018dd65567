// Tests of RangeLock.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RangeLock, type RangeTicket } from "./range-lock.ts";

function setup() {
  const lock = new RangeLock();
  const granted: string[] = [];
  const acquire = (name: string, first: number, end: number): RangeTicket =>
    lock.acquire(first, end, () => granted.push(name));
  return { lock, granted, acquire };
}

test("ranges that do not overlap are held together", () => {
  const { granted, acquire } = setup();
  acquire("a", 0, 4);
  acquire("b", 4, 8);
  acquire("c", 100, 101);
  expect(granted).toEqual(["a", "b", "c"]);
});

test("a range that overlaps waits for those before it, and for no other", () => {
  const { granted, acquire } = setup();
  const a = acquire("a", 0, 4);
  const b = acquire("b", 8, 12);
  acquire("across", 3, 9);
  expect(granted).toEqual(["a", "b"]);
  a.release();
  expect(granted).toEqual(["a", "b"]);
  b.release();
  expect(granted).toEqual(["a", "b", "across"]);
});

test("who came first goes first, also past those who wait", () => {
  const { granted, acquire } = setup();
  const a = acquire("a", 0, 2);
  const wide = acquire("wide", 1, 10);
  // Free as far as holders go, but it would overtake the one who waits.
  acquire("narrow", 5, 6);
  expect(granted).toEqual(["a"]);
  a.release();
  expect(granted).toEqual(["a", "wide"]);
  wide.release();
  expect(granted).toEqual(["a", "wide", "narrow"]);
});

test("who stops waiting is never granted and holds nobody up", () => {
  const { lock, granted, acquire } = setup();
  const a = acquire("a", 0, 4);
  const waits = acquire("gives up", 0, 8);
  acquire("c", 4, 8);
  waits.release();
  expect(granted).toEqual(["a", "c"]);
  a.release();
  a.release();
  waits.release();
  expect(granted).toEqual(["a", "c"]);
  expect(lock.count).toBe(1);
});

test("a grant may acquire and release", () => {
  const { lock, granted, acquire } = setup();
  let inner: RangeTicket | undefined;
  const outer = acquire("outer", 0, 1);
  const nested = lock.acquire(0, 1, () => {
    granted.push("nested");
    inner = acquire("inner", 1, 2);
  });
  outer.release();
  expect(granted).toEqual(["outer", "nested", "inner"]);
  inner?.release();
  nested.release();
  expect(lock.count).toBe(0);
});

test("no two that overlap ever hold together, and all are granted in the end", () => {
  const range = fc.record({ first: fc.nat(20), length: fc.integer({ min: 1, max: 6 }) });
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 30 }),
      fc.infiniteStream(fc.nat(29)),
      (ranges, order) => {
        const lock = new RangeLock();
        const held = new Map<number, { first: number; end: number }>();
        const tickets = ranges.map(({ first, length }, i) =>
          lock.acquire(first, first + length, () => {
            const own = { first, end: first + length };
            for (const other of held.values()) {
              expect(own.first < other.end && other.first < own.end).toBe(false);
            }
            held.set(i, own);
          }),
        );
        let granted = 0;
        while (held.size > 0) {
          const holders = [...held.keys()];
          const next = holders.at((order.next().value ?? 0) % holders.length) ?? 0;
          held.delete(next);
          granted++;
          tickets.at(next)?.release();
        }
        expect(granted).toBe(ranges.length);
        expect(lock.count).toBe(0);
      },
    ),
  );
});
