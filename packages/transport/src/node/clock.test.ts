// The real clock keeps the promises that everything above it relies on.

import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { EventPace } from "./event-pace.ts";

test("a timer runs once, never early, and not inside the call that arms it", async () => {
  const pace = new EventPace();
  const now = systemClock.nowMs();
  const late: number[] = [];
  // Fractions of all sizes: Node itself counts whole milliseconds.
  const dues = Array.from({ length: 300 }, (_, i) => now + i * 0.13);
  for (const dueMs of dues) {
    systemClock.at(dueMs, () => {
      late.push(systemClock.nowMs() - dueMs);
      pace.happened();
    });
  }
  expect(late).toEqual([]);
  await pace.until(() => late.length >= dues.length);
  await pace.quiet();
  expect(late).toHaveLength(dues.length);
  expect(late.filter((ms) => ms < 0)).toEqual([]);
});

test("a timer that is cancelled does not run; cancelling it later is harmless", async () => {
  const pace = new EventPace();
  const ran: string[] = [];
  const now = systemClock.nowMs();
  systemClock.at(now + 1, () => ran.push("cancelled")).cancel();
  const done = systemClock.at(now + 5, () => {
    ran.push("done");
    pace.happened();
  });
  await pace.until(() => ran.length > 0);
  done.cancel();
  done.cancel();
  expect(ran).toEqual(["done"]);
});

test("a far deadline is not a near one", async () => {
  const timer = systemClock.at(systemClock.nowMs() + 2 ** 40, () => expect.unreachable());
  await new EventPace().quiet();
  timer.cancel();
});

test("deferred tasks run in their order, before anything that waits for the platform", async () => {
  const order: number[] = [];
  setImmediate(() => order.push(3));
  systemClock.defer(() => {
    order.push(1);
    systemClock.defer(() => order.push(2));
  });
  order.push(0);
  await new EventPace().quiet();
  expect(order).toEqual([0, 1, 2, 3]);
});

test("time does not go back", () => {
  let last = systemClock.nowMs();
  for (let i = 0; i < 10_000; i++) {
    const now = systemClock.nowMs();
    expect(now >= last).toBe(true);
    last = now;
  }
});
