// Writes of unknown outcome, and Cross-Controller Reset: the host's side of every error case.
// Read first: linux-nvme-recovery.md §2.6, §2.8; packages/bdev/src/nvme/fences.ts; world.ts.

import { BlockOp } from "@nvmeof/bdev";
import type { FenceReport, GroupEvent } from "@nvmeof/bdev/nvme";
import { AnaState } from "@nvmeof/codec";
import { seededRandom } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  CLOSE_BOUND_MS,
  expectAttachable,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  outcomesOf,
} from "./expectations.ts";
import { heldWorld } from "./held-disk.ts";
import { type Watched, type World, type WorldOptions } from "./world.ts";

/** KATO of these worlds; a busy controller notices the loss of its host within three. */
const KATO_MS = 2_000;
const FENCE_MS = 3 * KATO_MS;

interface Options extends WorldOptions {
  /** Blocks that are being written when the path is lost. */
  readonly writes?: number;
}

/** Two paths, writes that the disk has done and not answered, and nothing lost yet. */
async function begun({ writes = 4, ...options }: Options = {}) {
  const held = heldWorld({
    ports: 2,
    ...options,
    target: { random: seededRandom(1), ...options.target },
    controller: { keepAliveTimeoutMs: KATO_MS, ...options.controller },
  });
  const { world, disk } = held;
  const reports: FenceReport[] = [];
  world.group.observe((event: GroupEvent) => {
    if (event.type === "fence-over") reports.push(event);
  });
  const paths = await world.attachAll();
  const channel = world.device().openChannel();
  disk.answers = "held";
  const requests = world.writes(channel, writes, 7);
  await world.runUntil(() => disk.seen.length === writes);
  return { ...held, channel, paths, reports, requests };
}

const settled = (requests: readonly Watched[]) => () =>
  requests.every((each) => each.settled.length > 0);

/** The path by `port` is lost: seen by both ends. */
const lostOf = (world: World, port: number): void => world.ports[port]!.reset();

test("F62: a write goes on by the other path once the lost controller was reset and its disk is quiet", async () => {
  const { world, disk, reports, requests } = await begun();
  lostOf(world, 0);
  await world.pass(1_000);
  // The disk may still do what it was asked: nothing goes out before it has answered.
  expect(disk.seen.length).toBe(4);
  disk.answerAll();
  const sinceMs = world.clock.nowMs();
  await world.runUntil(settled(requests));
  expect(world.clock.nowMs() - sinceMs).toBeLessThan(100);
  expectNoErrors(requests);
  expect(reports).toMatchObject([{ held: 4, releasedBy: "ccr" }]);
  await expectCleanEnd(world);
});

test("a write that the lost controller has done already goes on as soon as another one says so", async () => {
  const { world, disk, reports, requests } = await begun();
  // Done and answered, but the answers are lost with the path.
  world.ports[0]!.climate = { toHost: "silent" };
  disk.answerAll();
  await world.pass(1);
  const sinceMs = world.clock.nowMs();
  lostOf(world, 0);
  world.ports[0]!.climate = { toHost: "clear" };
  await world.runUntil(settled(requests));
  expect(world.clock.nowMs() - sinceMs).toBeLessThan(100);
  expectNoErrors(requests);
  expect(reports).toMatchObject([{ held: 4, releasedBy: "immediate" }]);
  await expectCleanEnd(world);
});

test("reads of unknown outcome do not wait for any fence", async () => {
  const { world, channel, disk } = await begun({ writes: 1 });
  const reads = world.reads(channel, 3);
  await world.runUntil(() => disk.seen.length === 4);
  lostOf(world, 0);
  await world.pass(50);
  // The write is held, the reads are at the disk again.
  expect(disk.seen.slice(4).map(({ op }) => op)).toEqual([
    BlockOp.Read,
    BlockOp.Read,
    BlockOp.Read,
  ]);
  disk.answerAll();
  await world.runUntil(settled(reads));
  expectNoErrors(reads);
  await world.runUntil(settled(world.requests));
  await expectCleanEnd(world);
});

