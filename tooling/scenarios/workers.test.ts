// A namespace shared with workers, in virtual time: own connections, control by messages, and bounds.
// Read first: workers.ts; packages/bdev/src/shared/worker-states.ts.

import { BlockOp, type MemoryDevice } from "@nvmeof/bdev";
import { blockDeviceConformance } from "@nvmeof/bdev/conformance";
import { MemoryLink, NvmeGroup, NvmeHost, openSharedOver } from "@nvmeof/bdev/nvme";
import { NvmeofError } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { CLOSE_BOUND_MS, codesOf, expectNoErrors, expectSettledOnce } from "./expectations.ts";
import { HeldDisk } from "./held-disk.ts";
import { SharedWorld, type Worker } from "./workers.ts";
import { BLOCK_BYTES } from "./world.ts";

/** Closes the host within the bound; nothing is left of it, of workers, or of the links between. */
async function expectCleanEnd(world: SharedWorld) {
  const startedMs = world.clock.nowMs();
  const report = await world.run(world.host.close());
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expectNothingLeft(world);
  return report;
}

function expectNothingLeft(world: SharedWorld): void {
  world.clock.settle();
  expectSettledOnce(world.requests);
  expect({ armed: world.hostClock.armed, connections: world.connections }).toEqual({
    armed: 0,
    connections: 0,
  });
  expect(world.ownEnds.every(({ isClosed }) => isClosed)).toBe(true);
  expect(world.workerEnds.every(({ isClosed }) => isClosed)).toBe(true);
}

const ends = (world: SharedWorld): (string | undefined)[] =>
  Object.entries(world.shared.ends).flatMap(([end, count]) =>
    Array.from({ length: count }, () => end),
  );

test("workers read and write by connections and controllers of their own", async () => {
  const world = await SharedWorld.begin({ ports: 2 });
  const own = world.connections;
  const workers = [await world.worker(), await world.worker({ name: "second" })];
  // Each as many as the main side: an admin and an I/O queue for each path.
  expect(world.connections).toBe(3 * own);
  const writes = workers.map(({ channel }, at) => world.writes(channel, 4, 7 + at));
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(writes.flat());
  expect(await world.readBack(world.device().openChannel(), 0)).toBeGreaterThan(6);
  const views = world.shared.workers;
  expect(views.map(({ id, name, state }) => [id, name, state])).toEqual([
    [1, "worker 1", "open"],
    [2, "second", "open"],
  ]);
  const cntlids = views.flatMap(({ status }) => status!.controllers.map(({ cntlid }) => cntlid));
  expect(new Set(cntlids).size).toBe(4);
  expect(world.subsystem.controllers.size).toBe(6);
  const report = await expectCleanEnd(world);
  expect(report.workers).toMatchObject([
    { id: 1, end: "closed", close: { shutdown: "complete", abortedCommands: 0 } },
    { id: 2, name: "second", end: "closed" },
  ]);
});

test("a reset reaches every worker, and no request of theirs is lost by it", async () => {
  const world = await SharedWorld.begin();
  const workers = [await world.worker(), await world.worker()];
  const states: string[] = [];
  for (const { device } of workers) {
    device.group.controllers[0]!.controller.observe(
      (event) => event.type === "state" && states.push(event.to),
    );
  }
  const reads = workers.flatMap(({ channel }) => world.reads(channel, 8));
  const mine = world.group.controllers[0]!.controller.facts!.cntlid;
  const answers = await world.run(world.shared.reset());
  expect(answers).toMatchObject([
    { id: 1, error: undefined },
    { id: 2, error: undefined },
  ]);
  expect(states.toSorted()).toEqual(["live", "live", "recovering", "recovering"]);
  // The main side's own connection is not concerned.
  expect(world.group.controllers[0]!.controller.facts!.cntlid).toBe(mine);
  await world.runUntil(() => world.unsettled === 0);
  expectSettledOnce(reads);
  const later = workers.flatMap(({ channel }) => world.reads(channel, 8));
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(later);
  await expectCleanEnd(world);
});

