// Peers and processes that stand still, trickle or stop in the middle: rows F38 to F45.
// Read first: reliability-anchors.md §3.3; DESIGN.md §4 ("read first, then judge").

import { BlockOp } from "@nvmeof/bdev";
import { expect, test } from "vitest";
import {
  codesOf,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  slowestMs,
} from "./expectations.ts";
import { BLOCK_BYTES, World } from "./world.ts";

const KATO_MS = 10_000;
const T_CONN_MS = 3_000;

test("F38: a peer that is suspended for 5 s is waited for: no reset, no error", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  // At every phase of the keep-alive.
  for (let phaseMs = 0; phaseMs <= KATO_MS; phaseMs += 1_000) {
    await world.pass(phaseMs);
    world.target.freeze();
    const requests = [...world.reads(channel, 32), ...world.writes(channel, 32)];
    const startedMs = world.clock.nowMs();
    // Just less than what is left of the keep-alive of a probe that went out right before.
    await world.pass(4_900);
    world.target.thaw();
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(requests);
    expect(slowestMs(requests, startedMs)).toBe(4_900);
  }
  expect(states).toEqual([]);
  await expectCleanEnd(world);
});

test("F39: after our own process stood still the sockets are read before anybody is judged", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  // A probe is out; its answer comes while nobody looks, and the deadline passes meanwhile.
  await world.pass(KATO_MS / 2);
  const reads = world.reads(channel, 32);
  world.stallHost(7_000);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(slowestMs(reads)).toBe(KATO_MS / 2 + 7_000);
  await world.pass(3 * KATO_MS);
  expect(states).toEqual([]);
  await expectCleanEnd(world);
});

