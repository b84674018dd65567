// Measurements in virtual time: closed and open loops, ends, errors, verification.

import { type BlockDevice, BlockOp, memoryDevice, openDisk } from "@nvmeof/bdev";
import { NvmeofError, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { writePattern } from "../sweep.ts";
import { FatedDevice, measured, passing, stallingDevice } from "../testing/fated-device.ts";
import type { PerfProgress } from "./run.ts";

const disk = (clock: VirtualClock, latencyMs = 2, blockCount = 4096): BlockDevice =>
  memoryDevice({ name: "m", clock, blockBytes: 512, blockCount, latencyMs });

const small = { requestBytes: 512, queueDepth: 8, durationMs: 100 };

test("a closed loop keeps its depth: eight reads of 2 ms at a time make 4000 a second", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  const { result, firstError } = await measured(clock, { device, rw: "randread", ...small });
  expect(result).toMatchObject({ version: 1, end: "time", elapsedMs: 100, errors: [] });
  expect(result.read).toMatchObject({ count: 400, errors: 0, bytes: 400 * 512, iops: 4000 });
  expect(result.read.latency.count).toBe(400);
  expect(result.read.latency.minUs).toBeCloseTo(2000, -1);
  expect(result.write.count).toBe(0);
  expect(result.read.buckets).toEqual([[1843.2, 2048, 400]]);
  expect({ firstError, armed: clock.armed }).toEqual({ firstError: undefined, armed: 0 });
});

test("each queue has the depth", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  const { result } = await measured(clock, { device, rw: "randread", ...small, queues: 3 });
  expect(result.read.iops).toBe(12_000);
});

test("read and write go over the device in order, and round again", async () => {
  const clock = new VirtualClock();
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 1 }));
  const some = { requestBytes: 64 * 512, queueDepth: 2, sizeBytes: 20 * 64 * 512 };
  const { result } = await measured(clock, { device, rw: "write", ...some });
  expect(result).toMatchObject({ end: "size", write: { count: 20 }, read: { count: 0 } });
  const places = Array.from({ length: 20 }, (_, i) => (i % 16) * 64);
  expect(device.seen.map(({ lba }) => lba)).toEqual(places);
  expect(device.seen.every(({ op }) => op === BlockOp.Write)).toBe(true);
});

test("random requests go everywhere, in the same order with the same seed", async () => {
  const lbas = async (seed: number): Promise<number[]> => {
    const clock = new VirtualClock();
    const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 1 }));
    await measured(clock, { device, rw: "randread", ...small, durationMs: 1000, seed });
    return device.seen.map(({ lba }) => lba);
  };
  const one = await lbas(1);
  expect(await lbas(1)).toEqual(one);
  expect(await lbas(2)).not.toEqual(one);
  // Of 1024 places, 8000 requests at random leave out hardly any.
  expect(new Set(one).size).toBeGreaterThan(1000);
});

test("randrw mixes reads and writes as it is told", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  const mix = { ...small, rw: "randrw", readPercent: 70, durationMs: 2000 } as const;
  const { result } = await measured(clock, { device, ...mix });
  const { read, write } = result;
  expect(read.count + write.count).toBe(8000);
  expect(read.count / 8000).toBeGreaterThan(0.67);
  expect(read.count / 8000).toBeLessThan(0.73);
});

test("an open loop starts requests when they are due, and no faster than that", async () => {
  const clock = new VirtualClock();
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 3 }));
  const paced = { ...small, ratePerSecond: 200 };
  const { result } = await measured(clock, { device, rw: "randread", ...paced });
  expect(device.seen.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 20 }, (_, i) => i * 5));
  expect(result.read.count).toBe(20);
  expect(result.read.latency.minUs).toBeCloseTo(3000, -1);
  expect(result.schedule).toEqual({ ratePerSecond: 200, latestMs: 0, unstarted: 0 });
  expect(clock.armed).toBe(0);
});