test("one worker is asked by its ID, and the others are left alone", async () => {
  const world = await SharedWorld.begin();
  await world.worker();
  await world.worker();
  await world.run(world.shared.disable({ worker: 2 }));
  await world.idle();
  const states = world.shared.workers.map(({ status }) => status!.controllers[0]!.state);
  expect(states).toEqual(["live", "disabled"]);
  await expectCleanEnd(world);
});

test("disabled workers are disconnected, also one that opens meanwhile; enabled they do their work", async () => {
  const world = await SharedWorld.begin();
  const own = world.connections;
  const first = await world.worker();
  await world.run(world.shared.disable());
  expect(world.connections).toBe(own);
  const second = await world.worker();
  await world.pass(10);
  expect(world.connections).toBe(own);
  expect(world.shared.workers.map(({ status }) => status!.controllers[0]!.state)).toEqual([
    "disabled",
    "disabled",
  ]);
  expect(await world.run(world.shared.enable())).toMatchObject([
    { error: undefined },
    { error: undefined },
  ]);
  const reads = [first, second].flatMap(({ channel }) => world.reads(channel, 2));
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await expectCleanEnd(world);
});

test("a path policy holds for workers that are there, that connect just now, and that come later", async () => {
  const world = await SharedWorld.begin({ ports: 2 });
  const before = await world.worker();
  const handle = world.handle();
  const policy = { mode: "active-active", selector: "round-robin" } as const;
  await world.run(world.shared.setPolicy(policy));
  const meanwhile = await world.run(world.open(handle));
  const after = await world.worker();
  await world.idle();
  const groups = [before.device.group, meanwhile.group, after.device.group];
  expect(groups.map((group) => group.policy)).toEqual([policy, policy, policy]);
  expect(() => void world.shared.setPolicy({ mode: "x" } as never)).toThrow(TypeError);
  await expectCleanEnd(world);
});

test("what a worker cannot do is its answer, and its status says why", async () => {
  const world = await SharedWorld.begin({
    controller: { reconnect: { delayMs: 0, fastFailMs: 0, lossMs: 0 } },
  });
  await world.worker();
  world.port.refuse();
  const [answer] = await world.run(world.shared.reset());
  expect(answer?.error?.code).toBe("NVME_ERR_UNREACHABLE");
  await world.idle();
  expect(world.shared.workers[0]!.status!.controllers).toMatchObject([
    { state: "disabled", reason: { code: "NVME_ERR_UNREACHABLE" } },
  ]);
  await expectCleanEnd(world);
});

test("closing the host ends what workers have in flight at a silent target, once, in the bound", async () => {
  const world = await SharedWorld.begin();
  const workers = [await world.worker(), await world.worker()];
  world.target.freeze();
  const requests = [
    ...workers.flatMap(({ channel }) => world.reads(channel, 16)),
    ...workers.flatMap(({ channel }) => world.writes(channel, 16)),
  ];
  await world.pass(10);
  const report = await expectCleanEnd(world);
  expect(report.workers.map(({ end, close }) => [end, close!.abortedCommands])).toEqual([
    ["closed", 32],
    ["closed", 32],
  ]);
  expect(codesOf(requests)).toEqual(["NVME_ERR_CONTROLLER_CLOSED"]);
});

test("a worker that is stuck keeps neither the close nor another worker, and is reported", async () => {
  const world = await SharedWorld.begin();
  const [stuck, other] = [await world.worker({ name: "stuck" }), await world.worker()];
  stuck.link.stick();
  const startedMs = world.clock.nowMs();
  const report = await world.run(world.shared.close({ boundMs: 800 }));
  expect(world.clock.nowMs() - startedMs).toBe(800);
  expect(report).toMatchObject({ stuck: ["stuck"], totalMs: 800 });
  expect(report.workers.map(({ name, end }) => [name, end])).toEqual([
    ["stuck", "stuck"],
    ["worker 2", "closed"],
  ]);
  expect(report.workers[1]!.totalMs).toBeLessThan(100);
  expect(other.device.report).toMatchObject({ shutdown: "complete" });
  // It still has its device, and lets go of it as soon as it looks at its messages.
  expect(stuck.device.group.controllers).toHaveLength(1);
  const read = world.submit(stuck.channel);
  await world.runUntil(() => read.settled.length > 0);
  expectNoErrors([read]);
  stuck.link.goOn();
  await world.pass(CLOSE_BOUND_MS);
  expect(stuck.device.group.controllers).toEqual([]);
  // What was reported is not reported again.
  expect(await expectCleanEnd(world)).toMatchObject({ workers: [] });
});

