// Parity with SPDK's unit tests: requests on their way, and what becomes of those that fail.
// Read first: docs/parity.md, which lists the rows; packages/bdev/src/nvme/retry.ts.

import { BlockOp } from "@nvmeof/bdev";
import { Cns, IdentifyControllerNvm, Status } from "@nvmeof/codec";
import { expect, test } from "vitest";
import {
  Wire,
  alterIdentify,
  asked,
  ends,
  isFinal,
  obedientWorld,
  only,
  statesOf,
  times,
  wired,
} from "./parity-support.ts";
import { BLOCK_BYTES, World } from "./world.ts";

const DNR = 0x4000;
/** Command Retry Delay, an index into CRDT, in a packed status. */
const crd = (index: number): number => index << 11;

const operations = Object.entries(BlockOp);

test.each(operations)("parity 11: %s reaches the namespace and completes", async (name, op) => {
  const { world, disk } = obedientWorld();
  await world.attach();
  const channel = world.device().openChannel();
  const request = world.submit(channel, { op, lba: op === BlockOp.Flush ? 0 : 8 });
  world.clock.settle();
  expect(ends([request])).toEqual(["ok"]);
  // There is no volatile cache to flush: the controller answers by itself.
  expect(disk.seen).toEqual(name === "Flush" ? [] : [{ op, lba: 8, blockCount: 1 }]);
});

test("parity 11: what was written is what is read, and compares, until it is zeroed", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  const data = Uint8Array.from({ length: 16 * BLOCK_BYTES }, (_, at) => at * 7);
  const at = { lba: 100, blockCount: 16 };
  const run = (op: BlockOp, bytes?: Uint8Array): string[] => {
    const watched = world.submit(channel, { op, ...at, ...(bytes && { data: bytes }) });
    world.clock.settle();
    return ends([watched]);
  };
  const read = new Uint8Array(data.length);
  expect(run(BlockOp.Write, data.slice())).toEqual(["ok"]);
  expect(run(BlockOp.Read, read)).toEqual(["ok"]);
  expect(read).toEqual(data);
  expect(run(BlockOp.Compare, data.slice())).toEqual(["ok"]);
  expect(run(BlockOp.WriteZeroes)).toEqual(["ok"]);
  expect(run(BlockOp.Compare, data.slice())).toEqual(["NVME_ERR_STATUS"]);
  expect(run(BlockOp.Compare, new Uint8Array(data.length))).toEqual(["ok"]);
});

test("parity 14: each channel sends by a queue of its own, and knows which path that is", async () => {
  const { world, disk } = obedientWorld({ controller: { ioQueues: 2 } });
  const path = await world.attach();
  disk.answers = "held";
  const device = world.device();
  const [first, second] = [device.openChannel(), device.openChannel()];
  world.reads(first, 3);
  world.reads(second, 2);
  world.clock.settle();
  expect(path.controller.ioQueues.map(({ inflight }) => inflight)).toEqual([3, 2]);
  expect([...device.channels].map(({ currentPath }) => currentPath)).toEqual(
    times(2, path.namespaces.get(1)),
  );
});

test("parity 29: a failure with Do Not Retry is not tried again", async () => {
  const { world, disk } = obedientWorld();
  await world.attach();
  disk.statuses = [Status.InternalError | DNR];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(read.settled.map(({ error }) => error?.status)).toEqual([Status.InternalError | DNR]);
  expect(disk.seen).toHaveLength(1);
});

test("parity 29: a path error with the path still there is tried again on it", async () => {
  const { world, disk } = obedientWorld();
  await world.attach();
  disk.statuses = [Status.InternalPathError];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
  expect(disk.seen).toHaveLength(2);
});

test("parity 29: a read whose path goes away is done by the other path", async () => {
  const { world, disk } = obedientWorld({ ports: 2 });
  await world.attach(0);
  await world.attach(1);
  disk.answers = "held";
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  const [first, second] = world.device().paths;
  expect([first!.inflight, second!.inflight]).toEqual([1, 0]);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.settle();
  expect([first!.inflight, second!.inflight]).toEqual([0, 1]);
  disk.letGo();
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 30: a request that was aborted because somebody asked for it is never retried", async () => {
  const { world, disk } = obedientWorld({ group: { retry: { samePathMax: -1 } } });
  await world.attach();
  disk.statuses = [Status.AbortRequested];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([read])).toEqual(["NVME_ERR_STATUS"]);
  expect(disk.seen).toHaveLength(1);
});