test("a stall shows in the latency of an open loop, and hides from a closed one", async () => {
  const stall = { fromMs: 100, toMs: 600 };
  const run = async (ratePerSecond: number | undefined) => {
    const clock = new VirtualClock();
    const device = stallingDevice(clock, 1, stall);
    const options = { ...small, queueDepth: 4, durationMs: 1000, ratePerSecond };
    return (await measured(clock, { device, rw: "randread", ...options })).result;
  };
  const open = await run(1000);
  // All 1000 are there. Of those due during the stall each waited for what was left of it.
  expect(open.read.count).toBe(1000);
  expect(open.read.latency.maxUs).toBeGreaterThan(499_000);
  expect(open.read.latency.p90Us).toBeGreaterThan(300_000);
  expect(open.read.latency.p50Us).toBeGreaterThan(1000);
  expect(open.schedule!.latestMs).toBeGreaterThan(490);
  expect(open.schedule!.unstarted).toBe(0);
  const closed = await run(undefined);
  expect(closed.read.latency.p99Us).toBeLessThan(2000);
  expect(closed.read.latency.maxUs).toBeGreaterThan(499_000);
});

test("what was due and could never be started is told", async () => {
  const clock = new VirtualClock();
  const device = stallingDevice(clock, 1, { fromMs: 40, toMs: 500 });
  const options = { ...small, queueDepth: 4, ratePerSecond: 1000 };
  const { result } = await measured(clock, { device, rw: "randread", ...options });
  // Due at 0 to 99 ms; the four that were due from 39 on are the last ones.
  expect(result.read.count).toBe(43);
  expect(result.schedule).toMatchObject({ unstarted: 57 });
  expect(result.elapsedMs).toBe(500);
});

test("an open loop that gets its turns soon waits in turns for what is due in 2 ms", async () => {
  const clock = new VirtualClock();
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 1 }));
  let turns = 0;
  const soon = (task: () => void): void => {
    turns++;
    clock.at(clock.nowMs() + 0.25, task);
  };
  const paced = { ...small, ratePerSecond: 100, soon };
  await measured(clock, { device, rw: "randread", ...paced });
  expect(device.seen.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 10 }, (_, i) => i * 10));
  // Eight turns for each of those that were waited for, not forty.
  expect(turns).toBeGreaterThanOrEqual(9 * 8);
  expect(turns).toBeLessThan(11 * 9);
});

test("what happens before measuring begins does not count, but errors do", async () => {
  const clock = new VirtualClock();
  const error = new NvmeofError("NVME_ERR_MEDIA", "bad", { status: Status.UnrecoveredReadError });
  const device = new FatedDevice(clock, (_request, nowMs) =>
    nowMs === 0 ? { atMs: 50, error } : { atMs: nowMs + 2 },
  );
  const ramp = { ...small, rampMs: 100, durationMs: 100 };
  const { result } = await measured(clock, { device, rw: "randread", ...ramp });
  expect(result).toMatchObject({ elapsedMs: 100, read: { errors: 8 } });
  expect(result.read.latency.minUs).toBeCloseTo(2000, -1);
  expect(result.read.count).toBeGreaterThan(390);
  expect(result.read.count).toBeLessThan(409);
  expect(clock.nowMs()).toBeLessThan(210);
});

test("errors are counted by status, and a lane that failed pauses", async () => {
  const clock = new VirtualClock();
  const media = new NvmeofError("NVME_ERR_MEDIA", "bad", { status: Status.UnrecoveredReadError });
  const lost = new NvmeofError("NVME_ERR_NO_PATH", "gone");
  const device = new FatedDevice(clock, ({ lba }, nowMs) => {
    if (lba < 256) return { atMs: nowMs, error: media };
    return lba < 320 ? { atMs: nowMs, error: lost } : { atMs: nowMs + 1 };
  });
  const options = { requestBytes: 64 * 512, queueDepth: 1, durationMs: 60 };
  const { result, firstError } = await measured(clock, { device, rw: "read", ...options });
  expect(result.errors).toEqual([
    { code: "NVME_ERR_MEDIA", status: 0x281, name: "Unrecovered Read Error", count: 4 },
    { code: "NVME_ERR_NO_PATH", status: null, name: "NVME_ERR_NO_PATH", count: 1 },
  ]);
  expect(firstError).toBe(media);
  // Five pauses of 10 ms, then a request every ms.
  expect(device.seen.map(({ atMs }) => atMs).slice(0, 7)).toEqual([0, 10, 20, 30, 40, 50, 51]);
  expect(result.timeline.errors).toEqual([5, 0]);
});