test("a stuck worker is terminated where that is allowed, and the host's close keeps its bound", async () => {
  const world = await SharedWorld.begin();
  const terminated: number[] = [];
  const { link, device } = await world.worker({
    terminate: () => {
      terminated.push(world.clock.nowMs());
      // What the end of a thread does: its sockets end, and so does its port.
      void device.group.close({ boundMs: 0 });
      link.close();
    },
  });
  link.stick();
  const startedMs = world.clock.nowMs();
  const report = await world.run(world.host.close());
  expect(terminated).toEqual([startedMs + 0.85 * CLOSE_BOUND_MS]);
  expect(report.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report.workers).toMatchObject([{ end: "terminated" }]);
  await world.idle();
  expectNothingLeft(world);
});

test("a worker whose main side vanishes closes its device in the bound", async () => {
  const world = await SharedWorld.begin();
  const { channel, device } = await world.worker();
  world.target.freeze();
  const reads = world.reads(channel, 8);
  await world.idle();
  const vanishedMs = world.clock.nowMs();
  world.ownEnds[0]!.close();
  await world.runUntil(() => world.unsettled === 0);
  expect(world.clock.nowMs() - vanishedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(codesOf(reads)).toEqual(["NVME_ERR_CONTROLLER_CLOSED"]);
  expect(device.group.controllers).toEqual([]);
  const late = world.submit(device.openChannel());
  await world.idle();
  expect(late.settled).toHaveLength(1);
  await world.run(world.host.close());
  expect(world.hostClock.armed).toBe(0);
});

test("a worker that closes its device, or that ends without a word, is off the list", async () => {
  const world = await SharedWorld.begin();
  const [one, other] = [await world.worker(), await world.worker()];
  const told: string[] = [];
  world.shared.observe(({ name, state, end }) => told.push(`${name} ${state} ${end}`));
  one.channel.close();
  await world.run(one.device.close());
  expect(one.device.report).toMatchObject({ shutdown: "complete" });
  void other.device.group.close({ boundMs: 0 });
  other.link.close();
  await world.idle();
  expect(world.shared.workers).toEqual([]);
  expect(ends(world)).toEqual(["closed", "gone"]);
  expect(told).toEqual(expect.arrayContaining(["worker 1 ended closed", "worker 2 ended gone"]));
  // Nobody is left to be reported.
  expect(await expectCleanEnd(world)).toMatchObject({ workers: [] });
});

test("other data under the NSID is not opened, and nothing is left of the attempt", async () => {
  const world = await SharedWorld.begin();
  const connections = world.connections;
  const handle = world.handle();
  const replaced = { ...handle.where, identity: { ...handle.where.identity, uuid: "other" } };
  const opening = world.run(world.open({ ...handle, where: replaced }));
  await expect(opening).rejects.toMatchObject({ code: "NVME_ERR_NS_CHANGED" });
  await world.pass(10);
  expect(world.connections).toBe(connections);
  expect(ends(world)).toEqual(["failed"]);
  const sized = world.handle();
  const other = { ...sized.where, blockBytes: 4096 };
  await expect(world.run(world.open({ ...sized, where: other }))).rejects.toThrow("block size");
  const gone = world.handle();
  world.subsystem.removeNamespace(1);
  await expect(world.run(world.open(gone))).rejects.toMatchObject({
    code: "NVME_ERR_NO_NAMESPACE",
  });
  await expectCleanEnd(world);
});

test("a target that cannot be reached: the worker's error is known to both, with its code", async () => {
  const world = await SharedWorld.begin();
  const views: (string | undefined)[] = [];
  world.shared.observe(({ error }) => views.push(error?.code));
  world.port.refuse();
  await expect(world.run(world.open(world.handle()))).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
  });
  await world.idle();
  expect(views.at(-1)).toBe("NVME_ERR_UNREACHABLE");
  expect(ends(world)).toEqual(["failed"]);
  await expectCleanEnd(world);
});

