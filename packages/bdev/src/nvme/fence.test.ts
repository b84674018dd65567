// A fence alone: who waits, for how long, and what it comes to.
// Read first: fence.ts.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Fence } from "./fence.ts";

const TIME_MS = 6_000;

function bench(timeMs = TIME_MS) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const fence = new Fence(
    clock,
    { incarnation: undefined, quiesceMs: 0, keepAliveMs: 2_000 },
    timeMs,
    {
      holding: () => told.push("holding"),
      over: (_fence, held, heldMs) => told.push(`over, ${held} held for ${heldMs} ms`),
    },
  );
  const freed: string[] = [];
  const waiter = { fenceOver: ({ state }: Fence) => void freed.push(state.phase) };
  return { clock, fence, told, freed, waiter };
}

test("nobody waits: nothing is armed, and nobody is told", () => {
  const { clock, fence, told } = bench();
  expect(clock.armed).toBe(0);
  expect(fence.state.phase).toBe("idle");
  expect(told).toEqual([]);
});

test("it ends by time, counted from the last request that came", () => {
  const { clock, fence, told, freed, waiter } = bench();
  fence.hold(waiter);
  clock.advance(1_000);
  fence.hold(waiter);
  clock.advance(TIME_MS - 1);
  expect(freed).toEqual([]);
  clock.advance(1);
  expect(fence.state).toEqual({ phase: "released", by: "time" });
  expect(freed).toEqual(["released"]);
  expect(told).toEqual(["holding", "over, 2 held for 7000 ms"]);
});

test("it is released once: what releases it later changes nothing", () => {
  const { clock, fence, freed, waiter } = bench();
  fence.hold(waiter);
  fence.release("ccr");
  fence.release("time");
  fence.giveUp();
  expect(fence.state).toEqual({ phase: "released", by: "ccr" });
  expect(freed).toEqual(["released"]);
  expect(clock.armed).toBe(0);
});

test("what comes after a reset need not wait; what comes after time alone has to, again", () => {
  const { clock, fence, waiter } = bench();
  fence.hold(waiter);
  clock.advance(TIME_MS);
  expect(fence.hold(waiter)).toBe("held");
  fence.release("immediate");
  expect(fence.hold(waiter)).toBe("over");
});

test("without a time bound it holds until it is released or given up", () => {
  const { clock, fence, freed, waiter } = bench(Infinity);
  expect(fence.endsByTime).toBe(false);
  fence.hold(waiter);
  expect(clock.armed).toBe(0);
  clock.advance(3_600_000);
  fence.giveUp();
  expect(freed).toEqual(["given-up"]);
  expect(fence.hold(waiter)).toBe("over");
});

test("when the last one has left, it is as if there had been none", () => {
  const { clock, fence, told, freed, waiter } = bench();
  fence.hold(waiter);
  fence.hold(waiter);
  fence.leave();
  expect(fence.state.phase).toBe("holding");
  fence.leave();
  expect(fence.state.phase).toBe("idle");
  expect(clock.armed).toBe(0);
  expect(freed).toEqual([]);
  expect(told).toEqual(["holding", "over, 2 held for 0 ms"]);
});
