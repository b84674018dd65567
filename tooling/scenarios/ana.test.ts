// Asymmetric access: rows F58 to F61 of the fault matrix, over one path and over two.
// Read first: reliability-anchors.md §3.4; Base 2.0 §8.1 "Asymmetric Namespace Access Reporting".

import { memoryDevice } from "@nvmeof/bdev";
import { Rank } from "@nvmeof/bdev/nvme";
import { AnaGroupDescriptor, AnaLogHeader, AnaState, PduType } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { codesOf, expectCleanEnd, expectNoErrors, slowestMs } from "./expectations.ts";
import { Wire } from "./parity-support.ts";
import { World, type WorldOptions } from "./world.ts";

const ANATT_MS = 10_000;
const T_FAST_MS = 10_000;

const set = (world: World, state: AnaState, portId?: number): void =>
  world.subsystem.setAnaState({ group: 1, state, portId });

/** Lets the event of a change arrive: requests for events are armed anew after some ms only. */
const seen = (world: World): Promise<void> => world.pass(20);

/** Reads and writes all the time, `depth` at once; each that settles is followed by another one. */
function load(world: World, depth = 32) {
  const channel = world.device().openChannel();
  const errors: string[] = [];
  const run = { phase: "on" as "on" | "off", settled: 0, inflight: 0, errors, channel };
  const next = (lba: number): void => {
    if (run.phase === "off") return;
    run.inflight++;
    // One turn of the network each, or it would all be one moment.
    world.clock.at(world.clock.nowMs() + 1, () =>
      channel.submit(
        { op: lba % 2 === 0 ? 0 : 1, lba, blockCount: 1, data: new Uint8Array(512) },
        (error) => {
          run.inflight--;
          run.settled++;
          if (error !== undefined) errors.push(error.message);
          next(lba);
        },
      ),
    );
  };
  for (let lba = 0; lba < depth; lba++) next(lba);
  return run;
}

test("F58: a path that becomes inaccessible under load costs nobody an error, and is not used", async () => {
  const world = new World({ ports: 2 });
  const [first, second] = await world.attachAll();
  const run = load(world);
  await world.pass(100);
  expect(first!.namespaces.get(1)!.statistics.requests).toBeGreaterThan(1_000);
  set(world, AnaState.Inaccessible, 1);
  await world.pass(100);
  const { requests } = first!.namespaces.get(1)!.statistics;
  await world.pass(1_000);
  // Read again by the event, so that nothing goes there any more.
  expect(first!.namespaces.get(1)!.anaState).toBe(AnaState.Inaccessible);
  expect(first!.namespaces.get(1)!.statistics.requests).toBe(requests);
  expect(second!.namespaces.get(1)!.statistics.requests).toBeGreaterThan(10_000);
  set(world, AnaState.Optimized, 1);
  await world.pass(100);
  run.phase = "off";
  await world.runUntil(() => run.inflight === 0);
  expect(run.errors).toEqual([]);
  expect(first!.namespaces.get(1)!.statistics.requests).toBeGreaterThan(requests);
  await expectCleanEnd(world);
});

test("F58: requests that were rejected are done elsewhere in the same moment", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const channel = world.device().openChannel();
  // No event comes: the host hears of it by its own commands only.
  world.port.links[0]!.climate = { toHost: "held" };
  set(world, AnaState.Inaccessible, 1);
  const startedMs = world.clock.nowMs();
  const requests = [...world.reads(channel, 16), ...world.writes(channel, 16)];
  await world.idle();
  expectNoErrors(requests);
  expect(slowestMs(requests, startedMs)).toBe(0);
  world.port.heal();
  await expectCleanEnd(world);
});

test("F58: with every state in turn, on both paths, there is no error while one of them gives access", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const run = load(world, 8);
  const states = Object.values(AnaState);
  for (const one of states) {
    for (const other of states) {
      const gives = [one, other].some((state) => state <= AnaState.NonOptimized);
      if (!gives) continue;
      // First what gives access, so that there is never a moment without.
      const order = one <= AnaState.NonOptimized ? [1, 2] : [2, 1];
      for (const portId of order) set(world, portId === 1 ? one : other, portId);
      await world.pass(50);
    }
  }
  run.phase = "off";
  await world.runUntil(() => run.inflight === 0);
  expect(run.errors).toEqual([]);
  await expectCleanEnd(world);
});

test("F59: a change of state that lasts longer than ANATT is a loss of the path, and it can come back", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  set(world, AnaState.Change);
  await world.idle();
  const startedMs = world.clock.nowMs();
  const reads = world.reads(channel, 32);
  await world.runUntil(() => world.unsettled === 0);
  expect(slowestMs(reads, startedMs)).toBeLessThanOrEqual(ANATT_MS);
  expect(codesOf(reads)).toEqual(["NVME_ERR_NO_PATH"]);
  const late = world.submit(channel);
  await world.idle();
  expect(codesOf([late])).toEqual(["NVME_ERR_NO_PATH"]);
  set(world, AnaState.Optimized);
  await world.idle();
  const after = world.submit(channel);
  await world.idle();
  expectNoErrors([after]);
  await expectCleanEnd(world);
});

