// Measurements by several threads, in virtual time and one thread: begun and ended together, merged.

import { type BlockDevice, memoryDevice } from "@nvmeof/bdev";
import { MemoryLink } from "@nvmeof/bdev/nvme";
import { NvmeofError, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { latencyHistogram } from "../node/histogram.ts";
import { FatedDevice } from "../testing/fated-device.ts";
import { type CrewOptions, runPerfCrew } from "./crew.ts";
import { type MemberFacts, PerfBoard } from "./crew-messages.ts";
import { type MemberDevice, type MemberOptions, runPerfMember } from "./member.ts";
import type { PerfProgress } from "./run.ts";

const usual = { rw: "randread", requestBytes: 512, queueDepth: 8, durationMs: 100 } as const;

interface Member extends Partial<MemberOptions> {
  readonly device: BlockDevice;
  readonly openMs?: number;
}

/** A crew of members that measure, and what is known of them. */
function crewOf(
  clock: VirtualClock,
  members: readonly Member[],
  options: Partial<CrewOptions> = {},
) {
  const board = new PerfBoard(members.length);
  const pairs = members.map(() => MemoryLink.pair(clock));
  const ended: Promise<void>[] = [];
  for (const [index, { device, openMs = 0, ...more }] of members.entries()) {
    const open = (): Promise<MemberDevice> =>
      new Promise((resolve) => {
        clock.at(clock.nowMs() + openMs, () => resolve({ device, facts: { index } }));
      });
    ended.push(
      runPerfMember({
        ...usual,
        workers: members.length,
        clock,
        histogram: latencyHistogram,
        link: pairs[index]![1],
        board: new PerfBoard(board.memory),
        share: { index, count: members.length },
        open,
        ...more,
      }),
    );
  }
  const outcome = runPerfCrew({
    members: pairs.map(([link], at) => ({ name: `worker ${at + 1}`, link })),
    board,
    clock,
    histogram: latencyHistogram,
    ...options,
  });
  return { outcome, ended, board, links: pairs.map(([, far]) => far) };
}

/** Lets time pass until it is settled, with what it came to. */
async function run<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  const state: { phase: "waiting" | "over" } = { phase: "waiting" };
  const over = (): void => void (state.phase = "over");
  promise.then(over, over);
  for (let turn = 0; turn < 20; turn++) {
    clock.settle();
    await Promise.resolve();
  }
  while (state.phase === "waiting") {
    if (!clock.step()) throw new Error(`nothing happens any more at ${clock.nowMs()} ms`);
    for (let turn = 0; turn < 20; turn++) {
      clock.settle();
      await Promise.resolve();
    }
  }
  return promise;
}

const memory = (clock: VirtualClock, latencyMs: number): BlockDevice =>
  memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 4096, latencyMs });

test("two workers do twice as much; each of them is told as well", async () => {
  const clock = new VirtualClock();
  const devices = [memory(clock, 2), memory(clock, 2)];
  const { outcome, ended } = crewOf(
    clock,
    devices.map((device) => ({ device })),
  );
  const { result, firstError } = await run(clock, outcome);
  expect(firstError).toBeUndefined();
  expect(result).toMatchObject({ end: "time", elapsedMs: 100, workload: { workers: 2 } });
  expect(result.read).toMatchObject({ count: 800, iops: 8000, bytes: 800 * 512 });
  expect(result.read.latency.count).toBe(800);
  expect(result.read.buckets).toEqual([[1843.2, 2048, 800]]);
  expect(result.timeline.reads.reduce((a, b) => a + b)).toBe(800);
  expect(result.workers).toMatchObject([
    { name: "worker 1", end: "time", read: { count: 400, iops: 4000 }, write: { count: 0 } },
    { name: "worker 2", end: "time", read: { count: 400, iops: 4000 }, write: { count: 0 } },
  ]);
  await Promise.all(ended);
  expect(clock.armed).toBe(0);
});

