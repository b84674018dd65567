// A target as a whole: several hosts and queues, a silent peer, ends of every kind, and its API.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AnaState,
  DISCOVERY_NQN,
  Property,
  Sqe,
  Status,
  encoded,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type NamespaceOptions, Target, type TargetEvent, type TargetOptions } from "./index.ts";
import { HeldDevice } from "./testing/held-device.ts";
import {
  ENABLED,
  World,
  connectData,
  connectSqe,
  pattern,
  propertySet,
  readSqe,
  writeSqe,
} from "./testing/raw-host.ts";

const other = "nqn.2024-01.com.example:other";
const keepAlive = encoded(Sqe, { opc: AdminOpcode.KeepAlive });
const nothing = { connections: 0, controllers: 0, backendRequests: 0, buffers: 0, bufferBytes: 0 };

function held(options: Omit<TargetOptions, "clock"> = {}) {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock });
  const world = new World(clock, { namespaces: [{ device }] }, options);
  return { clock, device, world };
}

test("several hosts with several queues work on one namespace, and see each other's writes", () => {
  const { world, device } = held();
  device.settling = "now";
  const hosts = [1, 2, 3].map((n) => {
    const controller = world.connect({ hostNqn: `${other}${n}`, hostId: n });
    return [1, 2].map((qid) => controller.openIo(qid));
  });
  const queues = hosts.flat();
  for (const [i, queue] of queues.entries()) {
    expect(queue.run(writeSqe(i * 8, 8), pattern(4096, i)).code).toBe(0);
  }
  for (const [i] of queues.entries()) {
    const read = new Uint8Array(4096);
    const reader = queues.at((i + 1) % queues.length);
    expect(reader?.run(readSqe(i * 8, 8), read).code).toBe(0);
    expect(Buffer.compare(read, pattern(4096, i))).toBe(0);
  }
  expect(world.target.status).toMatchObject({ connections: 9, controllers: 3 });
});

test("two subsystems have namespaces, hosts and controllers of their own", () => {
  const { world, clock } = held();
  const device = memoryDevice({ name: "m", clock, blockBytes: 4096, blockCount: 4 });
  world.target.addSubsystem({ nqn: other, namespaces: [{ device, nsid: 5 }] });
  const controller = world.connect({ subsystemNqn: other });
  const io = controller.openIo();
  expect(io.run(readSqe(0, 1), new Uint8Array(4096)).code).toBe(Status.InvalidNamespace);
  expect(world.subsystem.controllers.size).toBe(0);
  expect(world.target.removeSubsystem(other)).toBe(true);
  clock.settle();
  expect(io.lost).toBeDefined();
  expect(world.target.removeSubsystem(other)).toBe(false);
});

test("an admin queue that is lost takes all I/O queues of its controller, and no other's", () => {
  const { world, device, clock } = held();
  const [gone, stays] = [world.connect(), world.connect()];
  const io = gone.openIo();
  const safe = stays.openIo();
  io.send(readSqe(0, 1), new Uint8Array(512));
  clock.settle();
  gone.admin.close();
  expect(io.lost).toBeDefined();
  expect(world.target.status).toMatchObject({ connections: 2, controllers: 1 });
  device.settleAll();
  device.settling = "now";
  expect(safe.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0 });
});

test("a queue lost in every phase of a write returns its buffers", () => {
  const { world, device, clock } = held();
  const controller = world.connect();
  for (const turns of [0, 1, 2, 3, 4, 6, 8, 12]) {
    const io = controller.openIo();
    for (let lba = 0; lba < 64; lba += 32) io.send(writeSqe(lba, 32), pattern(32 * 512));
    io.send(readSqe(0, 64), new Uint8Array(64 * 512));
    // Virtual time has no finer step: the queue is closed in the middle of what is deferred.
    let left = turns;
    const step = (): void => {
      if (left-- > 0) clock.defer(step);
      else io.close();
    };
    clock.defer(step);
    clock.settle();
    device.settleAll();
    clock.settle();
    expect(world.target.status).toMatchObject({ connections: 1, backendRequests: 0, buffers: 0 });
  }
});

