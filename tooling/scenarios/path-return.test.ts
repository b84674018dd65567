// Paths that come back, and targets that are other than they were: rows F46 to F53.
// Read first: reliability-anchors.md §3.3.

import { BlockOp, memoryDevice, splitting } from "@nvmeof/bdev";
import type { MultipathDevice } from "@nvmeof/bdev/nvme";
import { AddressesError, type ControllerEvent } from "@nvmeof/core";
import type { TargetOptions } from "@nvmeof/target";
import { type Connector, TransportError, hostTransport } from "@nvmeof/transport";
import { expect, test } from "vitest";
import {
  codesOf,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  outcomesOf,
  slowestMs,
} from "./expectations.ts";
import { bytesPort } from "./parity-support.ts";
import { BLOCK_BYTES, OVER, World } from "./world.ts";

const TRTYPE = OVER === "fc" ? "fc" : "loop";

const T_CONN_MS = 3_000;
const T_REC_MS = 2_000;
const UUID_OF_OTHERS = "0e4a1c9c-98a3-4a0f-8c9e-0f6f6b7e1d22";

test("F46: a refused connection fails the attach at once; coming back it is tried with back-off and jitter", async () => {
  const nobody = new World();
  nobody.port.refuse();
  await expect(nobody.attach()).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  expect(nobody.clock.nowMs()).toBeLessThanOrEqual(T_CONN_MS);
  expectNothingLeft(nobody);

  const world = new World({ controller: { reconnect: { lossMs: -1 } } });
  const { controller } = await world.attach();
  const waits: number[] = [];
  controller.observe((event: ControllerEvent) => {
    if (event.type === "retry") waits.push(event.delayMs);
  });
  world.port.refuse();
  world.port.reset();
  await world.runUntil(() => waits.length === 12);
  const expected = [2_000, 4_000, 8_000, ...Array.from({ length: 9 }, () => 10_000)];
  for (const [at, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(expected[at]! * 0.8);
    expect(wait).toBeLessThanOrEqual(expected[at]! * 1.2);
  }
  // Jitter: hosts that lose a target together do not come back together.
  expect(new Set(waits).size).toBeGreaterThan(6);
  await expectCleanEnd(world);
});

test("F46: of several addresses all are tried, and the error of the attach has that of each", async () => {
  const world = new World({ ports: 3 });
  for (const port of world.ports) port.refuse();
  world.ports[1]!.ignore();
  await expect(world.attach(0, 1, 2)).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
    message: expect.stringMatching(/port0: .+; \w+ port1: .+; \w+ port2: .+/) as string,
    addresses: [
      { address: `${TRTYPE} port0`, error: { code: "NVME_ERR_UNREACHABLE" } },
      { address: `${TRTYPE} port1`, error: { code: "NVME_ERR_CONNECT_TIMEOUT" } },
      { address: `${TRTYPE} port2`, error: { code: "NVME_ERR_UNREACHABLE" } },
    ],
  });
  expect(world.ports.map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
  expect(world.clock.nowMs()).toBeLessThanOrEqual(T_CONN_MS * 1.1);
  expectNothingLeft(world);
});

test("F46: while coming back, each round of attempts reports all of its addresses, and no older ones", async () => {
  const world = new World({ ports: 2 });
  const { controller } = await world.attach(0, 1);
  const rounds: (string[] | undefined)[] = [];
  controller.observe((event) => {
    if (event.type !== "retry" || event.delayMs === 0) return;
    const { reason } = controller;
    const several = reason instanceof AddressesError;
    rounds.push(several ? reason.addresses.map(({ address }) => address) : undefined);
  });
  for (const port of world.ports) {
    port.refuse();
    port.reset();
  }
  await world.runUntil(() => rounds.length === 3);
  expect(rounds.map((round) => round?.toSorted())).toEqual(
    rounds.map(() => [`${TRTYPE} port0`, `${TRTYPE} port1`]),
  );
  for (const port of world.ports) port.heal();
  await world.runUntil(() => controller.state === "live");
  expect(controller.reason).toBeUndefined();
  await expectCleanEnd(world);
});

test("F47: a connection that nobody answers is given up in T_conn", async () => {
  const world = new World();
  world.port.ignore();
  await expect(world.attach()).rejects.toMatchObject({ code: "NVME_ERR_CONNECT_TIMEOUT" });
  expect(world.clock.nowMs()).toBeLessThanOrEqual(T_CONN_MS * 1.1);
  expectNothingLeft(world);
});