test("too many errors end it", async () => {
  const clock = new VirtualClock();
  const error = new NvmeofError("NVME_ERR_MEDIA", "bad");
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs, error }));
  const options = { ...small, durationMs: 10_000, errorsMax: 20 };
  const { result } = await measured(clock, { device, rw: "randread", ...options });
  expect(result).toMatchObject({ end: "errors", read: { count: 0 } });
  expect(result.read.errors).toBeGreaterThanOrEqual(20);
  expect(result.read.errors).toBeLessThan(28);
  expect(clock.armed).toBe(0);
});

test.each([undefined, 1000])("a device that goes away ends it (rate %s)", async (ratePerSecond) => {
  const clock = new VirtualClock();
  const device = disk(clock);
  clock.at(10, () => void device.close());
  const options = { ...small, durationMs: 10_000, ratePerSecond };
  const { result } = await measured(clock, { device, rw: "randread", ...options });
  expect(result.end).toBe("removed");
  expect(result.elapsedMs).toBeLessThan(30);
  expect(clock.armed).toBe(0);
});

test("a signal ends it with what was measured so far", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  const abort = new AbortController();
  clock.at(50, () => abort.abort());
  const options = { ...small, verify: true, signal: abort.signal };
  const { result } = await measured(clock, { device, rw: "randwrite", ...options });
  expect(result).toMatchObject({ end: "interrupted", errors: [], abandoned: 0 });
  expect(result.write.count).toBe(200);
  expect(result.verify).toMatchObject({ readBack: "not done" });
});

test("what fails because it is ended is no error of the device", async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  clock.at(50, () => abort.abort());
  const error = new NvmeofError("NVME_ERR_ABORTED", "closed");
  const device = new FatedDevice(clock, (_request, nowMs) =>
    nowMs >= 40 ? { atMs: 60, error } : { atMs: nowMs + 1 },
  );
  const options = { ...small, signal: abort.signal };
  const { result } = await measured(clock, { device, rw: "randread", ...options });
  expect(result).toMatchObject({ end: "interrupted", errors: [], abandoned: 8 });
});

test("a signal that has aborted before ends it at once", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  const options = { ...small, signal: AbortSignal.abort() };
  const { result } = await measured(clock, { device, rw: "randread", ...options });
  expect(result.end).toBe("interrupted");
  expect(clock.nowMs()).toBeLessThan(10);
});

test("what was written is read back and is right", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  const options = { ...small, requestBytes: 1024, verify: true };
  const { result } = await measured(clock, { device, rw: "randrw", ...options });
  expect(result.verify).toMatchObject({ mismatches: 0, first: null, readBack: "complete" });
  // Two blocks for each place that was written, and for some reads in between.
  expect(result.verify!.checkedBlocks).toBeGreaterThan(200);
});

test("reads alone compare with what was written before, by the same seed", async () => {
  const clock = new VirtualClock();
  const device = disk(clock, 1, 64);
  await passing(clock, writePattern({ device, seed: 5 }));
  await passing(clock, openDisk(device).write(7, new Uint8Array(512)));
  const options = { ...small, sizeBytes: 64 * 512, verify: true, seed: 5 };
  const { result } = await measured(clock, { device, rw: "read", ...options });
  const first = { lba: 7, claimsLba: 0 };
  expect(result.verify).toEqual({ checkedBlocks: 64, mismatches: 1, first, readBack: "none" });
});

test("reads of a mixed load are compared where a write came first", async () => {
  const clock = new VirtualClock();
  // Half of the places hold something else already; nobody minds before they are written.
  const device = disk(clock, 1, 64);
  await passing(clock, openDisk(device).write(0, new Uint8Array(32 * 512).fill(1)));
  const options = { ...small, durationMs: 20, verify: true, readPercent: 90 };
  const { result } = await measured(clock, { device, rw: "randrw", ...options });
  expect(result.read.count).toBeGreaterThan(100);
  expect(result.verify).toMatchObject({ mismatches: 0, readBack: "complete" });
  const written = result.verify!.checkedBlocks;
  expect(written).toBeGreaterThan(10);
  expect(written).toBeLessThan(result.read.count + 64);
});

test("a write that never reached the medium is found when it is read back", async () => {
  const clock = new VirtualClock();
  // Answers everything with success, and holds zeroes.
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 1 }));
  const options = { ...small, sizeBytes: 16 * 512, verify: true };
  const { result } = await measured(clock, { device, rw: "write", ...options });
  expect(result.verify).toMatchObject({ checkedBlocks: 16, mismatches: 16, first: { lba: 0 } });
});