test.each([
  [0, 1, 1, "NVME_ERR_STATUS"],
  [2, 2, 3, "ok"],
  [2, 3, 3, "NVME_ERR_STATUS"],
  [-1, 50, 51, "ok"],
] as const)(
  "parity 30: with %i retries allowed, a request that fails %i times is sent %i times: %s",
  async (samePathMax, failures, sent, end) => {
    const { world, disk } = obedientWorld({ group: { retry: { samePathMax } } });
    await world.attach();
    disk.statuses = times(failures, Status.InternalError);
    const read = world.submit(world.device().openChannel());
    world.clock.settle();
    expect(ends([read])).toEqual([end]);
    expect(disk.seen).toHaveLength(sent);
  },
);

test("parity 30: no retry on the same path still leaves the way to another path open", async () => {
  const { world, disk } = obedientWorld({ ports: 2, group: { retry: { samePathMax: 0 } } });
  await world.attach(0);
  await world.attach(1);
  disk.statuses = [Status.InternalPathError];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 30: the budgets belong to the request, not to the memory that it is kept in", async () => {
  const { world, disk } = obedientWorld({ group: { retry: { samePathMax: 2 } } });
  await world.attach();
  const channel = world.device().openChannel();
  for (let turn = 0; turn < 5; turn++) {
    disk.statuses = times(2, Status.InternalError);
    const read = world.submit(channel);
    world.clock.settle();
    expect(ends([read])).toEqual(["ok"]);
  }
});

test("parity 34: requests that wait for a reset keep their order, and go out after it", async () => {
  const { world, disk } = obedientWorld();
  await world.attach();
  const channel = world.device().openChannel();
  const controller = only(world.group);
  const states = statesOf(controller);
  world.ports[0]!.refuse();
  controller.reset(() => {});
  world.clock.advance(0);
  const reads = world.reads(channel, 20);
  world.clock.settle();
  expect(ends(reads)).toEqual(times(20, "settled 0 times"));
  world.ports[0]!.heal();
  expect(world.clock.runUntil(() => states.includes("live"))).toBe(true);
  world.clock.settle();
  expect(ends(reads)).toEqual(times(20, "ok"));
  expect(disk.seen.map(({ lba }) => lba)).toEqual(reads.map(({ request }) => request.lba));
});

/** A namespace by two paths that take turns, its controllers giving retry delays of 1, 2 and 3 s. */
async function delaying(ports: number) {
  const { world, disk } = obedientWorld({
    ports,
    target: { retryDelaysMs: [1_000, 2_000, 3_000] },
    group: { policy: { mode: "active-active", selector: "round-robin" } },
  });
  await world.attachAll();
  return { world, disk };
}

test.each([
  [0, 0],
  [1, 1_000],
  [2, 2_000],
  [3, 3_000],
] as const)("parity X7: CRD %i delays the retry by %i ms", async (index, delayMs) => {
  const { world, disk } = await delaying(1);
  disk.statuses = [Status.InternalError | crd(index)];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(disk.seen).toHaveLength(delayMs === 0 ? 2 : 1);
  world.clock.runUntil(() => read.settled.length > 0);
  expect(ends([read])).toEqual(["ok"]);
  expect(read.settled[0]!.atMs).toBe(delayMs);
  expect(disk.seen).toHaveLength(2);
});

test.each([
  [1, 2_000],
  [2, 0],
])(
  "F85: with %i paths a path error that asks for 2 s (CRD 2) is tried again after %i ms",
  async (ports, delayMs) => {
    const { world, disk } = await delaying(ports);
    disk.statuses = [Status.InternalPathError | crd(2)];
    const read = world.submit(world.device().openChannel());
    world.clock.runUntil(() => read.settled.length > 0);
    expect(ends([read])).toEqual(["ok"]);
    expect(read.settled[0]!.atMs).toBe(delayMs);
  },
);

test("F85: a path that asks for a delay each time costs the budget of one retry each, not all at once", async () => {
  const { world, disk } = await delaying(1);
  disk.statuses = Array.from({ length: 15 }, () => Status.InternalPathError | crd(1));
  const read = world.submit(world.device().openChannel());
  world.clock.runUntil(() => read.settled.length > 0);
  expect(ends([read])).toEqual(["ok"]);
  expect(read.settled[0]!.atMs).toBe(15_000);
});

