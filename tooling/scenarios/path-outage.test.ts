// Outages that last: rows F54 to F57, and what the driver owes to those who wait.
// Read first: reliability-anchors.md §3.3; @nvmeof/core reconnect.ts for T_fast and T_loss.

import { Status, codeOf } from "@nvmeof/codec";
import { Controller, type ControllerEvent } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  codesOf,
  expectAttachable,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  outcomesOf,
  slowestMs,
} from "./expectations.ts";
import { BLOCK_BYTES, World } from "./world.ts";

const T_FAST_MS = 10_000;
const T_LOSS_MS = 60_000;
const T_REC_MAX_MS = 12_000;
const HOSTS = 400;

test("F54: queued requests fail after T_fast with NO_PATH, and the controller ends after T_loss", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const device = world.device();
  const channel = device.openChannel();
  const events: ControllerEvent[] = [];
  controller.observe((event) => events.push(event));
  const removed: string[] = [];
  device.observe((event) => event.type === "removed" && removed.push(event.reason));
  world.port.refuse();
  world.port.reset();
  const startedMs = world.clock.nowMs();
  const reads = world.reads(channel, 64);
  const writes = world.writes(channel, 64);
  await world.runUntil(() => world.unsettled === 0);
  expect(slowestMs([...reads, ...writes], startedMs)).toBe(T_FAST_MS);
  expect(codesOf([...reads, ...writes])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(new Set(outcomesOf(reads))).toEqual(new Set(["not-sent"]));
  // From then on requests fail at once.
  const late = world.submit(channel);
  await world.idle();
  expect(codesOf([late])).toEqual(["NVME_ERR_NO_PATH"]);
  await world.runUntil(() => controller.state === "closed");
  expect(world.clock.nowMs() - startedMs).toBeGreaterThanOrEqual(T_LOSS_MS);
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(T_LOSS_MS + T_REC_MAX_MS);
  const closing = events.find((event) => event.type === "closing");
  expect(closing).toMatchObject({ reason: { code: "NVME_ERR_TIMEOUT" } });
  expect(removed).toHaveLength(1);
  expectNothingLeft(world);
  await expectAttachable(world);
});

test("F54: writes that wait for their fence fail with all others, and say that nobody knows", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  world.target.freeze();
  const writes = world.writes(channel, 8);
  const reads = world.reads(channel, 8);
  await world.idle();
  world.port.refuse();
  world.port.reset();
  const startedMs = world.clock.nowMs();
  await world.runUntil(() => world.unsettled === 0);
  // Before the fence of 30 s: there is nobody that they could be sent to.
  expect(slowestMs([...reads, ...writes], startedMs)).toBe(T_FAST_MS);
  expect(new Set(outcomesOf(writes))).toEqual(new Set(["unknown"]));
  await expectCleanEnd(world);
});

test("F54: an outage that ends in time costs nobody an error, and the next one counts anew", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  for (let outage = 0; outage < 3; outage++) {
    world.port.refuse();
    world.port.reset();
    const reads = world.reads(channel, 32);
    await world.pass(T_FAST_MS - 1_000);
    expect(world.unsettled).toBe(32);
    world.port.heal();
    controller.reset(() => {});
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(reads);
    await world.pass(30_000);
  }
  await expectCleanEnd(world);
});

test("F54, F107: what waits is bounded: beyond the limit of a channel requests are refused at once", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  world.port.refuse();
  world.port.reset();
  const reads = world.reads(channel, 3_000);
  await world.idle();
  expect(channel.inflight).toBe(1_024);
  expect(world.unsettled).toBe(1_024);
  expect(codesOf(reads.slice(1_024))).toEqual(["NVME_ERR_QUEUE_FULL"]);
  world.port.heal();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads.slice(0, 1_024));
  await expectCleanEnd(world);
});