test("distributions are added, not averaged: what a slow worker sees is as rare as it is", async () => {
  const clock = new VirtualClock();
  const members = [{ device: memory(clock, 1) }, { device: memory(clock, 50) }];
  const { result } = await run(clock, crewOf(clock, members).outcome);
  const { latency } = result.read;
  // 800 of 1 ms, and 16 of 50 ms.
  expect(latency.count).toBe(816);
  expect(latency.p90Us).toBeLessThan(1_010);
  expect(latency.p99Us).toBeGreaterThan(49_000);
  expect(latency.meanUs).toBeCloseTo((800 * 1_000 + 16 * 50_000) / 816, -2);
  expect(result.workers!.map(({ read }) => Math.round(read.latency.p50Us / 1000))).toEqual([1, 50]);
});

test("nobody begins before all have the device; what they say of it is handed on", async () => {
  const clock = new VirtualClock();
  const device = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 2 }));
  const late = memory(clock, 2);
  const facts: (readonly MemberFacts[])[] = [];
  const members = [{ device }, { device: late, openMs: 500 }];
  const crew = crewOf(clock, members, { ready: (all) => facts.push(all) });
  await run(clock, crew.outcome);
  expect(device.seen[0]!.atMs).toBe(500);
  expect(facts).toEqual([[{ index: 0 }, { index: 1 }]]);
});

test("one that cannot open the device ends it all with its error", async () => {
  const clock = new VirtualClock();
  const refused = new NvmeofError("NVME_ERR_UNREACHABLE", "refused", { hint: "Start it." });
  const other = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 2 }));
  const members = [{ device: other }, { device: other, open: () => Promise.reject(refused) }];
  const { outcome, ended } = crewOf(clock, members);
  await expect(run(clock, outcome)).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
    hint: "Start it.",
  });
  await run(clock, Promise.all(ended));
  expect(other.seen).toEqual([]);
  expect(clock.armed).toBe(0);
});

test("a device that is removed under one of them ends the others, with what they have", async () => {
  const clock = new VirtualClock();
  const gone = memory(clock, 2);
  const members = [{ device: memory(clock, 2) }, { device: gone }];
  const { outcome } = crewOf(
    clock,
    members.map((each) => ({ ...each, durationMs: 10_000 })),
  );
  clock.at(50, () => void gone.close());
  const { result } = await run(clock, outcome);
  expect(result.end).toBe("removed");
  expect(result.workers!.map(({ end }) => end)).toEqual(["interrupted", "removed"]);
  expect(result.read.count).toBeGreaterThan(300);
  expect(clock.nowMs()).toBeLessThan(100);
});

test("too many errors of one are the first error of all", async () => {
  const clock = new VirtualClock();
  const error = new NvmeofError("NVME_ERR_MEDIA", "bad", { status: Status.UnrecoveredReadError });
  const bad = new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 1, error }));
  const members = [
    { device: memory(clock, 2), durationMs: 10_000 },
    { device: bad, durationMs: 10_000, errorsMax: 20 },
  ];
  const { result, firstError } = await run(clock, crewOf(clock, members).outcome);
  expect(firstError).toMatchObject({ code: "NVME_ERR_MEDIA", status: Status.UnrecoveredReadError });
  expect(result).toMatchObject({ end: "errors", errors: [{ code: "NVME_ERR_MEDIA" }] });
  expect(result.read.errors).toBeGreaterThanOrEqual(20);
});

test("an interruption ends all of them with what was measured; progress was that of all", async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  const told: PerfProgress[] = [];
  const members = [memory(clock, 2), memory(clock, 2)].map((device) => ({
    device,
    durationMs: 60_000,
  }));
  const { outcome, board } = crewOf(clock, members, {
    signal: abort.signal,
    progress: (progress) => told.push(progress),
  });
  clock.at(1_050, () => abort.abort(new Error("enough")));
  const { result, firstError } = await run(clock, outcome);
  expect(firstError).toBeUndefined();
  expect(result).toMatchObject({ end: "interrupted", errors: [] });
  expect(board.isStopped).toBe(true);
  expect(told).toHaveLength(10);
  expect(told.at(-1)).toMatchObject({ errors: 0 });
  expect(told.at(-1)!.count).toBeGreaterThan(6_000);
  expect(told.at(-1)!.elapsedMs).toBeGreaterThan(800);
});

test("an interruption before all are there is its reason, and nothing was measured", async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  const members = [{ device: memory(clock, 2), openMs: 5_000 }];
  const { outcome } = crewOf(clock, members, { signal: abort.signal });
  clock.at(100, () => abort.abort(new Error("enough")));
  await expect(run(clock, outcome)).rejects.toThrow("enough");
  expect(clock.nowMs()).toBe(100);
});

