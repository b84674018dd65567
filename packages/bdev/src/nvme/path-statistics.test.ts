// Counters of a path: what they count, and what counts as a stall.
// Read first: path-statistics.ts.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { BlockOp } from "../block-device.ts";
import { PathCounters } from "./path-statistics.ts";

test("bytes count for reads and writes, and for nothing else", () => {
  const counters = new PathCounters(new VirtualClock());
  for (const op of Object.values(BlockOp)) counters.moved(op, 512, 0);
  expect(counters.snapshot()).toMatchObject({
    reads: 1,
    writes: 1,
    readBytes: 512,
    writtenBytes: 512,
  });
});

test("what reads and writes took adds up apart; time in flight counts once, however many share it", () => {
  const clock = new VirtualClock();
  const counters = new PathCounters(clock);
  const readMs = counters.sent(0);
  clock.settle();
  clock.advance(20);
  const writeMs = counters.sent(1);
  clock.settle();
  clock.advance(30);
  // Not over yet, and seen already.
  expect(counters.snapshot()).toMatchObject({ readMs: 0, busyMs: 50 });
  counters.ended(1);
  counters.moved(BlockOp.Read, 512, readMs);
  clock.settle();
  clock.advance(10);
  counters.ended(0);
  counters.moved(BlockOp.Write, 512, writeMs);
  clock.settle();
  clock.advance(1_000);
  expect(counters.snapshot()).toMatchObject({ readMs: 50, writeMs: 40, busyMs: 60 });
});

test("a command that could not be sent after all was never there", () => {
  const clock = new VirtualClock();
  const counters = new PathCounters(clock);
  counters.sent(0);
  counters.unsent(0);
  clock.advance(500);
  expect(counters.snapshot()).toMatchObject({ requests: 0, busyMs: 0, longestStallMs: 0 });
});

test("a stall is the time with commands in flight and none ending; idle time is none", () => {
  const clock = new VirtualClock();
  const counters = new PathCounters(clock);
  clock.advance(10_000);
  expect(counters.snapshot().longestStallMs).toBe(0);
  counters.sent(0);
  counters.sent(1);
  clock.advance(300);
  // Not over yet, and seen already.
  expect(counters.snapshot().longestStallMs).toBe(300);
  counters.ended(1);
  clock.settle();
  clock.advance(200);
  counters.ended(0);
  clock.settle();
  clock.advance(60_000);
  expect(counters.snapshot()).toMatchObject({ requests: 2, longestStallMs: 300 });
  counters.sent(0);
  clock.advance(400);
  counters.ended(0);
  expect(counters.snapshot().longestStallMs).toBe(400);
});

test("all that begins and ends in one turn takes one look at the clock", () => {
  const clock = new VirtualClock();
  let looks = 0;
  const counting = {
    at: clock.at.bind(clock),
    defer: clock.defer.bind(clock),
    nowMs: () => {
      looks++;
      return clock.nowMs();
    },
  };
  const counters = new PathCounters(counting);
  for (let inflight = 0; inflight < 100; inflight++) counters.sent(inflight);
  for (let inflight = 99; inflight >= 50; inflight--) counters.ended(inflight);
  expect(looks).toBe(1);
  clock.settle();
  for (let inflight = 49; inflight >= 0; inflight--) counters.ended(inflight);
  expect(looks).toBe(2);
});