test("frozen, a target holds what comes and what would be answered; thawed, it goes on in order", () => {
  const { world, device, clock } = held();
  const controller = world.connect({ keepAliveTimeoutMs: 5_000 });
  const io = controller.openIo();
  const read = io.send(readSqe(0, 1), new Uint8Array(512));
  clock.settle();
  world.target.freeze();
  expect(world.target.isFrozen).toBe(true);
  device.settleAll();
  const write = io.send(writeSqe(1, 1), pattern(512));
  const alive = controller.admin.send(keepAlive);
  const connecting = world.openQueue();
  const connect = connecting.send(connectSqe(), connectData());
  clock.advance(600_000);
  expect(device.seen).toHaveLength(1);
  expect([io.answers.has(read), io.answers.has(write)]).toEqual([false, false]);
  expect([io.lost, controller.admin.lost, connecting.lost]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  world.target.thaw();
  clock.settle();
  expect(io.answers.get(read)?.code).toBe(0);
  expect(controller.admin.answers.get(alive)?.code).toBe(0);
  expect(connecting.answers.get(connect)?.code).toBe(0);
  device.settleAll();
  clock.settle();
  expect(io.answers.get(write)?.code).toBe(0);
  // The watch over the hosts goes on as well.
  clock.advance(11_000);
  expect(controller.admin.lost).toBeDefined();
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0 });
});

test("a host may leave a frozen target: nothing of it is answered later", () => {
  const { world, device, clock } = held();
  const controller = world.connect();
  const io = controller.openIo();
  io.send(readSqe(0, 64), new Uint8Array(64 * 512));
  clock.settle();
  world.target.freeze();
  device.settleAll();
  io.send(writeSqe(0, 1), pattern(512));
  clock.settle();
  controller.admin.close();
  expect(world.target.status).toEqual(nothing);
  world.target.thaw();
  clock.settle();
  expect(device.seen).toHaveLength(1);
});

test("a command held for a queue that ends as the target thaws is not done", () => {
  const { world, device, clock } = held();
  const controller = world.connect();
  const io = controller.openIo();
  world.target.freeze();
  controller.admin.send(propertySet(Property.Cc, 0));
  clock.settle();
  io.send(writeSqe(0, 1), pattern(512));
  clock.settle();
  world.target.thaw();
  clock.settle();
  expect(io.lost).toBeDefined();
  expect(device.seen).toEqual([]);
});

test("a host that leaves while read data is being sent costs its buffer, but not the count of it", () => {
  const { world, device, clock } = held();
  device.settling = "now";
  const slow = world.listen("slow", 50);
  const queue = world.openQueue(slow);
  clock.advance(200);
  queue.send(connectSqe(), connectData());
  clock.advance(200);
  queue.send(propertySet(Property.Cc, ENABLED));
  clock.advance(200);
  const io = world.openQueue(slow);
  clock.advance(200);
  const [cntlid = 0] = world.subsystem.controllers.keys();
  io.send(connectSqe({ qid: 1, cntlid }), connectData({ qid: 1, cntlid }));
  clock.advance(200);
  io.send(readSqe(0, 128), new Uint8Array(128 * 512));
  clock.advance(60);
  expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 1 });
  world.subsystem.setAllowedHosts([]);
  expect(world.target.status).toEqual(nothing);
  clock.drain();
});

test("close ends an idle target at once, and everything is released", async () => {
  const { world, clock } = held();
  const controller = world.connect({ keepAliveTimeoutMs: 5_000 });
  const io = controller.openIo();
  const discovery = world.connect({ subsystemNqn: DISCOVERY_NQN });
  const early = world.openQueue();
  const report = await world.resolved(world.target.close());
  expect(report).toEqual({ tookMs: 0, abandonedRequests: 0 });
  for (const queue of [controller.admin, io, discovery.admin, early])
    expect(queue.lost).toBeDefined();
  expect(world.target.status).toEqual(nothing);
  expect(world.openQueue().lost?.code).toBe("NVME_ERR_UNREACHABLE");
  clock.advance(1_000);
  expect(clock.armed).toBe(0);
});

