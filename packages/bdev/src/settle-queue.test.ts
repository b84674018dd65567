// Tests of SettleQueue: one deferred task a turn, each settle once and in order.

import { Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { BlockError } from "./errors.ts";
import { SettleQueue } from "./settle-queue.ts";

/** A virtual clock that counts what is deferred. */
class CountingClock extends VirtualClock {
  deferred = 0;
  override defer(task: () => void): void {
    this.deferred++;
    super.defer(task);
  }
}

const error = new BlockError("media", Status.WriteFault, "failed", "broken");

test("all of a turn settle in one deferred task, in order, with their own outcome", () => {
  const clock = new CountingClock();
  const settled: unknown[] = [];
  let released = 0;
  const queue = new SettleQueue(clock, () => released++);
  for (let i = 0; i < 100; i++) {
    queue.add((got) => settled.push([i, got, released]), i % 2 === 0 ? undefined : error);
  }
  expect(settled).toEqual([]);
  clock.settle();
  expect(clock.deferred).toBe(1);
  // Each was released right before it settled: the count that it sees does not include itself.
  expect(settled).toEqual(
    Array.from({ length: 100 }, (_, i) => [i, i % 2 === 0 ? undefined : error, i + 1]),
  );
});

test("what is added while others settle forms the next batch", () => {
  const clock = new CountingClock();
  const settled: number[] = [];
  const queue = new SettleQueue(clock, () => undefined);
  const add = (round: number): void =>
    queue.add(() => {
      settled.push(round);
      if (round < 5) add(round + 1);
    }, undefined);
  add(0);
  queue.add(() => settled.push(-1), undefined);
  clock.settle();
  expect(settled).toEqual([0, -1, 1, 2, 3, 4, 5]);
  expect(clock.deferred).toBe(6);
});

test("a settle that throws does not keep the others from theirs", () => {
  const clock = new CountingClock();
  const settled: number[] = [];
  const queue = new SettleQueue(clock, () => undefined);
  queue.add(() => settled.push(1), undefined);
  queue.add(() => {
    throw new Error("in the caller's code");
  }, undefined);
  queue.add(() => settled.push(2), undefined);
  expect(() => clock.settle()).toThrow("in the caller's code");
  expect(settled).toEqual([1, 2]);
  queue.add(() => settled.push(3), undefined);
  clock.settle();
  expect(settled).toEqual([1, 2, 3]);
});