test("F39: deadlines of commands that passed in a stall are judged after what has arrived", async () => {
  const world = new World({ controller: { ioTimeoutMs: 2_000 } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  const reads = world.reads(channel, 32);
  world.stallHost(4_000);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(states).toEqual([]);
  await expectCleanEnd(world);
});

test("F39: a peer that is really gone is not forgiven for our having stood still", async () => {
  const world = new World();
  const { controller } = await world.attach();
  world.port.blackhole();
  await world.pass(KATO_MS / 2);
  world.stallHost(7_000);
  const startedMs = world.clock.nowMs();
  await world.runUntil(() => controller.state !== "live");
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(100);
  await expectCleanEnd(world);
});

test("F40: after a suspend of the host one more probe is sent before the peer is given up", async () => {
  // A target that rounds KATO up to a minute, and so is still there.
  const world = new World({ target: { limits: { keepAliveGranularityMs: 60_000 } } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  await world.pass(1_000);
  world.stallHost(30_000);
  await world.pass(KATO_MS);
  expect(states).toEqual([]);
  const reads = world.reads(channel, 8);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await expectCleanEnd(world);
});

test("F41: bytes that trickle in do not extend a command's deadline", async () => {
  const world = new World({ controller: { ioTimeoutMs: 2_000 } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  world.port.links[1]!.climate = { toHost: { bytesPerSecond: 1 } };
  const read = world.submit(channel, { blockCount: 64 });
  await world.runUntil(() => states.length > 0);
  expect(world.clock.nowMs()).toBe(2_000);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([read]);
  await expectCleanEnd(world);
});

test("F41: nor do they keep the controller alive: its keep-alive is answered too late", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const startedMs = world.clock.nowMs();
  world.port.climate = { toHost: { bytesPerSecond: 1 } };
  await world.runUntil(() => controller.state !== "live");
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(KATO_MS);
  world.port.climate = { toHost: "clear" };
  await world.runUntil(() => controller.state === "live");
  await expectCleanEnd(world);
});

test("F42: a peer that is slow to initialise, or to answer Connect, fails the attempt in time", async () => {
  const world = new World();
  world.port.climate = { toHost: { bytesPerSecond: 10 } };
  await expect(world.attach()).rejects.toMatchObject({ code: "NVME_ERR_INITIALIZE_TIMEOUT" });
  expect(world.clock.nowMs()).toBeLessThanOrEqual(T_CONN_MS * 1.1);
  expectNothingLeft(world);

  const later = new World();
  later.port.onLink((link) =>
    link.toHost.cutAfter(128, () => (link.climate = { toHost: { bytesPerSecond: 1 } })),
  );
  await expect(later.attach()).rejects.toMatchObject({ code: "NVME_ERR_TIMEOUT" });
  expect(later.clock.nowMs()).toBeLessThanOrEqual(5_500);
  expectNothingLeft(later);
});

test("F43: a peer that stops reading gets no more than its queue holds, and is lost in time", async () => {
  const world = new World({ ports: 2, controller: { ioTimeoutMs: 5_000, queueEntries: 33 } });
  const [first] = await world.attachAll();
  const channel = world.device().openChannel();
  const [queue] = first!.controller.ioQueues;
  world.port.stopReading();
  const startedMs = world.clock.nowMs();
  // 64 MiB, of which nobody takes any.
  const writes = Array.from({ length: 64 }, () =>
    world.submit(channel, { op: BlockOp.Write, lba: 0, blockCount: 2_048 }),
  );
  await world.idle();
  expect(queue!.inflight).toBe(32);
  expect(channel.inflight).toBe(64);
  await world.runUntil(() => first!.controller.state !== "live");
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(5_000);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(writes);
  await expectCleanEnd(world);
});

/** A header, and some of what follows it. */
const PARTS = [1, 7, 8, 23, 24, 100, 511, 535];

test.each(PARTS)(
  "F44: %i bytes of an answer and then nothing: the command's deadline ends it",
  async (bytes) => {
    const world = new World({ controller: { ioTimeoutMs: 2_000 } });
    const { controller } = await world.attach();
    const channel = world.device().openChannel();
    world.port.links[1]!.toHost.cutAfter(bytes, () => {});
    const read = world.submit(channel, { lba: 1 });
    const states: string[] = [];
    controller.observe((event) => event.type === "state" && states.push(event.to));
    await world.runUntil(() => states.length > 0);
    expect(world.clock.nowMs()).toBe(2_000);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors([read]);
    await expectCleanEnd(world);
  },
);

test("F44: half a command and then nothing: the target drops the connection by its own deadline", async () => {
  // A frame of FC is there or is lost: there is no half.
  const world = new World({ over: "tcp" });
  await world.attach();
  const channel = world.device().openChannel();
  world.port.links[1]!.toController!.cutAfter(60, () => {});
  const startedMs = world.clock.nowMs();
  const read = world.submit(channel, { lba: 1 });
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([read]);
  expect(slowestMs([read], startedMs)).toBeLessThanOrEqual(10_100);
  await expectCleanEnd(world);
});

test.each(PARTS)(
  "F45: %i bytes of an answer and then the end: no partial data is success",
  async (bytes) => {
    const world = new World();
    const { controller } = await world.attach();
    const channel = world.device().openChannel();
    const fill = world.writes(channel, 4, 0xab);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(fill);
    const [, link] = world.port.links;
    link!.toHost.cutAfter(bytes, () => {
      world.port.refuse();
      world.port.fin();
      link!.toHost.weather = "clear";
      link!.fin();
    });
    const read = world.submit(channel, { lba: 1 });
    await world.pass(100);
    expect(controller.state).not.toBe("live");
    expect(read.settled).toEqual([]);
    world.port.heal();
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors([read]);
    expect(read.request.data).toEqual(new Uint8Array(BLOCK_BYTES).fill(0xab));
    await expectCleanEnd(world);
  },
);

test("F45: where nobody comes back the read fails, and is no success of some bytes", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  const [, link] = world.port.links;
  link!.toHost.cutAfter(300, () => {
    world.port.refuse();
    world.port.reset();
  });
  const read = world.submit(channel, { lba: 1 });
  await world.runUntil(() => world.unsettled === 0);
  expectSettledOnce([read]);
  expect(codesOf([read])).toEqual(["NVME_ERR_NO_PATH"]);
  await expectCleanEnd(world);
});

test("all bytes in pieces of every small size: nothing changes but the time it takes", async () => {
  for (const bytes of [1, 2, 3, 7, 8, 13, 127, 129]) {
    const world = new World();
    world.port.rechunk(bytes);
    await world.attach();
    const channel = world.device().openChannel();
    const writes = world.writes(channel, 4, bytes);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(writes);
    expect(await world.readBack(channel, 3)).toBe(bytes);
    await expectCleanEnd(world);
  }
});
