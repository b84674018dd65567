// The time of a turn is read once in it, and anew in the next.

import { expect, test } from "vitest";
import { VirtualClock } from "./testing/virtual-clock.ts";
import { TurnClock } from "./turn-clock.ts";

test("all who ask in one turn get the same time, and the next turn gets its own", () => {
  const clock = new VirtualClock();
  let reads = 0;
  const counted = {
    nowMs: () => {
      reads++;
      return clock.nowMs();
    },
    at: clock.at.bind(clock),
    defer: clock.defer.bind(clock),
  };
  const turns = TurnClock.of(counted);
  expect([turns.nowMs(), turns.nowMs(), TurnClock.of(counted).nowMs()]).toEqual([0, 0, 0]);
  expect(reads).toBe(1);
  clock.advance(25);
  expect([turns.nowMs(), turns.nowMs()]).toEqual([25, 25]);
  expect(reads).toBe(2);
});

test("each clock has one of its own", () => {
  const [a, b] = [new VirtualClock(), new VirtualClock()];
  expect(TurnClock.of(a)).toBe(TurnClock.of(a));
  expect(TurnClock.of(a)).not.toBe(TurnClock.of(b));
});
