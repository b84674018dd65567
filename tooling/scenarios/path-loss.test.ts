// Path loss, noticed: rows F30 to F37 of the fault matrix, over one path and over two.
// Read first: reliability-anchors.md §3.3, §1.3 (fencing); DESIGN.md §4.

import { BlockOp } from "@nvmeof/bdev";
import type { Controller } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  codesOf,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  outcomesOf,
  slowestMs,
} from "./expectations.ts";
import { heldWorld } from "./held-disk.ts";
import { BLOCK_BYTES, type Watched, World, type WorldOptions } from "./world.ts";

const KATO_MS = 10_000;
/** Traffic keeps our target's controllers alive, so that they notice a loss later. */
const T_FENCE_MS = 3 * KATO_MS;
const T_IO_MS = 30_000;

/** A world of two paths, with requests that the target has taken and does not answer. */
async function busy(options: WorldOptions = {}, reads = 16, writes = 16) {
  const world = new World({ ports: 2, ...options });
  await world.attachAll();
  const channel = world.device().openChannel();
  world.target.freeze();
  const busyReads = world.reads(channel, reads);
  const busyWrites = world.writes(channel, writes, 7);
  await world.idle();
  return { world, channel, reads: busyReads, writes: busyWrites };
}

/** When a controller leaves the live state. */
function lossOf(world: World, controller: Controller): { atMs: number; cause: string | undefined } {
  const loss = { atMs: Infinity, cause: undefined as string | undefined };
  controller.observe((event) => {
    if (event.type !== "state" || event.from !== "live" || loss.atMs !== Infinity) return;
    loss.atMs = world.clock.nowMs();
    loss.cause = event.reason?.code;
  });
  return loss;
}

test("F30: after a reset reads go on by the other path at once, and writes when they are fenced", async () => {
  const { world, reads, writes } = await busy();
  const startedMs = world.clock.nowMs();
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  await world.runUntil(() => reads.every(({ settled }) => settled.length > 0));
  expect(slowestMs(reads, startedMs)).toBe(0);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...reads, ...writes]);
  const times = writes.map(({ settled }) => settled[0]!.atMs - startedMs);
  // None before its time (I23), and none much later.
  expect(Math.min(...times)).toBeGreaterThanOrEqual(T_FENCE_MS);
  expect(Math.max(...times)).toBeLessThanOrEqual(T_FENCE_MS + 100);
  await expectCleanEnd(world);
});

test("F30: the same over one path, which comes back at once: reads at once, writes when fenced", async () => {
  const { world, reads, writes } = await busy({ ports: 1 });
  const startedMs = world.clock.nowMs();
  world.target.thaw();
  world.port.reset();
  await world.runUntil(() => reads.every(({ settled }) => settled.length > 0));
  expect(slowestMs(reads, startedMs)).toBe(0);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...reads, ...writes]);
  const times = writes.map(({ settled }) => settled[0]!.atMs - startedMs);
  expect(Math.min(...times)).toBeGreaterThanOrEqual(T_FENCE_MS);
  await expectCleanEnd(world);
});

test("F30: no write of unknown outcome reaches the namespace a second time before it is fenced", async () => {
  const { world, disk } = heldWorld({ ports: 2 });
  await world.attachAll();
  const channel = world.device().openChannel();
  disk.answers = "held";
  const writes = world.writes(channel, 4);
  await world.idle();
  expect(disk.seen).toHaveLength(4);
  const startedMs = world.clock.nowMs();
  world.port.refuse();
  world.port.reset();
  await world.pass(T_FENCE_MS - 1);
  expect(disk.seen).toHaveLength(4);
  await world.pass(1);
  expect(disk.seen).toHaveLength(8);
  disk.answerAll();
  await world.runUntil(() => world.unsettled === 0);
  expect(world.clock.nowMs() - startedMs).toBe(T_FENCE_MS);
  expectNoErrors(writes);
  await expectCleanEnd(world);
});

test("F30: writes that were never sent wait for nothing", async () => {
  const { world, channel, writes } = await busy({ controller: { queueEntries: 9 } }, 0, 8);
  const unsent = world.writes(channel, 8, 9);
  await world.idle();
  const startedMs = world.clock.nowMs();
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  await world.runUntil(() => unsent.every(({ settled }) => settled.length > 0));
  expectNoErrors(unsent);
  expect(slowestMs(unsent, startedMs)).toBe(0);
  expect(writes.every(({ settled }) => settled.length === 0)).toBe(true);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(writes);
  await expectCleanEnd(world);
});

