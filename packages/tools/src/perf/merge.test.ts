// Parts as one result: what is added, what is the worst of them, and what is that of the whole process.

import { expect, test } from "vitest";
import { latencyHistogram } from "../node/histogram.ts";
import { mergedResult } from "./merge.ts";
import type { MeterReading } from "./meter.ts";
import type { PartDirection, PerfPart } from "./part.ts";
import { mergedTimeline } from "./throughput.ts";
import { perfText } from "./text.ts";

const direction = (count: number, latencyMs: number): PartDirection => {
  const histogram = latencyHistogram();
  for (let i = 0; i < count; i++) histogram.record(latencyMs);
  return { count, errors: 0, latency: histogram.data, buckets: [[1, 2, count]] };
};

const reading = (cpuUserMs: number, p99Ms: number): MeterReading => ({
  cpuUserMs,
  cpuSystemMs: 0,
  loopDelay: { meanMs: 1, p50Ms: 1, p99Ms, maxMs: p99Ms },
});

const part: PerfPart = {
  device: { name: "d", blockBytes: 512, blockCount: 8 },
  workload: {
    rw: "randread",
    readPercent: 100,
    requestBytes: 512,
    queueDepth: 1,
    queues: 1,
    ratePerSecond: 100,
    durationMs: 1_000,
    sizeBytes: null,
    rampMs: 0,
    verify: true,
    seed: 1,
    errorsMax: 1,
    workers: 2,
  },
  end: "time",
  abandoned: 1,
  elapsedMs: 1_000,
  read: direction(100, 1),
  write: direction(0, 0),
  errors: [{ code: "NVME_ERR_STATUS", status: 1, name: "one", count: 2 }],
  schedule: { ratePerSecond: 100, latestMs: 3, unstarted: 1 },
  verify: {
    checkedBlocks: 10,
    mismatches: 1,
    first: { lba: 7, claimsLba: 1 },
    readBack: "complete",
  },
  paths: { count: 1, retries: 1, switches: 2, longestStallMs: 5 },
  reading: reading(50, 9),
  timeline: {
    intervalMs: 50,
    reads: [1, 2, 3],
    writes: [0, 0, 0],
    errors: [0, 1, 0],
    latencyMaxMs: [1, 5, 2],
  },
};

const other: PerfPart = {
  ...part,
  elapsedMs: 2_000,
  read: direction(300, 3),
  errors: [
    { code: "NVME_ERR_STATUS", status: 1, name: "one", count: 1 },
    { code: "NVME_ERR_TIMEOUT", status: null, name: "NVME_ERR_TIMEOUT", count: 9 },
  ],
  schedule: { ratePerSecond: 100, latestMs: 1, unstarted: 2 },
  verify: {
    checkedBlocks: 5,
    mismatches: 1,
    first: { lba: 3, claimsLba: 0 },
    readBack: "not done",
  },
  paths: { count: 1, retries: 0, switches: 0, longestStallMs: 8 },
  reading: reading(70, 4),
};

test("counts are added, times are the longest, and the rate is that of all over the longest", () => {
  const whole = reading(80, 0);
  const names = ["a", "b"];
  const result = mergedResult([part, other], {
    histogram: latencyHistogram,
    reading: whole,
    names,
  });
  expect(result).toMatchObject({
    end: "time",
    abandoned: 2,
    elapsedMs: 2_000,
    read: { count: 400, iops: 200, bytes: 400 * 512, buckets: [[1, 2, 400]] },
    errors: [
      { code: "NVME_ERR_TIMEOUT", count: 9 },
      { code: "NVME_ERR_STATUS", count: 3 },
    ],
    schedule: { ratePerSecond: 200, latestMs: 3, unstarted: 3 },
    verify: { checkedBlocks: 15, mismatches: 2, first: { lba: 3 }, readBack: "not done" },
    paths: { count: 2, retries: 1, switches: 2, longestStallMs: 8 },
    platform: { cpuUserMs: 80, cpuUsPerRequest: 200, loopDelay: { p99Ms: 9 } },
  });
  expect(result.read.latency.meanUs).toBeCloseTo(2_500, -1);
  expect(result.read.latency.p50Us).toBeCloseTo(3_000, -1);
  expect(result.workers).toMatchObject([
    { name: "a", read: { count: 100, iops: 100 }, loopDelay: { p99Ms: 9 } },
    { name: "b", read: { count: 300, iops: 150 }, loopDelay: { p99Ms: 4 } },
  ]);
});

test("people read a line for each worker", () => {
  const names = ["worker 1", "worker 2"];
  const result = mergedResult([part, other], { histogram: latencyHistogram, names });
  const lines = perfText(result).trimEnd().split("\n");
  expect(lines[0]).toMatch(/, verify, workers=2$/);
  expect(lines.at(-2)).toBe(
    "  worker 1: read IOPS=100, BW=50KiB/s, lat avg=1000 usec, 99th=1000 usec; " +
      "event loop delay 99th=9 msec",
  );
  // A result of an earlier version has no workers.
  const { workers: _workers, ...before } = result;
  expect(perfText(before as typeof result)).not.toContain("worker 1");
});

test("a part of its own is a result without workers", () => {
  const result = mergedResult([part], { histogram: latencyHistogram });
  expect(result).toMatchObject({ workers: null, elapsedMs: 1_000, read: { iops: 100 } });
  expect(result.timeline).toEqual(part.timeline);
});

test("the reason why it ended is that of the one that ended the others", () => {
  const end = (...ends: PerfPart["end"][]): string =>
    mergedResult(
      ends.map((each) => ({ ...part, end: each })),
      { histogram: latencyHistogram },
    ).end;
  expect(end("time", "interrupted", "removed")).toBe("removed");
  expect(end("interrupted", "errors")).toBe("errors");
  expect(end("time", "interrupted")).toBe("interrupted");
  expect(end("time", "size")).toBe("size");
});

test("timelines of different intervals: those of the longest, and nothing is lost", () => {
  const fine = { ...part.timeline, reads: [1, 2, 3, 4, 5] };
  const coarse = { ...part.timeline, intervalMs: 200, reads: [10, 20], latencyMaxMs: [0, 9] };
  expect(mergedTimeline([fine, coarse])).toMatchObject({
    intervalMs: 200,
    reads: [20, 25],
    latencyMaxMs: [5, 9],
  });
  const none = { intervalMs: 1, reads: [], writes: [], errors: [], latencyMaxMs: [] };
  expect(mergedTimeline([none, none])).toEqual(none);
});