test("what cannot be read back is an error, and the result is there", async () => {
  const clock = new VirtualClock();
  const error = new NvmeofError("NVME_ERR_MEDIA", "bad", { status: Status.UnrecoveredReadError });
  const device = new FatedDevice(clock, ({ op }, nowMs) =>
    op === BlockOp.Read ? { atMs: nowMs + 1, error } : { atMs: nowMs + 1 },
  );
  const options = { ...small, sizeBytes: 16 * 512, verify: true };
  const { result, firstError } = await measured(clock, { device, rw: "write", ...options });
  expect(result).toMatchObject({ errors: [], write: { count: 16 } });
  expect(result.verify).toMatchObject({ checkedBlocks: 0, readBack: "not done" });
  expect(firstError).toBe(error);
});

test("progress is told ten times a second", async () => {
  const clock = new VirtualClock();
  const told: PerfProgress[] = [];
  const options = { ...small, durationMs: 1050, rampMs: 100 };
  const device = disk(clock);
  await measured(clock, {
    device,
    rw: "randread",
    ...options,
    progress: (progress) => told.push(progress),
  });
  expect(told).toHaveLength(11);
  expect(told.at(-1)).toMatchObject({ elapsedMs: 1000, errors: 0 });
  expect(told.at(-1)!.bytes).toBe(told.at(-1)!.count * 512);
});

test("retries are those of the paths, since it began", async () => {
  const clock = new VirtualClock();
  const path = { requests: 9, readBytes: 0, writtenBytes: 0, errors: 3, longestStallMs: 4 };
  let calls = 0;
  const paths = () => [{ ...path, retries: 5 + 2 * calls, switches: 1 + calls++ }];
  const device = disk(clock);
  const { result } = await measured(clock, { device, rw: "randread", ...small, paths });
  expect(result.paths).toEqual({ count: 1, retries: 2, switches: 1, longestStallMs: 4 });
});

test("the meter runs for as long as is measured", async () => {
  const clock = new VirtualClock();
  const device = disk(clock);
  let startedMs = -1;
  const loopDelay = { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
  const meter = {
    start: () => void (startedMs = clock.nowMs()),
    stop: () => ({ cpuUserMs: clock.nowMs() - startedMs, cpuSystemMs: 20, loopDelay }),
  };
  const options = { ...small, rampMs: 50, verify: true, meter };
  const { result } = await measured(clock, { device, rw: "randwrite", ...options });
  expect(result.platform).toMatchObject({ cpuUserMs: 100 });
  expect(result.platform!.cpuUsPerRequest).toBeCloseTo(120_000 / result.write.count, 6);
});

test.each([
  ["requests that are no whole blocks", { requestBytes: 1000 }],
  ["requests larger than the device", { requestBytes: 4 << 20 }],
  ["no depth", { queueDepth: 0 }],
  ["more than may be in flight", { queueDepth: 1025 }],
  ["half a queue", { queues: 0.5 }],
  ["a rate of nothing", { ratePerSecond: 0 }],
  ["more reads than all", { rw: "randrw", readPercent: 101 }],
  ["no time", { durationMs: 0 }],
  ["more memory than there should be", { queueDepth: 1024, queues: 1024, requestBytes: 1 << 20 }],
] as const)("%s are refused", async (_what, options) => {
  const clock = new VirtualClock();
  const device = disk(clock);
  await expect(measured(clock, { device, rw: "randread", ...options })).rejects.toThrow(RangeError);
});

test("a device that is read-only takes no writes", async () => {
  const clock = new VirtualClock();
  const options = { name: "m", clock, blockBytes: 512, blockCount: 64, readOnly: true };
  const device = memoryDevice(options);
  const writing = measured(clock, { device, rw: "randrw", ...small });
  await expect(writing).rejects.toThrow("read-only");
});

test("without a time or a size it takes ten seconds", async () => {
  const clock = new VirtualClock();
  const device = disk(clock, 100);
  const { result } = await measured(clock, { device, rw: "randread", queueDepth: 1 });
  expect(result).toMatchObject({ elapsedMs: 10_000, workload: { requestBytes: 4096, queues: 1 } });
});
