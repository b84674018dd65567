// What is made of a result: text, comparison, page, and what is read back from a file.

import { memoryDevice } from "@nvmeof/bdev";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { FatedDevice, measured, stallingDevice } from "../testing/fated-device.ts";
import { roundUp } from "./chart.ts";
import { comparePerf, workloadDifferences } from "./compare.ts";
import { binaryText, countText, decimalText, latencyText } from "./figures.ts";
import { perfResultOf } from "./parse.ts";
import { perfReport } from "./report.ts";
import type { PerfResult } from "./result.ts";
import { perfText } from "./text.ts";
import type { PerfWorkload } from "./workload.ts";

const loopDelay = { meanMs: 0.5, p50Ms: 0.25, p99Ms: 2, maxMs: 12 };
const meter = {
  start: () => {},
  stop: () => ({ cpuUserMs: 30, cpuSystemMs: 10, loopDelay }),
};
const path = { requests: 0, readBytes: 0, writtenBytes: 0, errors: 0, retries: 2, switches: 1 };

async function resultOf(latencyMs: number, more: Partial<PerfWorkload> = {}): Promise<PerfResult> {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "<d>", clock, blockBytes: 512, blockCount: 4096, latencyMs });
  const paths = () => [{ ...path, longestStallMs: 7 }];
  const some = { requestBytes: 4096, queueDepth: 8, durationMs: 200 };
  const options = { device, rw: "randrw", ...some, ...more, meter, paths } as const;
  return (await measured(clock, options)).result;
}

test("the text has fio's words", async () => {
  const text = perfText(await resultOf(2, { verify: true, ratePerSecond: 2000 }));
  const lines = text.split("\n");
  expect(lines[0]).toBe("randrw: rwmixread=50, bs=4KiB, iodepth=8, queues=1, rate=2000, verify");
  expect(lines[1]).toMatch(/^ {2}<d>: 20[02] msec$/);
  expect(text).toMatch(
    /^ {2}read: IOPS=\d+, BW=[\d.]+MiB\/s \([\d.]+MB\/s\)\([\d.]+KiB\/20\dmsec\)$/m,
  );
  expect(text).toMatch(/^ {4}lat \(usec\): min=\d+, max=\d+, avg=\d+, stdev=[\d.]+$/m);
  expect(text).toMatch(/^ {4}lat percentiles \(usec\): 50th=\d+, 90th=.*, 99.99th=\d+$/m);
  expect(text).toMatch(/^ {2}write: IOPS=/m);
  expect(text).toContain("  errors: none\n");
  expect(text).toMatch(/^ {2}schedule: at most 0 usec late$/m);
  expect(text).toMatch(/^ {2}verify: \d+ blocks, 0 mismatches$/m);
  expect(text).toContain("  paths: 1, retries=0, switches=0, longest stall 7000 usec\n");
  expect(text).toMatch(/^ {2}cpu: usr=30 msec, sys=10 msec, [\d.]+ usec per I\/O$/m);
  expect(text).toContain("  event loop delay (msec): avg=0.500, 99th=2, max=12\n");
});

test("the text tells of a rate that was not kept, and of blocks that differ", async () => {
  const clock = new VirtualClock();
  const device = stallingDevice(clock, 1, { fromMs: 50, toMs: 400 });
  const some = { requestBytes: 512, queueDepth: 4, durationMs: 100 };
  const options = { device, rw: "write", ...some, ratePerSecond: 1000, verify: true } as const;
  const { result } = await measured(clock, options);
  const text = perfText(result);
  expect(text).toMatch(/^ {2}schedule: .* late, \d+ never started: the rate was not kept$/m);
  expect(text).toMatch(/^ {2}verify: \d+ blocks, \d+ mismatches \(first at 0, made for 0\)$/m);
});

test.each([
  [0, "0", "0B", "0B"],
  [999, "999", "999B", "999B"],
  [999.7, "1.00k", "1000B", "1.00kB"],
  [24_512, "24.5k", "23.9KiB", "24.5kB"],
  [1_048_576, "1.05M", "1MiB", "1.05MB"],
])("%d is written as %s, %s and %s", (value, count, binary, decimal) => {
  expect([countText(value), binaryText(value), decimalText(value)]).toEqual([
    count,
    binary,
    decimal,
  ]);
});

