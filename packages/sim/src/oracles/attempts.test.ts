// Tests of the oracle of attempts: what a host may send again, and when, and what it may not.

import { NvmeofError, type Outcome } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { AttemptOracle } from "./attempts.ts";
import type { Fence } from "./fence.ts";

const DNR = 0x4000;
const VOLUME = 3;

function setup(fence: Fence = { lateMs: 100, success: "fenced" }, attemptsMax = 3) {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const oracle = new AttemptOracle(clock, (invariant) => void complaints.push(invariant));
  oracle.submitted(1, VOLUME, fence, attemptsMax);
  const arrive = (way: number, lba = 0): void => oracle.writeArrived(1, lba, way);
  const end = (way: number, status?: number): void =>
    oracle.writeEnded(1, 0, way, status === undefined ? undefined : errorOf("failed", status));
  const settle = (outcome?: Outcome): void => oracle.settled(1, outcome && errorOf(outcome));
  return { clock, complaints, oracle, arrive, end, settle };
}

const errorOf = (outcome: Outcome, status = 6): NvmeofError =>
  new NvmeofError("NVME_ERR_TEST", "test", { outcome, status });

test("a write may come again, in parts, after its earlier copy is over, and late if it is unknown", () => {
  const { clock, complaints, arrive, end, settle } = setup();
  arrive(1);
  arrive(1, 8);
  end(1, 6);
  arrive(2);
  end(2);
  settle("unknown");
  clock.advance(100);
  arrive(3);
  expect(complaints).toEqual([]);
});

test("I8: a write comes more often than all retries allow, or after Do Not Retry", () => {
  const { complaints, arrive, end } = setup(undefined, 1);
  arrive(1);
  end(1);
  arrive(1);
  expect(complaints).toEqual(["I8"]);
  end(1, 6 | DNR);
  arrive(1);
  expect(complaints).toEqual(["I8", "I8", "I8"]);
});

test("without a fence a copy may be under way already when another one is refused for good", () => {
  const { complaints, arrive, end } = setup({ lateMs: 100, success: "risked" });
  arrive(1);
  end(1, 6 | DNR);
  arrive(2);
  expect(complaints).toEqual([]);
});

test("the answer that a write is refused for good may be lost with its connection", () => {
  const { complaints, arrive, end } = setup();
  arrive(1);
  end(1, 6 | DNR);
  arrive(2);
  expect(complaints).toEqual([]);
});

test("I9: a write comes that settled as not sent, before or after that", () => {
  const before = setup();
  before.arrive(1);
  before.settle("not-sent");
  expect(before.complaints).toEqual(["I9"]);
  const after = setup();
  after.settle("not-sent");
  after.arrive(1);
  expect(after.complaints).toEqual(["I9"]);
});

test.each(["done", "failed"] as const)("I23: a copy comes after the write was %s", (outcome) => {
  const { clock, complaints, arrive, settle } = setup();
  settle(outcome === "done" ? undefined : outcome);
  clock.advance(1);
  arrive(1);
  expect(complaints).toEqual(["I23"]);
});

test("I23: a copy of a write of unknown outcome comes after its fence, time stood still left out", () => {
  const { clock, complaints, oracle, arrive, settle } = setup();
  settle("unknown");
  oracle.stoodStill(VOLUME, 50);
  clock.advance(150);
  arrive(1);
  expect(complaints).toEqual([]);
  clock.advance(1);
  arrive(2);
  expect(complaints).toContain("I23");
});

test("I23: a write is sent again by another way while the disk still has it", () => {
  const { complaints, arrive } = setup();
  arrive(1);
  arrive(2);
  expect(complaints).toEqual(["I23"]);
});

test("without fencing both are what somebody asked for", () => {
  const { clock, complaints, arrive, settle } = setup({ lateMs: 100, success: "risked" });
  arrive(1);
  arrive(2);
  settle();
  clock.advance(100);
  arrive(3);
  expect(complaints).toEqual([]);
});

test("a disk that stands still gets copies of what it has, and may have them late", () => {
  const { clock, complaints, oracle, arrive, settle } = setup(undefined, 9);
  arrive(1);
  oracle.standsStill(VOLUME);
  oracle.fencedByTime([1]);
  arrive(2);
  settle();
  clock.advance(1_000);
  oracle.stoodStill(VOLUME, 1_000);
  clock.advance(100);
  arrive(1);
  expect(complaints).toEqual([]);
  clock.advance(1);
  arrive(2);
  expect(complaints).toEqual(["I23"]);
});

test("a write that nobody submitted is another oracle's affair", () => {
  const { complaints, oracle } = setup();
  oracle.writeArrived(9, 0, 1);
  oracle.writeEnded(9, 0, 1, undefined);
  oracle.settled(9, undefined);
  expect(complaints).toEqual([]);
});

test("I23: a disk that stands still has no earlier copy where no fence was left to time", () => {
  const { complaints, oracle, arrive } = setup(undefined, 9);
  arrive(1);
  oracle.standsStill(VOLUME);
  arrive(2);
  expect(complaints).toEqual(["I23"]);
});

test("a write that began while the disk stood still may have an earlier copy there as well", () => {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const oracle = new AttemptOracle(clock, (invariant) => void complaints.push(invariant));
  oracle.standsStill(VOLUME);
  oracle.submitted(1, VOLUME, { lateMs: 100, success: "fenced" }, 3);
  oracle.writeArrived(1, 0, 1);
  oracle.fencedByTime([1]);
  oracle.writeArrived(1, 0, 2);
  expect(complaints).toEqual([]);
});