test("F59: one that ends in time is waited for", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  set(world, AnaState.Change);
  const reads = world.reads(channel, 32);
  await world.pass(ANATT_MS - 1_000);
  set(world, AnaState.NonOptimized);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await expectCleanEnd(world);
});

/** A world of one path, where the ANA logs that the host reads can be tampered with. */
async function tampered(options: WorldOptions = {}) {
  const world = new World(options);
  const wire = new Wire(world);
  let alter: (log: DataView) => void = () => {};
  wire.alter = ({ type, connection, dataBytes }, data) => {
    const isLog = type === PduType.C2HData && connection % 2 === 0 && dataBytes !== 4_096;
    if (isLog) alter(data);
  };
  const path = await world.run(
    world.group.attach({ ...world.controllerOptions(), transport: wire.transport }),
  );
  let reads = 0;
  return {
    world,
    path,
    namespace: path.namespaces.get(1)!,
    /** Logs that were read since `alterLogs`. */
    reads: () => reads,
    alterLogs: (task: (log: DataView, read: number) => void) => {
      reads = 0;
      alter = (log) => task(log, reads++);
    },
  };
}

test("F60: a log whose count goes backwards is not believed, and read once more", async () => {
  const { world, namespace, reads, alterLogs } = await tampered();
  for (let i = 0; i < 4; i++) set(world, i % 2 === 0 ? AnaState.NonOptimized : AnaState.Optimized);
  await seen(world);
  expect(namespace.rank).toBe(Rank.Optimized);
  // An old log, once: the host looks again, and finds the truth.
  alterLogs((log, read) => {
    if (read > 0) return;
    AnaLogHeader.chgcnt.set(log, 0, 1n);
    AnaGroupDescriptor.state.set(log, 16, AnaState.Inaccessible);
  });
  set(world, AnaState.NonOptimized);
  await seen(world);
  expect(reads()).toBe(2);
  expect(namespace.anaState).toBe(AnaState.NonOptimized);
  await world.close();
});

test("F60: a controller that insists on a count that went backwards is believed then", async () => {
  const { world, namespace, reads, alterLogs } = await tampered();
  for (let i = 0; i < 4; i++) set(world, i % 2 === 0 ? AnaState.NonOptimized : AnaState.Optimized);
  await seen(world);
  alterLogs((log) => AnaLogHeader.chgcnt.set(log, 0, 1n));
  set(world, AnaState.Inaccessible);
  await seen(world);
  expect(reads()).toBe(2);
  expect(namespace.anaState).toBe(AnaState.Inaccessible);
  await world.close();
});

test.each([
  ["no groups at all", (log: DataView) => AnaLogHeader.ngrps.set(log, 0, 0), Rank.Unknown],
  [
    "more groups than bytes",
    (log: DataView) => AnaLogHeader.ngrps.set(log, 0, 60_000),
    Rank.Unknown,
  ],
  [
    "more namespaces than bytes",
    (log: DataView) => AnaGroupDescriptor.nnsids.set(log, 16, 0xffff_ffff),
    Rank.Unknown,
  ],
  ["group 0", (log: DataView) => AnaGroupDescriptor.anagrpid.set(log, 16, 0), Rank.Unknown],
  ["a reserved state", (log: DataView) => AnaGroupDescriptor.state.set(log, 16, 7), Rank.Unusable],
  ["state 0", (log: DataView) => AnaGroupDescriptor.state.set(log, 16, 0), Rank.Unusable],
] as const)(
  "F60: a log with %s leads to no crash, and to nothing better than it says",
  async (_what, alter, rank) => {
    const { world, path, namespace, alterLogs } = await tampered();
    alterLogs(alter);
    path.ana.refresh();
    await world.idle();
    expect(namespace.rank).toBe(rank);
    const read = world.submit(world.device().openChannel());
    await world.idle();
    if (rank === Rank.Unknown) expectNoErrors([read]);
    alterLogs(() => {});
    // It is read again by itself where it made no sense, and with the next event in any case.
    set(world, AnaState.NonOptimized);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors([read]);
    await world.pass(15_000);
    expect(namespace.rank).toBe(Rank.NonOptimized);
    await world.close();
    expect(world.group.controllers).toEqual([]);
  },
);

test("F61: where both paths are non-optimized they are used; an optimized one is preferred", async () => {
  const world = new World({ ports: 2 });
  const [first, second] = await world.attachAll();
  const channel = world.device().openChannel();
  set(world, AnaState.NonOptimized);
  await seen(world);
  const reads = world.reads(channel, 16);
  await world.idle();
  expectNoErrors(reads);
  set(world, AnaState.Optimized, 2);
  await seen(world);
  const before = [first!, second!].map((path) => path.namespaces.get(1)!.statistics.requests);
  expectNoErrors(world.reads(channel, 0));
  world.reads(channel, 16);
  await world.idle();
  const after = [first!, second!].map((path) => path.namespaces.get(1)!.statistics.requests);
  expect(after.map((count, at) => count - before[at]!)).toEqual([0, 16]);
  await expectCleanEnd(world);
});

