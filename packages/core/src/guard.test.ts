// What other people's code throws.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { guarded } from "./guard.ts";

test("what a task throws is thrown again in a task of its own, and the caller goes on", () => {
  const clock = new VirtualClock();
  const done: string[] = [];
  guarded(clock, () => {
    throw new Error("not ours");
  });
  done.push("next");
  clock.defer(() => done.push("deferred"));
  expect(() => clock.advance(0)).toThrow("not ours");
  expect(done).toEqual(["next", "deferred"]);
});

test("a task that throws nothing leaves nothing behind", () => {
  const clock = new VirtualClock();
  guarded(clock, () => {});
  expect(clock.armed).toBe(0);
});