test("F48: a name is resolved at each attempt: failures count as any other, a new address is used", async () => {
  const world = new World({ ports: 2 });
  let resolved: number | undefined = 0;
  const connector: Connector = {
    remote: "storage.example",
    connect(options, handler) {
      if (resolved !== undefined) return bytesPort(world, resolved).connect(options, handler);
      const error = new TransportError("unreachable", "storage.example: no such host");
      const timer = world.hostClock.at(world.clock.nowMs(), () => handler.ended(error));
      const end = () => timer.cancel();
      const nothing = () => {};
      return {
        remote: "",
        write: nothing,
        pause: nothing,
        resume: nothing,
        close: end,
        reset: end,
      };
    },
  };
  const address = { trtype: "tcp", traddr: "storage.example", trsvcid: "4420" };
  const transport = hostTransport({ address, connector, clock: world.hostClock });
  await world.run(world.group.attach({ ...world.controllerOptions(), transport }));
  const channel = world.device().openChannel();
  resolved = undefined;
  world.port.refuse();
  world.port.reset();
  const reads = world.reads(channel, 4);
  await world.pass(3_000);
  resolved = 1;
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(world.ports[1]!.connections).toBe(2);
  await expectCleanEnd(world);
});

/** The same namespace, of the target that begins anew. */
function same(world: World, limits: NonNullable<TargetOptions["limits"]> = {}): void {
  world.restartTarget([{ device: world.disks[0]! }], { limits });
}

test("F49: a target that restarts at the same address is found again, and reads go on", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const fill = world.writes(channel, 8, 0x5a);
  await world.runUntil(() => world.unsettled === 0);
  world.target.freeze();
  const reads = world.reads(channel, 32);
  const writes = world.writes(channel, 8, 0xa5);
  await world.idle();
  world.port.refuse();
  const startedMs = world.clock.nowMs();
  same(world);
  const healMs = world.clock.nowMs() + 5_000;
  world.clock.at(healMs, () => world.port.heal());
  await world.runUntil(() => controller.state === "live");
  expect(world.clock.nowMs() - healMs).toBeLessThanOrEqual(2 * T_REC_MS * 1.2 + 1_000);
  await world.runUntil(() => reads.every(({ settled }) => settled.length > 0));
  expectNoErrors(reads);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...fill, ...writes]);
  expect(slowestMs(writes, startedMs)).toBeGreaterThanOrEqual(30_000);
  expect(await world.readBack(channel, 5)).toBe(0xa5);
  await expectCleanEnd(world);
});

/** What a restart with another namespace under the same NSID comes to. */
async function exchanged(world: World, blockBytes: number, uuid: string | undefined) {
  await world.attachAll();
  const device: MultipathDevice = world.device();
  const channel = device.openChannel();
  const removed: string[] = [];
  device.observe((event) => event.type === "removed" && removed.push(event.reason));
  for (const port of world.ports) port.refuse();
  const other = memoryDevice({ name: "other", clock: world.clock, blockBytes, blockCount: 4_096 });
  world.restartTarget([{ device: other, uuid: uuid ?? world.subsystem.namespaces[0]!.uuid }], {});
  await world.idle();
  const requests = [
    ...world.reads(channel, 4),
    world.submit(channel, { op: BlockOp.Write, data: new Uint8Array(BLOCK_BYTES).fill(0xee) }),
  ];
  await world.idle();
  for (const port of world.ports) port.heal();
  await world.runUntil(() => world.unsettled === 0);
  await world.pass(20_000);
  const data = new Uint8Array(blockBytes);
  const view = other.openChannel();
  view.submit({ op: BlockOp.Read, lba: 0, blockCount: 1, data }, () => {});
  await world.idle();
  view.close();
  return { device, channel, removed, requests, data };
}

test.each([1, 2])(
  "F50: other data under the same NSID is never touched, over %i paths: it is another device",
  async (ports) => {
    const world = new World({ ports });
    const { device, channel, removed, requests, data } = await exchanged(
      world,
      512,
      UUID_OF_OTHERS,
    );
    expect(codesOf(requests)).toEqual(["NVME_ERR_NS_CHANGED"]);
    expect(new Set(outcomesOf(requests))).toEqual(new Set(["not-sent"]));
    expect(data.every((byte) => byte === 0)).toBe(true);
    expect(removed).toHaveLength(1);
    expect(removed[0]).toContain("uuid");
    const late = world.submit(channel);
    await world.idle();
    expect(codesOf([late])).toEqual(["NVME_ERR_NS_CHANGED"]);
    // All paths lead to the new one, and the name is free for it.
    expect(world.device()).not.toBe(device);
    expect(world.device().paths).toHaveLength(ports);
    expect(world.device().identity.uuid).toBe(UUID_OF_OTHERS);
    await expectCleanEnd(world);
  },
);