test("R19: the source is lost while it is waited for: time ends the fence, from the first loss on", async () => {
  const { world, disk, reports, requests } = await begun({
    group: { retry: { elapsedMaxMs: 60_000 } },
    controller: { reconnect: { delayMs: 60_000, delayMaxMs: 60_000, fastFailMs: 0, lossMs: -1 } },
  });
  const lostMs = world.clock.nowMs();
  for (const port of world.ports) port.refuse();
  lostOf(world, 0);
  await world.pass(500);
  lostOf(world, 1);
  await world.runUntil(() => reports.length === 1);
  expect(world.clock.nowMs() - lostMs).toBe(FENCE_MS);
  expect(reports).toMatchObject([{ held: 4, releasedBy: "time" }]);
  for (const port of world.ports) port.heal();
  disk.answerAll();
  for (const { controller } of world.group.controllers) controller.reset(() => {});
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  await expectCleanEnd(world);
});

test("R18: the event is lost: the log is read when the wait is over, and has the answer", async () => {
  const { world, disk, reports, requests } = await begun();
  lostOf(world, 0);
  await world.pass(200);
  // The source goes on living; only its answers of this moment are lost, the event among them.
  const link = world.ports[1]!.links[0]!;
  link.climate = { toHost: "silent" };
  disk.answerAll();
  await world.pass(1);
  link.climate = { toHost: "clear" };
  await world.runUntil(() => reports.length === 1);
  expect(reports).toMatchObject([{ releasedBy: "ccr", heldMs: KATO_MS }]);
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  await expectCleanEnd(world);
});

test("F63: a disk that never comes to rest: the fence ends by time, as if there were no reset", async () => {
  const { world, disk, reports, requests } = await begun({
    target: { limits: { crossControllerResetTimeoutMs: 60_000 } },
  });
  const lostMs = world.clock.nowMs();
  lostOf(world, 0);
  await world.runUntil(() => reports.length === 1);
  expect(world.clock.nowMs() - lostMs).toBe(FENCE_MS);
  expect(reports).toMatchObject([{ releasedBy: "time" }]);
  await world.runUntil(() => disk.seen.length === 8);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  await expectCleanEnd(world);
});

test("F62: CCRL of 0 means that no controller can be asked: time ends the fence", async () => {
  const { world, disk, reports, requests } = await begun({
    target: { limits: { crossControllerResetsMax: 0 } },
  });
  lostOf(world, 0);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(reports).toMatchObject([{ releasedBy: "time" }]);
  await expectCleanEnd(world);
});

test("more losses at once than CCRL: those that find no room ask again when there is some", async () => {
  const { world, disk, reports, requests } = await begun({
    ports: 4,
    writes: 3,
    group: { policy: { mode: "active-active", selector: "round-robin", minRequests: 1 } },
    target: { limits: { crossControllerResetsMax: 1 } },
  });
  for (const port of [0, 1, 2]) lostOf(world, port);
  for (const port of [0, 1, 2]) world.ports[port]!.refuse();
  await world.pass(100);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(reports.map(({ releasedBy }) => releasedBy).includes("time")).toBe(false);
  await expectCleanEnd(world);
});

test("all paths are lost at the same moment: one that comes back resets the others", async () => {
  const { world, disk, reports, requests } = await begun();
  const lostMs = world.clock.nowMs();
  disk.answerAll();
  for (const at of [0, 1]) lostOf(world, at);
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(world.clock.nowMs() - lostMs).toBeLessThan(FENCE_MS);
  expect(reports.every(({ releasedBy }) => releasedBy !== "time")).toBe(true);
  await expectCleanEnd(world);
});

test("the only path comes back: its new controller resets the one that was lost", async () => {
  const { world, disk, reports, requests } = await begun({ ports: 1 });
  const lostMs = world.clock.nowMs();
  lostOf(world, 0);
  await world.pass(500);
  expect(disk.seen.length).toBe(4);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(world.clock.nowMs() - lostMs).toBeLessThan(600);
  expect(reports).toMatchObject([{ held: 4, releasedBy: "ccr" }]);
  await expectCleanEnd(world);
});