test("latencies have the unit that suits them", () => {
  expect([0.5, 412.3, 12_345, 1_500_000].map(latencyText)).toEqual([
    "0.500 usec",
    "412 usec",
    "12.3 msec",
    "1.50 sec",
  ]);
});

test("a comparison has the ratio of each figure, and says what is worse", async () => {
  const [fast, slow] = [await resultOf(2), await resultOf(4)];
  const rows = comparePerf(fast, slow);
  const row = (figure: string) => rows.find((each) => each.figure === figure)!;
  expect(row("read iops").ratio).toBeCloseTo(0.5, 1);
  expect(row("read iops").worse).toBeCloseTo(0.5, 1);
  expect(row("write latency p50").ratio).toBeCloseTo(2, 1);
  expect(row("write latency p50").worse).toBeCloseTo(1, 1);
  expect(row("cpu per request")).toMatchObject({ unit: "us", better: "lower" });
  expect(row("errors")).toMatchObject({ a: 0, b: 0, ratio: null, worse: 0 });
  for (const same of [fast, slow]) {
    expect(comparePerf(slow, same).every(({ worse }) => worse === 0)).toBe(true);
  }
});

test("what only one of two results has is not compared, and a new error is worse by far", async () => {
  const reads = await resultOf(2, { rw: "randread" });
  const writes = await resultOf(2, { rw: "randwrite" });
  const figures = comparePerf(reads, writes).map(({ figure }) => figure);
  expect(figures.filter((figure) => /read|write/.test(figure))).toEqual([]);
  const failing = { ...reads, read: { ...reads.read, errors: 1 } };
  const errors = comparePerf(reads, failing).find(({ figure }) => figure === "errors")!;
  expect(errors).toMatchObject({ ratio: null, worse: Infinity });
  expect(workloadDifferences(reads, writes)).toEqual([
    "rw: randread and randwrite",
    "readPercent: 100 and 0",
  ]);
});

test("a result survives its file, alone and in an envelope", async () => {
  const result = await resultOf(2);
  const text = JSON.stringify(result);
  expect(perfResultOf(JSON.parse(text))).toEqual(result);
  expect(perfResultOf({ schema: "nvmeof/perf-run", version: 1, data: result })).toEqual(result);
});

test("what is no result is refused", async () => {
  const result = await resultOf(2);
  const { latency: _latency, ...noLatency } = result.read;
  const wrong = [
    null,
    7,
    [],
    {},
    { data: null },
    { ...result, version: 2 },
    { ...result, workload: undefined },
    { ...result, read: noLatency },
    { ...result, write: { ...result.write, iops: "many" } },
    { ...result, paths: {} },
    { ...result, platform: { cpuUsPerRequest: 1 } },
  ];
  for (const document of wrong) expect(() => perfResultOf(document)).toThrow(TypeError);
});

test("the page is whole in itself: two pictures, no script, nothing from elsewhere", async () => {
  const page = perfReport(await resultOf(2), { date: "2026-11-21 <now>" });
  expect(page.match(/<svg /g)).toHaveLength(2);
  expect(page).not.toMatch(/<script|<link|<img|src=|href=|url\(|@import|https?:/i);
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
  // What came from outside is text.
  expect(page).toContain("&#60;d&#62;");
  expect(page).toContain("2026-11-21 &#60;now&#62;");
  expect(page).not.toContain("<d>");
  // A bar and a line for reads and for writes each.
  for (const name of ["read", "write"]) {
    expect(page).toContain(`<rect class="${name}"`);
    expect(page).toContain(`<polyline class="${name}"`);
  }
});

test("a page of nothing says that there is nothing", async () => {
  const clock = new VirtualClock();
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 500 }));
  const options = { rw: "randread", signal: AbortSignal.abort(), rampMs: 1000 } as const;
  const { result } = await measured(clock, { device, ...options });
  const page = perfReport(result);
  expect(page).toContain("there is nothing to draw");
  expect(page).not.toContain("<svg");
});

test("an axis ends at a round number", () => {
  expect([0, 0.3, 1, 7, 12, 45, 101].map(roundUp)).toEqual([1, 0.5, 1, 10, 20, 50, 200]);
});