test("a path that could not be reached is tried again; meanwhile the others do", async () => {
  const world = await SharedWorld.begin({ ports: 2 });
  world.ports[1]!.refuse();
  const { channel, device } = await world.worker();
  expect(world.shared.workers[0]!.status!.missing).toHaveLength(1);
  const read = world.submit(channel);
  await world.runUntil(() => read.settled.length > 0);
  expectNoErrors([read]);
  world.ports[1]!.heal();
  await world.pass(10_100);
  expect(device.group.controllers).toHaveLength(2);
  expect(world.shared.workers[0]!.status).toMatchObject({ missing: [] });
  expect(world.shared.workers[0]!.status!.controllers).toHaveLength(2);
  await expectCleanEnd(world);
});

test("a close while a worker connects ends that too", async () => {
  const world = await SharedWorld.begin();
  world.target.freeze();
  const opening = world.open(world.handle()).then(
    () => "opened",
    (error: { code: string }) => error.code,
  );
  await world.pass(10);
  expect(world.shared.workers).toMatchObject([{ state: "opening" }]);
  const report = await expectCleanEnd(world);
  expect(report.workers).toMatchObject([{ end: "closed" }]);
  expect(await opening).toBe("NVME_ERR_CLOSED");
});

test("a signal ends the opening with its reason; a handle that nobody opened is just dropped", async () => {
  const world = await SharedWorld.begin();
  world.target.freeze();
  const abort = new AbortController();
  const opening = world.open(world.handle(), { signal: abort.signal }).then(
    () => "opened",
    (error: Error) => error.message,
  );
  await world.pass(10);
  abort.abort(new Error("enough"));
  await world.pass(CLOSE_BOUND_MS);
  expect(await opening).toBe("enough");
  expect(ends(world)).toEqual(["failed"]);
  const dropped = world.handle();
  world.target.thaw();
  const startedMs = world.clock.nowMs();
  expect((await world.run(world.shared.close())).workers).toMatchObject([{ end: "unopened" }]);
  expect(world.clock.nowMs()).toBe(startedMs);
  // Who opens it all the same finds that it is over.
  await expect(world.run(world.open(dropped))).rejects.toMatchObject({ code: "NVME_ERR_CLOSED" });
  await expectCleanEnd(world);
});

test("each worker has chance of its own: those that lose a target together do not come back in step", async () => {
  const world = await SharedWorld.begin();
  const [one, other] = [await world.worker(), await world.worker()];
  const next = ({ device }: Worker): number =>
    device.group.controllers[0]!.controller.options.random.next32();
  expect(next(one)).not.toBe(next(other));
  await expectCleanEnd(world);
});

test("limits: workers, requests that are not answered, and what cannot be meant", async () => {
  const world = await SharedWorld.begin({}, { workersMax: 2, asksMax: 1, askBoundMs: 100 });
  const { link } = await world.worker();
  world.handle();
  expect(() => world.handle()).toThrow(expect.objectContaining({ code: "NVME_ERR_LIMIT_REACHED" }));
  link.stick();
  const [late] = await world.run(world.shared.refresh());
  expect(late!.error?.code).toBe("NVME_ERR_WORKER_STUCK");
  const [refused] = await world.run(world.shared.refresh());
  expect(refused!.error?.code).toBe("NVME_ERR_LIMIT_REACHED");
  link.goOn();
  await world.idle();
  expect(await world.run(world.shared.refresh())).toMatchObject([{ error: undefined }]);
  const channel = () => ({ own: world.ownEnds[0]!, other: undefined });
  for (const limits of [{ workersMax: 0 }, { asksMax: 1.5 }, { askBoundMs: 0 }]) {
    expect(() => world.host.share(1, { channel, ...limits })).toThrow(RangeError);
  }
  expect(() => world.host.share(9, { channel })).toThrow("9");
  await expectCleanEnd(world);
  expect(() => world.shared.handle()).toThrow(expect.objectContaining({ code: "NVME_ERR_CLOSED" }));
});

