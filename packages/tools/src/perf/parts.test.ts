// The parts of a measurement: buckets, timeline, schedule, places, and lanes in their order.

import { BlockOp } from "@nvmeof/bdev";
import { expect, test } from "vitest";
import { LatencyBuckets } from "./buckets.ts";
import { LaneRing } from "./lane-ring.ts";
import { Places } from "./places.ts";
import { Schedule } from "./schedule.ts";
import { Throughput } from "./throughput.ts";

test("every latency is in a bucket that contains it and is no wider than an eighth", () => {
  for (let us = 0; us < 3e8; us = us * 1.037 + 0.1) {
    const buckets = new LatencyBuckets();
    buckets.add(us / 1000);
    const list = buckets.list();
    const [from, to, count] = list[0]!;
    expect({ length: list.length, count }).toEqual({ length: 1, count: 1 });
    const held = Math.min(us, 214_748_364.7);
    expect(from).toBeLessThanOrEqual(held);
    expect(to + 0.1).toBeGreaterThan(held);
    expect(to - from).toBeLessThanOrEqual(Math.max(0.1001, from / 8 + 0.001));
  }
});

test("buckets follow each other without a gap", () => {
  const buckets = new LatencyBuckets();
  for (let us = 0; us < 5000; us += 0.1) buckets.add((us + 0.05) / 1000);
  const list = buckets.list();
  for (const [i, [from]] of list.entries()) expect(from).toBe(i === 0 ? 0 : list[i - 1]![1]);
});

test("a timeline keeps its length: two intervals become one when there are too many", () => {
  const throughput = new Throughput(1000);
  for (let ms = 0; ms < 100_000; ms += 10) {
    throughput.add(ms % 20 === 0 ? BlockOp.Read : BlockOp.Write, ms / 1000, 1000 + ms);
  }
  throughput.addError(1000 + 99_999);
  const { intervalMs, reads, writes, errors, latencyMaxMs } = throughput.timeline(101_000 - 0.5);
  expect(intervalMs).toBe(400);
  expect(reads).toEqual(Array.from({ length: 250 }, () => 20));
  expect(writes).toEqual(reads);
  expect(errors.at(-1)).toBe(1);
  expect(latencyMaxMs[1]).toBe(0.79);
});

test("a timeline of nothing is empty, and intervals without a request are there", () => {
  expect(new Throughput(5).timeline(5).reads).toEqual([]);
  expect(new Throughput(5).timeline(5 + 120).reads).toEqual([0, 0, 0]);
});

test("a schedule does not drift, and knows what it has missed", () => {
  const schedule = new Schedule(3, 100);
  for (let i = 0; i < 3000; i++) schedule.take(schedule.dueMs);
  expect(schedule.dueMs).toBeCloseTo(100 + 1_000_000, 6);
  expect(schedule.latestMs).toBe(0);
  expect(schedule.unstarted(schedule.dueMs)).toBe(0);
  expect(schedule.unstarted(schedule.dueMs + 1000)).toBe(3);
  schedule.take(schedule.dueMs + 7);
  expect(schedule.latestMs).toBeCloseTo(7, 6);
  schedule.begin();
  expect(schedule.latestMs).toBe(0);
});

test("places beyond 32 bits are reached", () => {
  const count = 2 ** 40;
  const words = [0xffff_ffff, 0xffff_ffff, 0, 0];
  const places = new Places(count, { next32: () => words.shift()! });
  expect(places.next()).toBe(count - 1);
  expect(places.next()).toBe(0);
});

test("lanes come back in the order in which they went", () => {
  const ring = new LaneRing<string>(2);
  expect(ring.take()).toBeUndefined();
  ring.add("a");
  ring.add("b");
  expect(() => ring.add("c")).toThrow("more lanes");
  expect(ring.take()).toBe("a");
  ring.add("c");
  expect([ring.take(), ring.take(), ring.take()]).toEqual(["b", "c", undefined]);
});
