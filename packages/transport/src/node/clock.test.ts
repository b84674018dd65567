// The real clock keeps the promises that everything above it relies on.

import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { EventPace } from "./event-pace.ts";

test("a timer runs once, never early, and not inside the call that arms it", async () => {
  const pace = new EventPace();
  const times: number[] = [];
  const dueMs = systemClock.nowMs() + 15;
  systemClock.at(dueMs, () => {
    times.push(systemClock.nowMs());
    pace.happened();
  });
  systemClock.at(0, () => times.push(0)); // long due: as soon as may be
  expect(times).toEqual([]);
  await pace.until(() => times.length > 1);
  expect(times[0]).toBe(0);
  expect(times[1]).toBeGreaterThanOrEqual(dueMs);
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