test("after close no timer of the target is armed, whatever its hosts do with their ends", async () => {
  for (const frozen of [false, true]) {
    const { world, clock, device } = held({ limits: { closeTimeoutMs: 100 } });
    const controllers = [1, 2].map((hostId) =>
      world.connect({ keepAliveTimeoutMs: 5_000, hostId }),
    );
    const [io] = controllers.map((controller) => controller.openIo());
    // One that never became a queue, and one with a command in its device.
    world.openQueue();
    io!.send(readSqe(0, 1), new Uint8Array(512));
    clock.settle();
    if (frozen) world.target.freeze();
    await world.resolved(world.target.close());
    device.settleAll();
    // The raw hosts have no timers once they are connected.
    expect(clock.armed).toBe(0);
  }
});

test("close answers what devices finish in time, and takes no new command", async () => {
  const { world, device, clock } = held();
  const io = world.connect().openIo();
  const read = io.send(readSqe(0, 1), new Uint8Array(512));
  clock.settle();
  const closed = world.target.close();
  const late = io.send(writeSqe(0, 1), pattern(512));
  clock.advance(100);
  device.settleAll();
  clock.settle();
  expect(io.answers.get(read)?.code).toBe(0);
  const report = await world.resolved(closed);
  expect(report.abandonedRequests).toBe(0);
  expect(io.answers.has(late)).toBe(false);
  expect(device.seen).toHaveLength(1);
  expect(world.target.status).toEqual(nothing);
});

test("close waits for a command that its device does in pieces", async () => {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock, limits: { transferBlocksMax: 8 } });
  const world = new World(clock, { namespaces: [{ device }] });
  const io = world.connect().openIo();
  const read = io.send(readSqe(0, 16), new Uint8Array(16 * 512));
  clock.settle();
  const closed = world.target.close();
  for (let piece = 0; piece < 2; piece++) {
    for (let turn = 0; turn < 10; turn++) {
      await Promise.resolve();
      clock.settle();
    }
    device.settleAll();
  }
  clock.settle();
  expect(io.answers.get(read)?.code).toBe(0);
  await world.resolved(closed);
});

test("[F102] close of a target whose device never settles is bounded, and a late end is harmless", async () => {
  const { world, device, clock } = held();
  const io = world.connect().openIo();
  for (let lba = 0; lba < 20; lba++) io.send(readSqe(lba, 1), new Uint8Array(512));
  clock.settle();
  const report = await world.resolved(world.target.close());
  expect(report).toEqual({ tookMs: 2_000, abandonedRequests: 20 });
  expect(io.lost).toBeDefined();
  device.settleAll();
  clock.settle();
  expect(world.target.status).toEqual(nothing);
  clock.drain();
});

test("close works on a frozen target, and twice", async () => {
  const { world } = held();
  const controller = world.connect();
  world.target.freeze();
  controller.admin.send(keepAlive);
  const first = world.target.close();
  expect(world.target.close()).toBe(first);
  await world.resolved(first);
  expect(world.target.status).toEqual(nothing);
  await world.resolved(world.target[Symbol.asyncDispose]());
});

test("a closed target refuses what would bring it back", async () => {
  const { world } = held();
  await world.resolved(world.target.close());
  const closed = expect.objectContaining({ code: "NVME_ERR_CLOSED" });
  expect(() => world.target.addSubsystem({ nqn: other })).toThrow(closed);
  expect(() => world.listen("again")).toThrow(closed);
});

