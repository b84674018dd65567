// Rates between two snapshots: what is summed, what is averaged, and what happens when counters go back.

import { expect, test } from "vitest";
import { controller, io, namespace, path, snapshot, subsystem } from "../testing/snapshots.ts";
import { ratesBetween } from "./rates.ts";
import type { IoView, SubsystemView } from "./snapshot.ts";

const one = (given: Partial<IoView>): SubsystemView =>
  subsystem([controller("c")], [namespace("n", [path("p", "c", given)])]);

/** Rates of the only path, two seconds apart. */
function rated(before: Partial<IoView>, after: Partial<IoView>) {
  const rates = ratesBetween(snapshot(1_000, [one(before)]), snapshot(3_000, [one(after)]));
  return rates!.subsystems[0]!.namespaces[0]!.paths[0]!.rates;
}

test.each<[string, Partial<IoView>, Partial<IoView>, object]>([
  ["nothing happened", {}, {}, { readsPerSecond: 0, readLatencyMs: null, utilizationPercent: 0 }],
  [
    "reads and writes by the second, with the average of what they took",
    { reads: 10, readBytes: 5_120, readMs: 10, writes: 1 },
    { reads: 30, readBytes: 15_360, readMs: 50, writes: 5, writtenBytes: 2_048, writeMs: 1 },
    {
      readsPerSecond: 10,
      readBytesPerSecond: 5_120,
      readLatencyMs: 2,
      writesPerSecond: 2,
      writtenBytesPerSecond: 1_024,
      writeLatencyMs: 0.25,
    },
  ],
  ["half of the time in use", { busyMs: 500 }, { busyMs: 1_500 }, { utilizationPercent: 50 }],
  ["no more than all of it", { busyMs: 0 }, { busyMs: 2_001 }, { utilizationPercent: 100 }],
  ["counters that went back began anew", { reads: 900 }, { reads: 40 }, { readsPerSecond: 20 }],
  [
    "what is not counted stays so",
    {},
    { busyMs: null, readMs: null, reads: 2 },
    {
      utilizationPercent: null,
      readLatencyMs: null,
      readsPerSecond: 1,
    },
  ],
  ["in flight is what it is now", { inflight: 9 }, { inflight: 4 }, { inflight: 4 }],
])("%s", (_what, before, after, expected) => {
  expect(rated(before, after)).toMatchObject(expected);
});

const two = (first: Partial<IoView>, second: Partial<IoView>): SubsystemView =>
  subsystem(
    [controller("c1", { resets: 1 }), controller("c2", { resets: 2, reconnects: 5 })],
    [
      namespace("n", [path("p1", "c1", first), path("p2", "c2", second)], {
        requeued: 3,
        failed: 4,
      }),
    ],
  );

test("a subsystem is the sum of its paths, and as busy as the busiest of them", () => {
  const before = snapshot(0, [two({}, {})]);
  const after = snapshot(1_000, [
    two(
      { reads: 10, readMs: 10, busyMs: 100, errors: 1, failovers: 1 },
      { reads: 30, readMs: 90, busyMs: 700, errors: 2, retries: 1 },
    ),
  ]);
  const [whole] = ratesBetween(before, after)!.subsystems;
  expect(whole!.rates).toMatchObject({
    readsPerSecond: 40,
    readLatencyMs: 2.5,
    utilizationPercent: 70,
  });
  expect(whole!.totals).toEqual({
    resets: 3,
    reconnects: 5,
    errors: 3,
    retries: 1,
    failovers: 1,
    requeued: 3,
    failed: 4,
  });
  expect(whole!.controllers.map(({ rates }) => rates.readsPerSecond)).toEqual([10, 30]);
  expect(whole!.controllers[1]!.totals).toMatchObject({ resets: 2, errors: 2, requeued: null });
  expect(whole!.namespaces[0]!.totals).toMatchObject({ resets: null, errors: 3, failed: 4 });
});

test("a path that goes takes nothing back, and one that comes brings all that it did", () => {
  const before = snapshot(0, [two({ reads: 1_000 }, { reads: 50 })]);
  const left = subsystem(
    [controller("c2"), controller("c3")],
    [namespace("n", [path("p2", "c2", { reads: 60 }), path("p3", "c3", { reads: 7 })])],
  );
  const [whole] = ratesBetween(before, snapshot(1_000, [left]))!.subsystems;
  expect(whole!.rates.readsPerSecond).toBe(17);
});

test("on a target errors and what is in flight are those of controllers", () => {
  const target = (commands: number): SubsystemView =>
    subsystem(
      [controller("c", { commands, errors: 2, inflight: 5, resets: null, reconnects: null })],
      [namespace("n", [], { io: io({ writes: commands, inflight: null, errors: 1 }) })],
      { role: "target" },
    );
  const rates = ratesBetween(snapshot(0, [target(10)]), snapshot(500, [target(15)]));
  const [whole] = rates!.subsystems;
  expect(whole!.controllers[0]).toMatchObject({ commandsPerSecond: 10 });
  expect(whole).toMatchObject({
    rates: { writesPerSecond: 10, inflight: 5 },
    totals: { errors: 2, resets: null },
  });
});

test("the event loop and the processor have their share of the time", () => {
  const loop = (nowMs: number, activeMs: number, cpuUserMs: number) =>
    snapshot(nowMs, [], {
      eventLoop: { activeMs, idleMs: nowMs - activeMs, delay: null },
      resources: { cpuUserMs, cpuSystemMs: 10, rssBytes: 1 },
    });
  expect(ratesBetween(loop(1_000, 100, 50), loop(2_000, 350, 1_250))).toMatchObject({
    elapsedMs: 1_000,
    loopPercent: 25,
    cpuPercent: 120,
  });
});

test("there are no rates of no time, nor between two processes", () => {
  const now = snapshot(1_000, []);
  expect(ratesBetween(now, now)).toBeUndefined();
  const process = { ...now.process, startedAt: new Date(5).toISOString() };
  expect(ratesBetween(now, snapshot(2_000, [], { process }))).toBeUndefined();
});