test("parity 46: a generic error keeps its path, and the turn of the others does not matter", async () => {
  const { world, disk } = await delaying(2);
  const [first, second] = world.device().paths;
  disk.statuses = [Status.InternalError | crd(1)];
  const channel = world.device().openChannel();
  const read = world.submit(channel);
  world.clock.settle();
  disk.answers = "held";
  world.clock.advance(1_000);
  expect([first!.inflight, second!.inflight]).toEqual([1, 0]);
  disk.letGo();
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 46: a generic error goes to another path when its own is gone by then", async () => {
  const { world, disk } = await delaying(2);
  disk.statuses = [Status.InternalError | crd(1)];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  await world.run(world.group.detach(world.group.controllers[0]!));
  expect(read.settled).toEqual([]);
  world.clock.advance(1_000);
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 57: MDTS is the limit of a transfer, or our own where that is less", async () => {
  for (const [own, controllers] of [
    [1024 * 1024, 1024 * 1024],
    [64 * 1024, 64 * 1024],
  ] as const) {
    const world = new World({ controller: { transferBytesMax: own } });
    await world.attach();
    expect(world.device().limits.transferBlocksMax).toBe(controllers / BLOCK_BYTES);
  }
});

test.each([
  ["WriteZeroes", BlockOp.WriteZeroes],
  ["Deallocate", BlockOp.Deallocate],
  ["Verify", BlockOp.Verify],
] as const)(
  "parity 57: %s of more blocks than a command can name does all of them, and none twice",
  async (_name, op) => {
    const blockCount = 200_000;
    const { world, disk } = obedientWorld({}, blockCount);
    await world.attach();
    const request = world.submit(world.device().openChannel(), { op, lba: 0, blockCount });
    world.clock.settle();
    expect(ends([request])).toEqual(["ok"]);
    let next = 0;
    for (const piece of disk.seen.toSorted((a, b) => a.lba - b.lba)) {
      expect(piece).toMatchObject({ op, lba: next });
      next += piece.blockCount;
    }
    expect(next).toBe(blockCount);
  },
);

test.each([
  ["WriteZeroes", BlockOp.WriteZeroes, 16],
  ["Verify", BlockOp.Verify, 32],
  ["Deallocate", BlockOp.Deallocate, 10],
] as const)(
  "parity 57: no %s is larger than the controller says, after a reset as before it",
  async (_name, op, most) => {
    const { world, disk } = obedientWorld();
    const wire = new Wire(world);
    alterIdentify(wire, Cns.CommandSetController, (limits) => {
      // Powers of two, in pages of 4 KiB, and a number of blocks.
      IdentifyControllerNvm.wzsl.set(limits, 0, 1);
      IdentifyControllerNvm.vsl.set(limits, 0, 2);
      IdentifyControllerNvm.dmrsl.set(limits, 0, 10);
    });
    await world.run(world.group.attach(wired(world, wire)));
    const channel = world.device().openChannel();
    for (let turn = 0; turn < 2; turn++) {
      disk.seen.length = 0;
      const request = world.submit(channel, { op, lba: 7, blockCount: 100 });
      world.clock.settle();
      expect(ends([request])).toEqual(["ok"]);
      const sizes = disk.seen.map(({ blockCount }) => blockCount);
      expect(Math.max(...sizes)).toBe(most);
      expect(sizes.reduce((sum, size) => sum + size)).toBe(100);
      await world.run(asked(only(world.group), "reset"));
    }
  },
);

test("parity X8: an answer that comes twice settles its request once, and costs the connection", async () => {
  const { world, disk } = obedientWorld();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const channel = world.device().openChannel();
  const states = statesOf(only(world.group));
  disk.answers = "held";
  const reads = world.reads(channel, 4);
  world.clock.settle();
  wire.fateOf = ({ connection }) => (connection === 1 ? "twice" : "arrives");
  disk.letGo();
  world.clock.settle();
  expect(world.clock.runUntil(() => reads.every(({ settled }) => settled.length > 0))).toBe(true);
  world.clock.advance(10_000);
  expect(ends(reads)).toEqual(times(4, "ok"));
  expect(reads.some(isFinal)).toBe(false);
  expect(states.slice(0, 2)).toEqual(["recovering", "live"]);
});
