// Deadlines, and our own process standing still.

import type { Clock } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { GRACE_MS, STALL_MS, deadline } from "./stall.ts";

/** A clock whose timers for `lateForMs` come `lateMs` after their time, as after a stall. */
function stalledClock(lateForMs: number, lateMs: number) {
  const clock = new VirtualClock();
  const stalled: Clock = {
    nowMs: () => clock.nowMs(),
    at: (atMs, task) => clock.at(atMs === lateForMs ? atMs + lateMs : atMs, task),
    defer: (task) => clock.defer(task),
  };
  return { clock, stalled };
}

test("a deadline that comes in time is exact", () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  deadline(clock, 100, () => at.push(clock.nowMs()));
  clock.advance(99);
  expect(at).toEqual([]);
  clock.advance(1);
  expect(at).toEqual([100]);
});

test("F25: what happens at the moment of the deadline comes before it", () => {
  const clock = new VirtualClock();
  const order: string[] = [];
  deadline(clock, 100, () => order.push("deadline"));
  clock.at(100, () => order.push("answer"));
  clock.drain();
  expect(order).toEqual(["answer", "deadline"]);
});

test("F39: a deadline that comes late gives time to read what came meanwhile", () => {
  const { clock, stalled } = stalledClock(100, 5_000);
  const at: number[] = [];
  deadline(stalled, 100, () => at.push(clock.nowMs()));
  clock.drain();
  expect(at).toEqual([5_100 + GRACE_MS]);
});

test("a little late is not a stall", () => {
  const { clock, stalled } = stalledClock(100, STALL_MS);
  const at: number[] = [];
  deadline(stalled, 100, () => at.push(clock.nowMs()));
  clock.drain();
  expect(at).toEqual([100 + STALL_MS]);
});

test.each([0, 100])("a deadline that is cancelled %i ms after its begin never comes", (ms) => {
  const clock = new VirtualClock();
  const order: string[] = [];
  const timer = deadline(clock, 100, () => order.push("deadline"));
  clock.at(ms, () => timer.cancel());
  clock.drain();
  expect(order).toEqual([]);
  expect(clock.armed).toBe(0);
});
