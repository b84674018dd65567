// Random reads keep their queue depth, end when told to, and count what they did; in virtual time.

import { type BlockDevice, memoryDevice } from "@nvmeof/bdev";
import { seededRandom } from "@nvmeof/core";
import { VirtualClock } from "@nvmeof/transport/testing";
import { systemClock } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import { latencyHistogram } from "./node/index.ts";
import { type LoadReport, RandomReads, measureRandomReads } from "./random-reads.ts";

const random = seededRandom(1);
const disk = (clock: VirtualClock, latencyMs: number): BlockDevice =>
  memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 4096, latencyMs });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets virtual time pass until `promise` is settled. */
async function passing<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  const state = { over: false };
  const end = (): void => void (state.over = true);
  promise.then(end, end);
  for (await turn(); !state.over; await turn()) clock.advance(1);
  return promise;
}

function measure(clock: VirtualClock, device: BlockDevice, signal?: AbortSignal) {
  const options = { queueDepth: 8, readBytes: 4096, durationMs: 100, signal };
  return measureRandomReads({ ...options, device, clock, random, histogram: latencyHistogram() });
}

test("eight reads of 2 ms at a time make 4000 a second, each 2 ms long", async () => {
  const clock = new VirtualClock();
  const report = await passing(clock, measure(clock, disk(clock, 2)));
  expect(report.errors).toBe(0);
  expect(report.reads).toBe(400);
  expect(report.iops).toBeCloseTo(4000, -2);
  expect(report.bytesPerSecond).toBeCloseTo(report.iops * 4096);
  expect(report.latency).toMatchObject({ count: 400 });
  expect(report.latency.p50Us).toBeCloseTo(2000, -1);
  expect(clock.armed).toBe(0);
});

test("a device that settles without letting timers run ends the measurement as well", async () => {
  const device = memoryDevice({
    name: "m",
    clock: systemClock,
    blockBytes: 512,
    blockCount: 4096,
  });
  const report: LoadReport = await measureRandomReads({
    device,
    clock: systemClock,
    random,
    queueDepth: 4,
    readBytes: 512,
    durationMs: 5,
    histogram: latencyHistogram(),
  });
  expect(report.elapsedMs).toBeGreaterThanOrEqual(5);
  expect(report.latency.maxUs).toBeGreaterThanOrEqual(report.latency.p50Us);
});

test("a device that goes away ends its lanes, with the first error told", async () => {
  const clock = new VirtualClock();
  const device = disk(clock, 2);
  clock.at(10, () => void device.close());
  const report = await passing(clock, measure(clock, device));
  expect(report.errors).toBe(8);
  expect(report.firstError?.code).toBe("NVME_ERR_CLOSED");
});

test("a signal ends the measurement with its reason, once what is in flight has settled", async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  clock.at(10, () => abort.abort(new Error("enough")));
  const device = disk(clock, 7);
  await expect(passing(clock, measure(clock, device, abort.signal))).rejects.toThrow("enough");
  expect(clock.nowMs()).toBeLessThan(20);
});

test.each([
  ["reads that are no whole blocks", { readBytes: 1000 }],
  ["reads larger than the device", { readBytes: 4 << 20 }],
  ["no queue depth", { queueDepth: 0 }],
])("%s are refused", (_what, options) => {
  const clock = new VirtualClock();
  const all = { queueDepth: 1, readBytes: 512, ...options, settled: () => {} };
  expect(() => new RandomReads({ device: disk(clock, 1), clock, random, ...all })).toThrow(
    RangeError,
  );
});

test("an empty histogram says so, and a latency beyond its range counts as its end", () => {
  const histogram = latencyHistogram();
  expect(histogram.summary()).toMatchObject({ count: 0, p50Us: 0, maxUs: 0 });
  histogram.record(0);
  histogram.record(1e9);
  expect(histogram.summary()).toMatchObject({ count: 2, minUs: 0.001 });
  expect(histogram.summary().maxUs).toBeGreaterThan(59e6);
});