test("F61: where a better path gets worse than another one, that one is taken from then on", async () => {
  const world = new World({ ports: 2 });
  const [first, second] = await world.attachAll();
  const channel = world.device().openChannel();
  world.reads(channel, 4);
  await world.idle();
  set(world, AnaState.NonOptimized, 1);
  await seen(world);
  world.reads(channel, 16);
  await world.idle();
  const counts = [first!, second!].map((path) => path.namespaces.get(1)!.statistics.requests);
  expect(counts).toEqual([4, 16]);
  await expectCleanEnd(world);
});

test("F61: where both are inaccessible requests wait for T_fast at most, and then fail", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const channel = world.device().openChannel();
  set(world, AnaState.Inaccessible);
  await seen(world);
  const startedMs = world.clock.nowMs();
  const requests = [...world.reads(channel, 16), ...world.writes(channel, 16)];
  await world.runUntil(() => world.unsettled === 0);
  expect(slowestMs(requests, startedMs)).toBeLessThanOrEqual(T_FAST_MS);
  expect(codesOf(requests)).toEqual(["NVME_ERR_NO_PATH"]);
  await expectCleanEnd(world);
});

test("F61: a persistent loss is not waited for, and one path without it is enough", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const channel = world.device().openChannel();
  set(world, AnaState.PersistentLoss, 1);
  await seen(world);
  const fine = world.reads(channel, 8);
  await world.idle();
  expectNoErrors(fine);
  set(world, AnaState.PersistentLoss, 2);
  const startedMs = world.clock.nowMs();
  const failed = world.reads(channel, 8);
  await world.idle();
  expect(codesOf(failed)).toEqual(["NVME_ERR_NO_PATH"]);
  expect(slowestMs(failed, startedMs)).toBe(0);
  await expectCleanEnd(world);
});

test("F61: states that never come to rest do not keep a request waiting for ever", async () => {
  const world = new World({ group: { retry: { elapsedMaxMs: 30_000 } } });
  await world.attach();
  const channel = world.device().openChannel();
  set(world, AnaState.Inaccessible);
  const read = world.submit(channel);
  // Access for a moment, taken away before anything can come of it, again and again.
  const flip = (): void => {
    if (read.settled.length > 0) return;
    set(world, AnaState.Optimized);
    set(world, AnaState.Inaccessible);
    world.clock.at(world.clock.nowMs() + 500, flip);
  };
  flip();
  await world.runUntil(() => read.settled.length > 0);
  expect(slowestMs([read])).toBeLessThanOrEqual(30_000 + ANATT_MS);
  await expectCleanEnd(world);
});

test("F66: a path that comes and goes each second is left alone until it stays, without an error", async () => {
  const policy = { mode: "active-passive", failbackDelayMs: 5_000 } as const;
  const world = new World({ ports: 2, group: { policy } });
  const [first, second] = await world.attachAll();
  const run = load(world, 8);
  await world.pass(100);
  const carried = (): number => first!.namespaces.get(1)!.statistics.requests;
  set(world, AnaState.Inaccessible, 1);
  await world.pass(500);
  const before = carried();
  for (let flap = 0; flap < 20; flap++) {
    set(world, AnaState.Optimized, 1);
    await world.pass(500);
    set(world, AnaState.Inaccessible, 1);
    await world.pass(500);
  }
  expect(carried()).toBe(before);
  set(world, AnaState.Optimized, 1);
  await world.pass(4_900);
  expect(carried()).toBe(before);
  await world.pass(200);
  expect(carried()).toBeGreaterThan(before);
  // Where there is no other way it is taken at once all the same.
  set(world, AnaState.Inaccessible, 2);
  await world.pass(100);
  set(world, AnaState.Inaccessible, 1);
  await seen(world);
  set(world, AnaState.Optimized, 1);
  const settled = run.settled;
  await world.pass(100);
  expect(run.settled).toBeGreaterThan(settled + 8);
  run.phase = "off";
  await world.runUntil(() => run.inflight === 0);
  expect(run.errors).toEqual([]);
  expect(second!.namespaces.get(1)!.statistics.errors).toBeLessThanOrEqual(16);
  await expectCleanEnd(world);
});

test("a namespace of a group that the log did not have makes the host read the log again", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const disk = { name: "late", clock: world.clock, blockBytes: 512, blockCount: 8 };
  world.subsystem.addNamespace({ device: memoryDevice(disk), nsid: 7, anaGroup: 2 });
  await seen(world);
  const late = world.group.devices.find(({ nsid }) => nsid === 7);
  expect(late?.paths.map(({ rank }) => rank)).toEqual([Rank.Optimized, Rank.Optimized]);
  await expectCleanEnd(world);
});