test("F55: hundreds of hosts come back without a storm, each no sooner than its delay", async () => {
  const limits = { connectionsMax: 2_000, connectionsPerAddressMax: 2_000, controllersMax: 2_000 };
  const world = new World({ target: { limits } });
  const controllers = Array.from({ length: HOSTS }, (_, at) => {
    const hostId = `6d1f9c1e-0b5a-4f5e-9c39-${at.toString(16).padStart(12, "0")}`;
    const hostNqn = `nqn.2014-08.org.nvmexpress:uuid:${hostId}`;
    return new Controller({ ...world.controllerOptions(), hostId, hostNqn, ioQueues: 0 });
  });
  for (const controller of controllers) controller.start(() => {});
  const allLive = () => controllers.every(({ state }) => state === "live");
  expect(world.clock.runUntil(allLive)).toBe(true);
  const starts = controllers.map((controller) => {
    const times: number[] = [];
    controller.observe((event) => {
      if (event.type === "state" && event.to === "recovering") times.push(world.clock.nowMs());
    });
    return times;
  });
  world.port.refuse();
  world.port.reset();
  world.clock.advance(8_000);
  const second = starts.map(([, atMs]) => atMs!);
  // The first attempt is at once; the second after 2 s, give or take a fifth.
  expect(Math.min(...second)).toBeGreaterThanOrEqual(2_000 * 0.8);
  expect(Math.max(...second)).toBeLessThanOrEqual(2_000 * 1.2);
  // Of 800 different ms, chance alone would hit some 315.
  expect(new Set(second).size).toBeGreaterThan(280);
  for (const times of starts) {
    for (let i = 2; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThan(1_600);
  }
  world.port.heal();
  expect(world.clock.runUntil(allLive)).toBe(true);
  const closed: unknown[] = [];
  for (const controller of controllers) controller.close({}, (report) => closed.push(report));
  expect(world.clock.runUntil(() => closed.length === HOSTS)).toBe(true);
  expect(world.port.connections).toBe(0);
  expect(world.hostClock.armed).toBe(0);
}, 30_000);

test("F55: a target that came back with less room says Busy, and each gets in when there is some", async () => {
  const world = new World();
  const controllers = Array.from({ length: 30 }, () => {
    return new Controller({ ...world.controllerOptions(), ioQueues: 0, reconnect: { lossMs: -1 } });
  });
  const busy = new Set<Controller>();
  for (const controller of controllers) {
    controller.observe((event) => {
      const status = event.type === "state" ? event.reason?.status : undefined;
      if (codeOf(status ?? 0) === Status.ConnectControllerBusy) busy.add(controller);
    });
    controller.start(() => {});
  }
  const live = () => controllers.filter(({ state }) => state === "live");
  await world.runUntil(() => live().length === 30);
  world.restartTarget([], { limits: { controllersMax: 20, controllersPerHostMax: 20 } });
  await world.pass(60_000);
  expect(live()).toHaveLength(20);
  expect(busy.size).toBe(10);
  const startedMs = world.clock.nowMs();
  for (const controller of live().slice(0, 10)) controller.close({}, () => {});
  await world.runUntil(() => [...busy].every(({ state }) => state === "live"));
  // The longest wait and its jitter.
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(12_000);
  for (const controller of controllers) controller.close({}, () => {});
  await world.runUntil(() => controllers.every(({ state }) => state === "closed"));
  expect(world.hostClock.armed).toBe(0);
});

test("F56: a peer that accepts and then resets, later each time: no leak, and the waits grow", async () => {
  const world = new World({ controller: { reconnect: { lossMs: -1, jitter: 0 } } });
  const { controller } = await world.attach();
  const base = world.hostClock.armed;
  const waits: number[] = [];
  controller.observe((event) => event.type === "retry" && waits.push(event.delayMs));
  const resetAfter = (answers: number) =>
    world.port.afterAnswers(answers, () => world.port.reset());
  resetAfter(0);
  world.port.reset();
  for (let answers = 1; answers <= 12; answers++) {
    const attempts = waits.length;
    await world.runUntil(() => waits.length > attempts);
    expect(world.port.connections).toBe(0);
    // Nothing but the timer of the delay, and those of an outage that was told to last.
    expect(world.hostClock.armed).toBeLessThanOrEqual(2);
    resetAfter(answers);
  }
  // TCP worked each time, and more of the protocol each time: that is no success.
  expect(waits.slice(0, 5)).toEqual([2_000, 4_000, 8_000, 10_000, 10_000]);
  world.port.heal();
  await world.runUntil(() => controller.state === "live");
  await world.pass(100);
  expect(world.hostClock.armed).toBeLessThanOrEqual(base);
  await expectCleanEnd(world);
});

test("F56: a controller that is lost again right after it came back does not begin from the start", async () => {
  const world = new World({ controller: { reconnect: { lossMs: -1, jitter: 0 } } });
  const { controller } = await world.attach();
  await world.pass(20_000);
  const live: number[] = [];
  controller.observe((event) => {
    if (event.type !== "state" || event.to !== "live") return;
    live.push(world.clock.nowMs());
    // Lost 1 s after each return.
    world.clock.at(world.clock.nowMs() + 1_000, () => live.length < 6 && world.port.reset());
  });
  world.port.reset();
  await world.runUntil(() => live.length === 6);
  const pauses = live.slice(1).map((atMs, at) => atMs - live[at]! - 1_000);
  expect(pauses).toEqual([2_000, 4_000, 8_000, 10_000, 10_000].slice(0, pauses.length));
  await expectCleanEnd(world);
});

test("F57: paths are taken away one by one while requests wait: only the last one ends them", async () => {
  const world = new World({ ports: 3 });
  const paths = await world.attachAll();
  const device = world.device();
  const channel = device.openChannel();
  const removed: string[] = [];
  device.observe((event) => removed.push(event.type));
  for (const port of world.ports) {
    port.refuse();
    port.reset();
  }
  const requests = [...world.reads(channel, 32), ...world.writes(channel, 32)];
  await world.idle();
  await world.run(world.group.detach(paths[0]!));
  await world.run(world.group.detach(paths[1]!));
  expect(world.unsettled).toBe(64);
  expect(removed).toEqual([]);
  // The last path may still come back, until T_fast.
  await world.runUntil(() => world.unsettled === 0);
  expect(world.clock.nowMs()).toBe(T_FAST_MS);
  expect(codesOf(requests)).toEqual(["NVME_ERR_NO_PATH"]);
  await world.run(world.group.detach(paths[2]!));
  expect(removed).toEqual(["removed"]);
  expectNothingLeft(world);
  await expectAttachable(world);
});

test("F57: the last path is taken away before T_fast: what waits ends with it, for good", async () => {
  const world = new World({ ports: 2 });
  const [first, second] = await world.attachAll();
  const channel = world.device().openChannel();
  for (const port of world.ports) {
    port.refuse();
    port.reset();
  }
  const requests = world.reads(channel, 32);
  await world.pass(1_000);
  await world.run(world.group.detach(first!));
  expect(world.unsettled).toBe(32);
  await world.run(world.group.detach(second!));
  expectSettledOnce(requests);
  expect(requests.every(({ settled }) => (settled[0]!.error!.status! & 0x4000) !== 0)).toBe(true);
  expectNothingLeft(world);
});

test("a detach moves what is in flight to the other path, without an error, also of a silent peer", async () => {
  const world = new World({ ports: 2, namespaces: [64, 64] });
  const [first] = await world.attachAll();
  // Namespace 2 has one path only: that of the controller that goes.
  world.subsystem.setAnaState({ group: 2, state: 1 });
  const channel = world.device(1).openChannel();
  const writes = world.writes(channel, 8);
  const reads = world.reads(channel, 8);
  world.port.blackhole();
  await world.idle();
  const startedMs = world.clock.nowMs();
  const report = await world.run(world.group.detach(first!));
  expect(report.totalMs).toBeLessThanOrEqual(2_000);
  await world.runUntil(() => reads.every(({ settled }) => settled.length > 0));
  expect(slowestMs(reads, startedMs)).toBeLessThanOrEqual(2_000);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...reads, ...writes]);
  await expectCleanEnd(world);
});

