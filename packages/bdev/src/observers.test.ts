// Tests of Observers.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Observers, runGuarded } from "./observers.ts";

test("all are told in order of registration, after the current callback", () => {
  const clock = new VirtualClock();
  const observers = new Observers<string>(clock);
  const told: string[] = [];
  observers.add((event) => told.push(`first ${event}`));
  observers.add((event) => told.push(`second ${event}`));
  observers.tell("a");
  observers.tell("b");
  expect(told).toEqual([]);
  clock.settle();
  expect(told).toEqual(["first a", "second a", "first b", "second b"]);
});

test("the same function may observe twice, and each stops for itself", () => {
  const clock = new VirtualClock();
  const observers = new Observers<string>(clock);
  const told: string[] = [];
  const observer = (event: string): void => void told.push(event);
  const stop = observers.add(observer);
  observers.add(observer);
  expect(observers.count).toBe(2);
  stop();
  stop();
  expect(observers.count).toBe(1);
  observers.tell("a");
  clock.settle();
  expect(told).toEqual(["a"]);
});

test("who stops before its turn is not told, and who comes after the event neither", () => {
  const clock = new VirtualClock();
  const observers = new Observers<string>(clock);
  const told: string[] = [];
  let stop = (): void => undefined;
  observers.add(() => stop());
  stop = observers.add(() => told.push("stopped by the one before"));
  observers.tell("a");
  observers.add(() => told.push("came too late"));
  clock.settle();
  expect(told).toEqual([]);
});

test("an observer that throws harms neither the teller nor the others", () => {
  const clock = new VirtualClock();
  const observers = new Observers<string>(clock);
  const told: string[] = [];
  observers.add(() => {
    throw new Error("mine alone");
  });
  observers.add((event) => told.push(event));
  observers.tell("a");
  // The error surfaces in a task of its own, when the others have been told.
  expect(() => clock.settle()).toThrow("mine alone");
  expect(told).toEqual(["a"]);
});

test("with no observers nothing is scheduled", () => {
  const observers = new Observers<string>({
    defer: () => expect.unreachable("nobody has to be told"),
  });
  observers.tell("a");
});

test("guarded code that does not throw schedules nothing", () => {
  let ran = 0;
  runGuarded({ defer: () => expect.unreachable("nothing was thrown") }, () => ran++);
  expect(ran).toBe(1);
});