test("R10: a reset that somebody asks for is fenced too, and ends the hold with its proof", async () => {
  const { world, disk, paths, reports, requests } = await begun();
  const [{ controller }] = paths as [(typeof paths)[0]];
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  const asked = world.asked((done) => controller.reset(done));
  await world.pass(200);
  expect([controller.state, asked.errors]).toEqual(["fencing", []]);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  await world.runUntil(() => asked.errors.length > 0);
  expect(asked.errors).toEqual([undefined]);
  expect(states).toEqual(["fencing", "recovering", "live"]);
  expect(reports).toMatchObject([{ held: 4, releasedBy: "ccr" }]);
  await expectCleanEnd(world);
});

test("R20: while a source is waited for it does its work: events, logs, commands of others", async () => {
  const { world, channel, disk, paths, requests } = await begun();
  lostOf(world, 0);
  world.ports[0]!.refuse();
  await world.pass(100);
  const source = paths[1]!;
  const device = world.device();
  world.subsystem.setAnaState({ group: 1, state: AnaState.NonOptimized, portId: 2 });
  await world.pass(100);
  expect(device.paths.find((path) => path.controllerPath === source)!.anaState).toBe(
    AnaState.NonOptimized,
  );
  const reads = world.reads(channel, 2);
  await world.pass(100);
  // They have come to the disk, which holds its answers.
  expect(disk.seen.length).toBe(6);
  disk.answerAll();
  await world.runUntil(settled([...requests, ...reads]));
  expectNoErrors([...requests, ...reads]);
  world.ports[0]!.heal();
  await expectCleanEnd(world);
});

test("F63: all paths are lost and stay lost: every fence ends by time, and everything is settled", async () => {
  const { world, disk, reports, requests } = await begun({
    ports: 3,
    writes: 6,
    group: { policy: { mode: "active-active", selector: "round-robin", minRequests: 1 } },
    controller: { reconnect: { delayMs: 500, fastFailMs: 20_000, lossMs: 600_000 } },
  });
  for (const port of world.ports) port.blackhole();
  for (const { controller } of world.group.controllers) controller.reset(() => {});
  await world.runUntil(settled(requests));
  expectSettledOnce(requests);
  expect(reports.map(({ releasedBy }) => releasedBy)).toEqual(["time", "time", "time"]);
  expect(new Set(outcomesOf(requests))).toEqual(new Set(["unknown"]));
  disk.answerAll();
  await expectCleanEnd(world);
});

test("without keep-alive nothing ends by time: a reset opens the fence", async () => {
  const { world, disk, reports, requests } = await begun({ controller: { keepAliveTimeoutMs: 0 } });
  lostOf(world, 0);
  await world.pass(30_000 - 1_000);
  expect(requests.every((each) => each.settled.length === 0)).toBe(true);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(reports).toMatchObject([{ releasedBy: "ccr" }]);
  await expectCleanEnd(world);
});

test("without keep-alive and without another controller the outcome stays unknown", async () => {
  const { world, disk, requests } = await begun({
    ports: 1,
    controller: { keepAliveTimeoutMs: 0 },
  });
  lostOf(world, 0);
  await world.runUntil(settled(requests));
  expect(new Set(outcomesOf(requests))).toEqual(new Set(["unknown"]));
  disk.answerAll();
  await expectCleanEnd(world);
});

test("without keep-alive, and the reset fails: given up, the outcome unknown", async () => {
  const { world, disk, reports, requests } = await begun({
    controller: { keepAliveTimeoutMs: 0 },
    target: { limits: { crossControllerResetTimeoutMs: 1_000 } },
    group: { fenceLimits: { resetMaxMs: 5_000 } },
  });
  world.ports[0]!.refuse();
  lostOf(world, 0);
  await world.runUntil(settled(requests));
  expect(new Set(outcomesOf(requests))).toEqual(new Set(["unknown"]));
  expect(reports).toMatchObject([{ releasedBy: undefined, held: 4 }]);
  disk.answerAll();
  await expectCleanEnd(world);
});

