// The keep-alive machine: one probe at a time, at half time, and no judgement before reading.

import { expect, test } from "vitest";
import { KeepAlive, type KeepAliveOutput } from "./keep-alive.ts";
import { GRACE_MS, STALL_MS } from "./stall.ts";

const KATO = 10_000;

function setup() {
  const machine = new KeepAlive(KATO, 0);
  const drain = (): KeepAliveOutput[] => {
    const all: KeepAliveOutput[] = [];
    for (let next = machine.poll(); next !== undefined; next = machine.poll()) all.push(next);
    return all;
  };
  const tick = (nowMs: number): KeepAliveOutput[] => {
    machine.handle({ type: "tick" }, nowMs);
    return drain();
  };
  const acknowledge = (nowMs: number): void => machine.handle({ type: "acknowledged" }, nowMs);
  return { machine, tick, acknowledge };
}

test("a probe is sent at half time, and not a moment sooner", () => {
  const { machine, tick } = setup();
  expect(machine.deadlineMs()).toBe(KATO / 2);
  expect(tick(KATO / 2 - 1)).toEqual([]);
  expect(tick(KATO / 2)).toEqual([{ type: "send" }]);
});

test("while a probe is out no other is sent", () => {
  const { tick } = setup();
  tick(5_000);
  for (let nowMs = 5_001; nowMs < KATO; nowMs += 500) expect(tick(nowMs)).toEqual([]);
});

test("the next probe follows half a time after the last, however long the answer took", () => {
  const { machine, tick, acknowledge } = setup();
  tick(5_000);
  acknowledge(5_300);
  expect(machine.deadlineMs()).toBe(10_000);
  expect(tick(9_999)).toEqual([]);
  expect(tick(10_000)).toEqual([{ type: "send" }]);
});

test("I18: an answer that took longer than half a time is followed by the next probe at once", () => {
  const machine = new KeepAlive(KATO, 8_000, 0);
  machine.handle({ type: "tick" }, 8_000);
  expect(machine.poll()).toEqual({ type: "send" });
  machine.handle({ type: "acknowledged" }, 17_000);
  expect(machine.deadlineMs()).toBe(17_000);
});

test("F32: a probe without an answer expires when the whole time has passed, and tells once", () => {
  const { machine, tick } = setup();
  tick(5_000);
  expect(machine.deadlineMs()).toBe(KATO);
  expect(tick(KATO - 1)).toEqual([]);
  expect(tick(KATO)).toEqual([{ type: "expired", silentMs: KATO }]);
  expect(machine.deadlineMs()).toBe(Infinity);
  expect(tick(KATO * 2)).toEqual([]);
});

test("an answer after the end changes nothing", () => {
  const { machine, tick, acknowledge } = setup();
  tick(5_000);
  tick(KATO);
  acknowledge(KATO + 1);
  expect(machine.deadlineMs()).toBe(Infinity);
});

test("F39: a probe that leaves late has half the time to be answered all the same", () => {
  const { machine, tick } = setup();
  expect(tick(9_900)).toEqual([{ type: "send" }]);
  expect(machine.deadlineMs()).toBe(9_900 + KATO / 2);
});

test("F39: after a stall of our own there is a grace to read, and an answer that waited counts", () => {
  const { machine, tick, acknowledge } = setup();
  tick(5_000);
  expect(tick(25_000)).toEqual([]);
  expect(machine.deadlineMs()).toBe(25_000 + GRACE_MS);
  acknowledge(25_010);
  // And the next probe goes out at once: to the controller, the silence was ours.
  expect(machine.deadlineMs()).toBe(25_010);
});

test("F39: there is one grace a probe: who still has not answered is gone, stalled or not", () => {
  const { tick } = setup();
  tick(5_000);
  tick(25_000);
  expect(tick(40_000)).toEqual([{ type: "expired", silentMs: 40_000 }]);
});

test("a grace of one probe is not lost for the next", () => {
  const { tick, acknowledge } = setup();
  tick(5_000);
  tick(25_000);
  acknowledge(25_010);
  tick(30_010);
  expect(tick(60_000)).toEqual([]);
});

test("a little late is not a stall", () => {
  const { tick } = setup();
  tick(5_000);
  expect(tick(KATO + STALL_MS)).toMatchObject([{ type: "expired" }]);
});