test("a transport of this thread alone is not shared, and options that cannot be are asked for", async () => {
  const world = await SharedWorld.begin({
    controller: { fence: { wanted: () => false, begin: () => () => {} } },
  });
  const handle = world.handle();
  const [recipe] = handle.where.controllers;
  expect(recipe!.needed).toEqual([]);
  const where = { ...handle.where, controllers: [{ ...recipe!, needed: ["random" as const] }] };
  await expect(world.open({ ...handle, where })).rejects.toThrow("random");
  await world.idle();
  expect(ends(world)).toEqual(["failed"]);
  const { recipe: _none, ...bare } = world.transport(0);
  const group = new NvmeGroup({ name: "bare" });
  await world.run(group.attach({ ...world.controllerOptions(), transport: bare }));
  const host = new NvmeHost(group, group.controllers[0]!, world.controllerOptions());
  expect(() => host.share(1, { channel: () => ({ own: handle.port, other: 0 }) })).toThrow(
    expect.objectContaining({ code: "NVME_ERR_UNSUPPORTED" }),
  );
  await world.run(host.close());
  await expectCleanEnd(world);
});

test("what is no handle, or of another version, is refused by its version", async () => {
  const world = await SharedWorld.begin();
  const [link] = MemoryLink.pair(world.clock);
  const ports = { link, transportOf: () => world.transport(0) };
  await expect(openSharedOver(undefined as never, ports)).rejects.toThrow(TypeError);
  const { where } = world.handle();
  const newer = { ...where, version: 2 } as never;
  await expect(openSharedOver(newer, ports)).rejects.toThrow("version 2");
  await world.run(world.host.close());
});

test("the main side hears of sizes, paths and removals, and no faster than it looks", async () => {
  const world = await SharedWorld.begin();
  const { link, channel } = await world.worker();
  world.reads(channel, 3);
  await world.runUntil(() => world.unsettled === 0);
  await world.run(world.shared.refresh());
  expect(world.shared.workers[0]!.status!.paths).toMatchObject([{ requests: 3, readBytes: 1536 }]);
  const before = link.posted.length;
  world.ownEnds[0]!.stick();
  for (const blockCount of [4_000, 3_000, 2_000]) {
    (world.disks[0] as MemoryDevice).resize(blockCount);
    await world.pass(100);
  }
  // One that was not seen; the rest waits for that.
  expect(link.posted.length).toBe(before + 1);
  world.ownEnds[0]!.goOn();
  await world.idle();
  expect(world.shared.workers[0]!.status!.blockCount).toBe(2_000);
  world.subsystem.removeNamespace(1);
  await world.pass(100);
  expect(world.shared.workers[0]!.status!.removed).toContain("was removed");
  await expectCleanEnd(world);
});

test("fences are a worker's own: its writes wait for what it has lost, and those of others do not", async () => {
  const disks: HeldDisk[] = [];
  const world = await SharedWorld.begin({
    ports: 2,
    controller: { keepAliveTimeoutMs: 2_000 },
    disk: (clock, name, blockCount) => {
      const disk = new HeldDisk({ name, clock, blockBytes: BLOCK_BYTES, blockCount });
      disks.push(disk);
      return disk;
    },
  });
  const [one, other] = [await world.worker(), await world.worker()];
  const disk = disks[0]!;
  const writes = (): number => disk.seen.filter(({ op }) => op === BlockOp.Write).length;
  disk.answers = "held";
  const held = world.writes(one.channel, 2, 1);
  await world.runUntil(() => writes() === 2);
  const [lost] = one.device.group.controllers;
  lost!.controller.lost(new NvmeofError("NVME_ERR_CONNECTION_LOST", "cut"));
  await world.pass(1_000);
  // What the lost controller may still do is not done a second time, by whichever path or worker.
  expect(writes()).toBe(2);
  const free = world.writes(other.channel, 2, 2);
  await world.runUntil(() => writes() === 4);
  disk.answerAll();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...held, ...free]);
  expect(writes()).toBe(6);
  await expectCleanEnd(world);
});

let conforming: SharedWorld;
blockDeviceConformance(
  "a namespace in a worker",
  {
    async make() {
      conforming = await SharedWorld.begin();
      return (await conforming.worker()).device;
    },
    turn: () => conforming.pass(1),
    async resize(_device, blockCount) {
      (conforming.disks[0] as MemoryDevice).resize(blockCount);
      await conforming.pass(50);
    },
  },
  test,
);