test("F51: a namespace that came back smaller: the size is told, and what lies beyond fails", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  const channel = device.openChannel();
  const sizes: number[] = [];
  device.observe((event) => event.type === "resized" && sizes.push(event.blockCount));
  world.port.refuse();
  const { uuid } = world.subsystem.namespaces[0]!;
  const smaller = memoryDevice({
    name: "less",
    clock: world.clock,
    blockBytes: 512,
    blockCount: 64,
  });
  world.restartTarget([{ device: smaller, uuid }], {});
  const within = world.submit(channel, { lba: 63 });
  const beyond = world.submit(channel, { lba: 64 });
  await world.idle();
  world.port.heal();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([within]);
  expect(codesOf([beyond])).toEqual(["NVME_ERR_STATUS"]);
  expect(sizes).toEqual([64]);
  const late = world.submit(channel, { lba: 64 });
  await world.idle();
  expect(codesOf([late])).toEqual(["NVME_ERR_OUT_OF_RANGE"]);
  await expectCleanEnd(world);
});

test.each([
  ["fewer queues", { ioQueuesMax: 1 }],
  ["shorter queues", { queueDepthMax: 8 }],
  ["a smaller MDTS", { transferBytesMax: 16 * 1024 }],
  ["a smaller MAXH2CDATA", { h2cDataBytesMax: 4_096 }],
  ["no data in capsules", { inCapsuleBytes: 0 }],
  ["all of it", { ioQueuesMax: 1, queueDepthMax: 4, transferBytesMax: 8_192, inCapsuleBytes: 0 }],
] as const)(
  "F52: a target that came back with %s: what waits fits again, also what was split before",
  async (_what, limits) => {
    const world = new World({ controller: { ioQueues: 4 }, group: { fencing: "none" } });
    await world.attach();
    const device = world.device();
    const plain = [device.openChannel(), device.openChannel(), device.openChannel()];
    const split = splitting(device, { clock: world.hostClock }).openChannel();
    expect(device.limits.transferBlocksMax).toBe(2_048);
    world.port.refuse();
    same(world, limits);
    await world.idle();
    const requests = [
      ...plain.flatMap((channel) => world.reads(channel, 16)),
      ...plain.map((channel) => world.submit(channel, { blockCount: 2_048 })),
      world.submit(split, {
        op: BlockOp.Write,
        blockCount: 4_000,
        data: new Uint8Array(4_000 * BLOCK_BYTES).fill(0x77),
      }),
    ];
    await world.idle();
    expect(world.unsettled).toBe(requests.length);
    world.port.heal();
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(requests);
    expect(await world.readBack(plain[0]!, 3_999)).toBe(0x77);
    // And what comes after it, by the channel that was opened before.
    const later = world.submit(split, { blockCount: 4_000 });
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors([later]);
    expect(later.request.data!.every((byte) => byte === 0x77)).toBe(true);
    await expectCleanEnd(world);
  },
);

test("F52: a target that came back with more gives more", async () => {
  const limits = { ioQueuesMax: 1, queueDepthMax: 8, transferBytesMax: 8_192 };
  const world = new World({ target: { limits }, controller: { ioQueues: 4 } });
  const { controller } = await world.attach();
  expect(controller.ioQueues).toHaveLength(1);
  expect(world.device().limits.transferBlocksMax).toBe(16);
  same(world);
  await world.runUntil(() => controller.ioQueues.length === 4);
  await world.idle();
  expect(world.device().limits.transferBlocksMax).toBe(2_048);
  await expectCleanEnd(world);
});

test("F53: a namespace that came back with another block size is another device", async () => {
  const world = new World();
  const { device, removed, requests } = await exchanged(world, 4_096, undefined);
  expect(codesOf(requests)).toEqual(["NVME_ERR_NS_CHANGED"]);
  expect(removed[0]).toContain("block size");
  expect(world.device()).not.toBe(device);
  expect(world.device().blockBytes).toBe(4_096);
  await world.close();
  expectNothingLeft(world);
});