test("a detach ends for good only what has no other path: namespaces differ in that", async () => {
  const world = new World({ ports: 2, namespaces: [64] });
  const [first] = await world.attachAll();
  // A namespace of the first controller only: the second one hears of it too late to matter.
  const shared = world.device(1).openChannel();
  world.port.links[0]!.climate = { toHost: "clear" };
  world.ports[1]!.links[0]!.climate = { toHost: "held" };
  const disk = world.disks[0]!;
  world.subsystem.addNamespace({
    device: disk,
    nsid: 9,
    uuid: "0e4a1c9c-98a3-4a0f-8c9e-0f6f6b7e1d22",
  });
  await world.idle();
  expect(world.device(9).paths).toHaveLength(1);
  const own = world.device(9).openChannel();
  world.target.freeze();
  const requests = [world.submit(shared), world.submit(own)];
  await world.idle();
  world.port.blackhole();
  await world.run(world.group.detach(first!));
  world.ports[1]!.heal();
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([requests[0]!]);
  expect(codesOf([requests[1]!])).toEqual(["NVME_ERR_CONTROLLER_CLOSED"]);
  expect(requests[1]!.settled[0]!.error!.status! & 0x4000).toBe(0x4000);
  await expectCleanEnd(world);
});

test("no channel keeps the room of a queue from another one, however busy it is", async () => {
  const world = new World({ controller: { queueEntries: 9 } });
  await world.attach();
  const device = world.device();
  const busy = device.openChannel();
  const quiet = device.openChannel();
  let settled = 0;
  const again = () => {
    settled++;
    if (settled < 5_000) busy.submit(request(), again);
  };
  const request = () =>
    ({ op: 0, lba: 0, blockCount: 1, data: new Uint8Array(BLOCK_BYTES) }) as const;
  for (let i = 0; i < 64; i++) busy.submit(request(), again);
  let before = 0;
  quiet.submit(request(), () => (before = settled));
  await world.runUntil(() => before > 0 || settled >= 5_000);
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(64);
  await world.runUntil(() => settled >= 5_000);
  await world.idle();
  await expectCleanEnd(world);
});

test("a callback that throws harms no other request, and is reported once", async () => {
  const world = new World({ controller: { queueEntries: 5 } });
  await world.attach();
  const channel = world.device().openChannel();
  const boom = new Error("a bug of the caller");
  const request = { op: 0, lba: 0, blockCount: 1, data: new Uint8Array(BLOCK_BYTES) } as const;
  channel.submit(request, () => {
    throw boom;
  });
  const reads = world.reads(channel, 64);
  await expect(world.runUntil(() => world.unsettled === 0)).rejects.toBe(boom);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await expectCleanEnd(world);
});
