// Weather takes its time, keeps the order, and repeats what was lost as late as a stream does.

import { expect, test } from "vitest";
import { SimRandom } from "../random.ts";
import { CALM, Passage, retransmissionMs } from "./weather.ts";

test("what leaves later arrives later, whatever the jitter; each within its bounds", () => {
  const passage = new Passage({ ...CALM, latencyMs: 10, jitterMs: 30 }, new SimRandom(1));
  let lastMs = 0;
  for (let nowMs = 0; nowMs < 1_000; nowMs++) {
    const atMs = passage.arrivalMs(nowMs, 100);
    expect(atMs).toBeGreaterThanOrEqual(Math.max(lastMs, nowMs + 10));
    expect(atMs).toBeLessThanOrEqual(nowMs + 40);
    lastMs = atMs;
  }
});

test("bandwidth is shared by all that passes", () => {
  const passage = new Passage(
    { ...CALM, latencyMs: 1, jitterMs: 0, bytesPerMs: 100 },
    new SimRandom(1),
  );
  expect([500, 500, 100].map((bytes) => passage.arrivalMs(0, bytes))).toEqual([6, 11, 12]);
  expect(passage.arrivalMs(1_000, 100)).toBe(1_002);
});

test("a write is cut into pieces of any length, but not into more than a run can bear", () => {
  for (const cut of ["random", "bytes"] as const) {
    const passage = new Passage({ ...CALM, cut }, new SimRandom(3));
    const lengths = new Set<number>();
    for (let round = 0; round < 200; round++) {
      passage.beginWrite();
      let pieces = 0;
      for (let left = 4_000; left > 0; pieces++) {
        const count = passage.cut(left);
        expect(count).toBeGreaterThan(0);
        expect(count).toBeLessThanOrEqual(left);
        lengths.add(count);
        left -= count;
      }
      expect(pieces).toBeLessThan(60);
    }
    expect(lengths).toContain(1);
    if (cut === "random") expect(lengths.size).toBeGreaterThan(100);
  }
});

test("the pauses between two repetitions double, up to a minute", () => {
  expect(retransmissionMs(1_000, 1_000)).toBe(1_000);
  expect(retransmissionMs(1_000, 1_001)).toBe(1_200);
  expect(retransmissionMs(1_000, 1_201)).toBe(1_600);
  const aDayMs = 86_400_000;
  expect(retransmissionMs(0, aDayMs)).toBeLessThanOrEqual(aDayMs + 60_000);
});
