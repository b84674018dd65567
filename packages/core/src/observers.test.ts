// Observers are told everything, and can break nothing.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type ControllerEvent, Observers } from "./observers.ts";

const event: ControllerEvent = { type: "fast-fail" };

function setup() {
  const clock = new VirtualClock();
  return { clock, observers: new Observers(clock), told: [] as string[] };
}

test("observers are told in the order in which they came", () => {
  const { observers, told } = setup();
  observers.add(() => told.push("first"));
  observers.add(() => told.push("second"));
  observers.tell(event);
  expect(told).toEqual(["first", "second"]);
});

test("F109: an observer that throws keeps nobody from being told", () => {
  const { clock, observers, told } = setup();
  observers.add(() => {
    throw new Error("not ours");
  });
  observers.add(() => told.push("second"));
  observers.tell(event);
  expect(told).toEqual(["second"]);
  expect(() => clock.advance(0)).toThrow("not ours");
});

test("one who leaves while others are told is not told any more", () => {
  const { observers, told } = setup();
  const leave: (() => void)[] = [];
  observers.add(() => leave.at(0)!());
  leave.push(observers.add(() => told.push("second")));
  observers.tell(event);
  expect(told).toEqual([]);
});

test("a function that observes twice is told twice, and leaves once at a time", () => {
  const { observers, told } = setup();
  const observer = (): void => void told.push("told");
  const leave = observers.add(observer);
  observers.add(observer);
  observers.tell(event);
  leave();
  leave();
  observers.tell(event);
  expect(told).toHaveLength(3);
});