test("CQT of 0 and a user who does not want to wait: retried when no reset was possible", async () => {
  const { world, disk, reports, requests } = await begun({
    target: { limits: { crossControllerResetsMax: 0 } },
    group: { fenceLimits: { withoutQuiesceTime: "retry" } },
  });
  const lostMs = world.clock.nowMs();
  lostOf(world, 0);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(world.clock.nowMs() - lostMs).toBeLessThan(1_000);
  expect(reports).toMatchObject([{ releasedBy: "accepted" }]);
  await expectCleanEnd(world);
});

test("CQT is waited for on top of the keep-alive", async () => {
  const { world, disk, reports, requests } = await begun({
    target: { limits: { crossControllerResetsMax: 0, commandQuiesceTimeMs: 1_500 } },
  });
  const lostMs = world.clock.nowMs();
  lostOf(world, 0);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expect(reports).toMatchObject([{ releasedBy: "time", heldMs: FENCE_MS + 1_500 }]);
  expect(world.clock.nowMs() - lostMs).toBeLessThan(FENCE_MS + 1_600);
  await expectCleanEnd(world);
});

test("a fence longer than anybody wants to wait: only a reset opens it, else the outcome is unknown", async () => {
  const { world, disk, requests } = await begun({
    group: { fencing: "timed", fenceLimits: { heldMaxMs: FENCE_MS - 1 } },
  });
  const lostMs = world.clock.nowMs();
  lostOf(world, 0);
  await world.runUntil(settled(requests));
  expect(world.clock.nowMs() - lostMs).toBeLessThan(1_000);
  expect(new Set(outcomesOf(requests))).toEqual(new Set(["unknown"]));
  disk.answerAll();
  await expectCleanEnd(world);
});

test("F67: closing everything while writes are held ends them, within the bound, and leaves no timer", async () => {
  const { world, disk, requests } = await begun();
  lostOf(world, 0);
  await world.pass(100);
  const sinceMs = world.clock.nowMs();
  await world.close();
  expect(world.clock.nowMs() - sinceMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expectNothingLeft(world);
  expect(new Set(outcomesOf(requests))).toEqual(new Set(["unknown"]));
  disk.answerAll();
  await expectAttachable(world);
});

test("the lost controller is taken away while its writes are held: they still wait for their fence", async () => {
  const { world, disk, paths, reports, requests } = await begun();
  lostOf(world, 0);
  world.ports[0]!.refuse();
  await world.pass(100);
  await world.run(world.group.detach(paths[0]!));
  await world.pass(500);
  expect(disk.seen.length).toBe(4);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(reports).toMatchObject([{ releasedBy: "ccr" }]);
  world.ports[0]!.heal();
  await expectCleanEnd(world);
});

test("a held write that its caller aborts settles at once, and nobody waits for the fence any more", async () => {
  const { world, channel, disk, requests, reports } = await begun({ writes: 1 });
  lostOf(world, 0);
  await world.pass(100);
  world.device();
  for (const each of world.device().channels) each.abort(requests[0]!.request);
  await world.idle();
  expectSettledOnce(requests);
  expect(outcomesOf(requests)).toEqual(["unknown"]);
  expect(reports).toMatchObject([{ held: 1, releasedBy: undefined }]);
  disk.answerAll();
  channel.close();
  await expectCleanEnd(world);
});

test("what is lost again behind the fence is fenced again", async () => {
  const { world, disk, reports, requests } = await begun({ ports: 3, writes: 1 });
  lostOf(world, 0);
  world.ports[0]!.refuse();
  await world.pass(100);
  disk.answerAll();
  disk.answers = "held";
  await world.runUntil(() => disk.seen.length === 2);
  lostOf(world, 1);
  world.ports[1]!.refuse();
  await world.pass(1_000);
  expect(disk.seen.length).toBe(2);
  disk.answerAll();
  await world.runUntil(settled(requests));
  expectNoErrors(requests);
  expect(reports.length).toBe(2);
  await expectCleanEnd(world);
});