test("[F104] hosts that are no longer allowed go, and the others stay", () => {
  const { world, device } = held();
  device.settling = "now";
  const gone = world.connect();
  const io = gone.openIo();
  const stays = world.connect({ hostNqn: other, hostId: 2 }).openIo();
  world.subsystem.setAllowedHosts([other]);
  world.clock.settle();
  expect([gone.admin.lost, io.lost].every((error) => error !== undefined)).toBe(true);
  expect(stays.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
});

test("[F105] a port that closes takes no more hosts; those it has stay, or are dropped", () => {
  const { world } = held();
  const second = world.listen("second");
  const [kept, dropped] = [world.connect(), world.connect({}, second)];
  const [first, last] = world.target.ports;
  first?.close();
  expect(world.openQueue().lost).toBeDefined();
  expect(kept.admin.run(keepAlive).code).toBe(0);
  last?.close("drop");
  world.clock.settle();
  expect(dropped.admin.lost).toBeDefined();
  expect(kept.admin.run(keepAlive).code).toBe(0);
  expect(world.target.ports).toEqual([]);
});

test("who watches a target sees who comes, who goes, and why", () => {
  const { world, clock } = held();
  const seen: TargetEvent[] = [];
  const stop = world.target.observe((event) => seen.push(event));
  const controller = world.connect();
  controller.admin.close();
  world.openQueue().run(connectSqe({ recfmt: 9 }), connectData());
  clock.settle();
  expect(seen.map(({ type }) => type)).toEqual([
    "controller-created",
    "controller-removed",
    "connection-ended",
    "connect-refused",
  ]);
  expect(seen[1]).toMatchObject({ reason: "host-left", cntlid: controller.cntlid });
  stop();
  world.connect();
  clock.settle();
  expect(seen).toHaveLength(4);
});

test("names and numbers that are taken, or cannot be, are refused", () => {
  const { world, device, clock } = held({ limits: { namespacesMax: 4 } });
  const inUse = expect.objectContaining({ code: "NVME_ERR_IN_USE" });
  const { nqn } = world.subsystem;
  expect(() => world.target.addSubsystem({ nqn })).toThrow(inUse);
  expect(() => world.target.addSubsystem({ nqn: DISCOVERY_NQN })).toThrow(inUse);
  expect(() => world.target.addSubsystem({ nqn: "" })).toThrow("empty");
  expect(() => world.target.addSubsystem({ nqn: other, serial: "x".repeat(21) })).toThrow(
    RangeError,
  );
  const add = (options: NamespaceOptions) => world.subsystem.addNamespace(options);
  expect(() => add({ device, nsid: 1 })).toThrow(inUse);
  const tooMany = expect.objectContaining({ code: "NVME_ERR_LIMIT_REACHED" });
  expect(() => add({ device, nsid: 5 })).toThrow(tooMany);
  expect(() => add({ device, anaGroup: 129 })).toThrow(RangeError);
  expect(() => add({ device, uuid: "no" })).toThrow("UUID");
  expect(() => add({ device, nguid: new Uint8Array(8) })).toThrow(RangeError);
  expect(() => world.subsystem.setAnaState({ group: 0, state: AnaState.Change })).toThrow(
    RangeError,
  );
  expect(world.subsystem.namespaces).toHaveLength(1);
  const listener = { local: "x", listen: () => {}, close: () => {} };
  const address = { trtype: "tcp", traddr: "x", trsvcid: "1" };
  expect(() => world.target.listen({ listener, address, portId: 1 })).toThrow(inUse);
  expect(() => world.target.listen({ listener, address, portId: 65_536 })).toThrow(RangeError);
  const long = { ...address, traddr: "x".repeat(257) };
  expect(() => world.target.listen({ listener, address: long })).toThrow(RangeError);
  expect(() => new Target({ clock, limits: { queueDepthMax: 0 } })).toThrow(RangeError);
});

test("a property command of a host that disabled its controller is still answered", () => {
  const { world } = held();
  const controller = world.connect();
  controller.setCc(0);
  world.clock.advance(3_600_000);
  expect(controller.admin.run(propertySet(Property.Cc, 0)).code).toBe(0);
});