test("F30: who does not want fencing has his writes moved at once", async () => {
  const { world, writes } = await busy({ group: { fencing: "none" } });
  const startedMs = world.clock.nowMs();
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(writes);
  expect(slowestMs(writes, startedMs)).toBe(0);
  await expectCleanEnd(world);
});

test("F30: without a keep-alive there is no fence by time, so writes fail and say that nobody knows", async () => {
  const { world, reads, writes } = await busy({ controller: { keepAliveTimeoutMs: 0 } });
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(new Set(outcomesOf(writes))).toEqual(new Set(["unknown"]));
  expect(codesOf(writes)).toEqual(["NVME_ERR_CONTROLLER_RESET"]);
  await expectCleanEnd(world);
});

test("F30: a flush, and a compare, are as harmless to repeat as a read", async () => {
  const { world, channel } = await busy({}, 0, 0);
  const flush = world.submit(channel, { op: BlockOp.Flush });
  const compare = world.submit(channel, { op: BlockOp.Compare });
  await world.idle();
  const startedMs = world.clock.nowMs();
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([flush, compare]);
  expect(slowestMs([flush, compare], startedMs)).toBe(0);
  await expectCleanEnd(world);
});

test("F31: a peer that closes its half is lost, within 100 ms", async () => {
  const { world, reads, writes } = await busy();
  const [path] = world.group.controllers;
  const loss = lossOf(world, path!.controller);
  const startedMs = world.clock.nowMs();
  world.port.refuse();
  world.port.fin();
  world.target.thaw();
  await world.runUntil(() => reads.every(({ settled }) => settled.length > 0));
  expect(loss.atMs - startedMs).toBeLessThanOrEqual(100);
  expect(slowestMs(reads, startedMs)).toBeLessThanOrEqual(100);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...reads, ...writes]);
  await expectCleanEnd(world);
});

test("F32: a path that falls silent while idle is noticed by the keep-alive", async () => {
  const world = new World({ ports: 2 });
  const [first] = await world.attachAll();
  await world.pass(12_345);
  const loss = lossOf(world, first!.controller);
  const startedMs = world.clock.nowMs();
  world.port.blackhole();
  await world.runUntil(() => loss.atMs !== Infinity);
  expect(loss.atMs - startedMs).toBeLessThanOrEqual(KATO_MS + KATO_MS / 2);
  expect(loss.cause).toBe("NVME_ERR_KEEP_ALIVE");
  await expectCleanEnd(world);
});

/** Requests under way when a path falls silent in some way; what they come to, and when. */
async function silenced(
  options: WorldOptions,
  silence: (world: World) => void,
): Promise<{ world: World; reads: Watched[]; writes: Watched[]; lostMs: number }> {
  const world = new World({ ports: 2, ...options });
  const [first] = await world.attachAll();
  await world.pass(7_000);
  const channel = world.device().openChannel();
  const loss = lossOf(world, first!.controller);
  const startedMs = world.clock.nowMs();
  silence(world);
  const reads = world.reads(channel, 16);
  const writes = world.writes(channel, 16, 7);
  await world.runUntil(() => loss.atMs !== Infinity);
  const lostMs = loss.atMs - startedMs;
  await world.runUntil(() => reads.every(({ settled }) => settled.length > 0));
  // The reads have not waited for anything but the loss itself.
  expect(slowestMs(reads, startedMs)).toBeLessThanOrEqual(lostMs);
  return { world, reads, writes, lostMs };
}

test.each([
  ["both ways", { toController: true, toHost: true }],
  ["towards the target", { toController: true, toHost: false }],
  ["towards the host", { toController: false, toHost: true }],
] as const)(
  "F33, F34, F35: a busy path that falls silent %s is noticed in KATO",
  async (_way, silence) => {
    const { world, reads, writes, lostMs } = await silenced({}, ({ port }) =>
      port.blackhole(silence),
    );
    expect(lostMs).toBeLessThanOrEqual(Math.min(KATO_MS, T_IO_MS));
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors([...reads, ...writes]);
    await expectCleanEnd(world);
  },
);