test("a worker that is stuck is waited for no longer than its bound, and named", async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  const members = [memory(clock, 2), memory(clock, 2)].map((device) => ({
    device,
    durationMs: 60_000,
  }));
  const { outcome, links } = crewOf(clock, members, { signal: abort.signal, finishMs: 500 });
  clock.at(1_000, () => {
    links[1]!.stick();
    abort.abort(new Error("enough"));
  });
  const { result, firstError } = await run(clock, outcome);
  expect(clock.nowMs()).toBe(1_500);
  expect(result.workers!.map(({ name }) => name)).toEqual(["worker 1"]);
  expect(firstError).toMatchObject({ code: "NVME_ERR_WORKER_STUCK" });
  expect(firstError!.message).toBe("worker 2 did not tell what was measured in time");
});

test("one that does not open the device in time is named, and ends it", async () => {
  const clock = new VirtualClock();
  const members = [{ device: memory(clock, 2) }, { device: memory(clock, 2), openMs: 1e6 }];
  const { outcome } = crewOf(clock, members, { readyMs: 3_000 });
  await expect(run(clock, outcome)).rejects.toThrow("worker 2 did not open the device in time");
  expect(clock.nowMs()).toBe(3_000);
});

test("a thread that ends without a word ends the others, and is the error", async () => {
  const clock = new VirtualClock();
  const members = [memory(clock, 2), memory(clock, 2)].map((device) => ({
    device,
    durationMs: 60_000,
  }));
  const { outcome, links } = crewOf(clock, members);
  clock.at(100, () => links[0]!.close());
  const { result, firstError } = await run(clock, outcome);
  expect(firstError).toMatchObject({ code: "NVME_ERR_WORKER_GONE" });
  expect(result.workers!.map(({ name, end }) => [name, end])).toEqual([
    ["worker 2", "interrupted"],
  ]);
});

test("the process is metered while somebody measures: not before that, nor while it is read back", async () => {
  const clock = new VirtualClock();
  const times: number[] = [];
  const loopDelay = { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
  const meter = {
    start: () => void times.push(clock.nowMs()),
    stop: () => {
      times.push(clock.nowMs());
      return { cpuUserMs: 40, cpuSystemMs: 40, loopDelay };
    },
  };
  const quiet = { start: () => {}, stop: () => ({ cpuUserMs: 1, cpuSystemMs: 1, loopDelay }) };
  const write = { rw: "randwrite", verify: true, rampMs: 300, meter: quiet } as const;
  const members = [memory(clock, 2), memory(clock, 4)].map((device) => ({ device, ...write }));
  const { result } = await run(clock, crewOf(clock, members, { meter }).outcome);
  expect(times).toEqual([300, 400]);
  expect(clock.nowMs()).toBeGreaterThan(410);
  expect(result.platform).toMatchObject({ cpuUserMs: 40, cpuSystemMs: 40 });
});

test("what several write can be verified: all write the same, and read back what they wrote", async () => {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 256, latencyMs: 1 });
  const write = { device, rw: "randwrite", verify: true, durationMs: 200 } as const;
  const { result } = await run(clock, crewOf(clock, [write, write, write]).outcome);
  expect(result.verify).toMatchObject({ mismatches: 0, readBack: "complete" });
  expect(result.verify!.checkedBlocks).toBeGreaterThan(3 * 200);
});

test("each goes its own way: other places at random, and another beginning in a sequence", async () => {
  const begins = async (rw: "read" | "randread"): Promise<number[][]> => {
    const clock = new VirtualClock();
    const devices = [0, 1, 2].map(
      () => new FatedDevice(clock, (_request, nowMs) => ({ atMs: nowMs + 2 })),
    );
    const members = devices.map((device) => ({ device, rw, queueDepth: 1, durationMs: 10 }));
    await run(clock, crewOf(clock, members).outcome);
    return devices.map(({ seen }) => seen.map(({ lba }) => lba));
  };
  expect((await begins("read")).map(([first]) => first)).toEqual([0, 341, 682]);
  const random = await begins("randread");
  expect(new Set(random.map((lbas) => lbas.join())).size).toBe(3);
});