test("F33: or by the deadline of a command, where that is earlier", async () => {
  const controller = { ioTimeoutMs: 2_000 };
  const { world, lostMs } = await silenced({ controller }, ({ port }) => port.blackhole());
  expect(lostMs).toBe(2_000);
  await world.runUntil(() => world.unsettled === 0);
  await expectCleanEnd(world);
});

test("F34: a target that hears nothing any more frees its controller by its own keep-alive", async () => {
  const { world } = await silenced({}, ({ port }) => {
    port.refuse();
    port.climate = { toController: "silent" };
  });
  await world.pass(2 * KATO_MS + 1_000);
  expect(world.target.status.controllers).toBe(1);
  await world.runUntil(() => world.unsettled === 0);
  await expectCleanEnd(world);
  await world.pass(2 * KATO_MS + 1_000);
  expect(world.target.status).toMatchObject({ controllers: 0, connections: 0, backendRequests: 0 });
});

test("F35: commands whose answers are lost were carried out, so writes wait for the fence", async () => {
  // Over FC no write is carried out then: its data waits for an XFER_RDY, which is lost.
  const { world, writes, lostMs } = await silenced({ over: "tcp" }, ({ port }) =>
    port.blackhole({ toController: false, toHost: true }),
  );
  const startedMs = 7_000;
  const disk = world.disks[0]!.openChannel();
  const data = new Uint8Array(BLOCK_BYTES);
  disk.submit({ op: BlockOp.Read, lba: 3, blockCount: 1, data }, () => {});
  await world.idle();
  expect(data[0]).toBe(7);
  expect(writes.every(({ settled }) => settled.length === 0)).toBe(true);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(writes);
  expect(slowestMs(writes, startedMs)).toBeGreaterThanOrEqual(lostMs + T_FENCE_MS);
  disk.close();
  await expectCleanEnd(world);
});

test("F36: a target that acknowledges bytes and says nothing is lost by the keep-alive", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  await world.pass(7_000);
  const loss = lossOf(world, controller);
  const startedMs = world.clock.nowMs();
  world.target.freeze();
  const reads = world.reads(channel, 16);
  await world.runUntil(() => loss.atMs !== Infinity);
  expect(loss.atMs - startedMs).toBeLessThanOrEqual(KATO_MS);
  expect(loss.cause).toBe("NVME_ERR_KEEP_ALIVE");
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await expectCleanEnd(world);
});

test("F37: an I/O queue that is silent while keep-alives are answered is found by the deadline", async () => {
  const { world, reads, writes, lostMs } = await silenced({}, ({ port }) => {
    port.links[1]!.blackhole();
  });
  expect(lostMs).toBe(T_IO_MS);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...reads, ...writes]);
  await expectCleanEnd(world);
});

test("one dead path delays nobody on the other: with every policy, from the loss on", async () => {
  for (const policy of [
    { mode: "active-passive" },
    { mode: "active-active", selector: "round-robin" },
    { mode: "active-active", selector: "queue-depth" },
  ] as const) {
    const world = new World({ ports: 2, group: { policy } });
    await world.attachAll();
    const channel = world.device().openChannel();
    world.port.refuse();
    world.port.reset();
    await world.idle();
    const startedMs = world.clock.nowMs();
    const reads = world.reads(channel, 500);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(reads);
    expect(slowestMs(reads, startedMs)).toBe(0);
    await expectCleanEnd(world);
  }
});

test("one silent path delays only what it was given: the others go round a queue that is full", async () => {
  for (const selector of ["round-robin", "queue-depth"] as const) {
    const world = new World({
      ports: 2,
      group: { policy: { mode: "active-active", selector } },
      controller: { queueEntries: 17 },
    });
    await world.attachAll();
    const channel = world.device().openChannel();
    world.port.blackhole();
    const startedMs = world.clock.nowMs();
    const reads = world.reads(channel, 200);
    await world.idle();
    // 16 are stuck on the silent path until it is given up; nobody waits behind them.
    expect(world.unsettled).toBeLessThanOrEqual(16);
    expect(channel.inflight).toBe(world.unsettled);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(reads);
    expect(slowestMs(reads, startedMs)).toBeLessThanOrEqual(KATO_MS);
    await expectCleanEnd(world);
    expectNothingLeft(world);
  }
});
