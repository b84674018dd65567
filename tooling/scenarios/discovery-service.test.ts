// The discovery service: what it attaches, what it detaches, and what it makes of a bad day.
// Read first: packages/bdev/src/nvme/discovery-service.ts; spdk-bdev-nvme.md §2.15.

import { memoryDevice } from "@nvmeof/bdev";
import {
  DiscoveryService,
  type DiscoveryServiceEvent,
  type DiscoveryServiceOptions,
} from "@nvmeof/bdev/nvme";
import { type DiscoveryEntry, DiscoveryLogEntry, DiscoveryLogHeader, Lid } from "@nvmeof/codec";
import type { ControllerOptions } from "@nvmeof/core";
import { expect, test } from "vitest";
import { Wire, addPort, ends } from "./parity-support.ts";
import { BLOCK_BYTES, HOST_NQN, NQN, World } from "./world.ts";

const OTHER_NQN = `${NQN}-other`;

/** A short life for controllers that cannot be reached. */
const impatient: Partial<ControllerOptions> = {
  reconnect: { delayMs: 1_000, delayMaxMs: 1_000, jitter: 0, fastFailMs: 0, lossMs: 5_000 },
};

class Bench {
  readonly world: World;
  readonly service: DiscoveryService;
  readonly events: DiscoveryServiceEvent[] = [];

  constructor(world: World, options: Partial<DiscoveryServiceOptions> = {}) {
    this.world = world;
    const { hostNqn, hostId } = world.controllerOptions();
    this.service = new DiscoveryService({
      transport: world.transport(0),
      hostNqn,
      hostId,
      name: "nvme",
      open: (entry) => this.open(entry),
      ...options,
    });
    this.service.observe((event) => this.events.push(event));
  }

  /** A transport to the port that a record names. */
  open({ traddr }: DiscoveryEntry) {
    const at = Number(traddr.replace("port", ""));
    return this.world.ports[at] && this.world.transport(at);
  }

  start(): Promise<void> {
    return this.world.run(this.service.start());
  }

  /** What is attached, as "name: addresses". */
  get attached(): string[] {
    return this.service.groups.map(({ name, controllers }) => {
      const addresses = controllers.map(({ controller }) => controller.address.traddr);
      return `${name}: ${addresses.sort().join(" ")}`;
    });
  }

  count(type: DiscoveryServiceEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }

  addSubsystem(nqn: string): void {
    const { clock, target } = this.world;
    const device = memoryDevice({ name: nqn, clock, blockBytes: BLOCK_BYTES, blockCount: 64 });
    target.addSubsystem({ nqn, namespaces: [{ device }] });
  }
}

test("what the log has is attached: a group for each subsystem, a controller for each address", async () => {
  const bench = new Bench(new World({ ports: 2 }));
  bench.addSubsystem(OTHER_NQN);
  await bench.start();
  expect(bench.attached).toEqual(["nvme0: port0 port1", "nvme1: port0 port1"]);
  const [group] = bench.service.groups;
  expect(group!.devices.map(({ name, paths }) => `${name} ${paths.length}`)).toEqual(["nvme0n1 2"]);
  const read = bench.world.submit(group!.devices[0]!.openChannel());
  bench.world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
});

test("a subsystem that comes is attached, and one that goes is detached, and its name is free", async () => {
  const bench = new Bench(new World());
  await bench.start();
  bench.addSubsystem(OTHER_NQN);
  await bench.world.idle();
  expect(bench.attached).toEqual(["nvme0: port0", "nvme1: port0"]);
  await bench.world.pass(10);
  bench.world.target.removeSubsystem(NQN);
  await bench.world.pass(3_000);
  expect(bench.attached).toEqual(["nvme1: port0"]);
  bench.addSubsystem(`${NQN}-third`);
  await bench.world.idle();
  expect(bench.attached).toEqual(["nvme1: port0", "nvme0: port0"]);
});

test("an address that comes is one more path, and one that goes takes nothing else along", async () => {
  const world = new World();
  const bench = new Bench(world);
  await bench.start();
  const device = bench.service.groups[0]!.devices[0]!;
  const channel = device.openChannel();
  addPort(world);
  await world.idle();
  expect(device.paths).toHaveLength(2);
  await world.pass(10);
  const [, port] = world.target.ports;
  port!.close();
  await world.pass(3_000);
  expect(bench.attached).toEqual(["nvme0: port0"]);
  const read = world.submit(channel);
  await world.idle();
  expect(ends([read])).toEqual(["ok"]);
});

test("changes during a read of the log make for one more read, not for many", async () => {
  const bench = new Bench(new World());
  await bench.start();
  const logs = bench.count("log");
  for (let at = 0; at < 20; at++) bench.addSubsystem(`${NQN}-${at}`);
  await bench.world.pass(100);
  expect(bench.attached).toHaveLength(21);
  expect(bench.count("log") - logs).toBeLessThanOrEqual(2);
});

test("a change that comes with the last answer of a read is not lost", async () => {
  const world = new World();
  const wire = new Wire(world);
  const bench = new Bench(world, { transport: wire.transport });
  let headers = 0;
  wire.fateOf = ({ selector, dataBytes }) => {
    // The header is read before the records, and once more after them.
    const isHeader = selector === Lid.Discovery && dataBytes === DiscoveryLogHeader.size;
    if (isHeader && ++headers === 2) bench.addSubsystem(OTHER_NQN);
    return "arrives";
  };
  await bench.start();
  await world.pass(1_000);
  expect(bench.attached).toEqual(["nvme0: port0", "nvme1: port0"]);
});

test("a controller that cannot be attached is tried again, ever less often", async () => {
  const world = new World({ ports: 2 });
  const bench = new Bench(world);
  world.ports[1]!.refuse();
  await bench.start();
  expect(bench.attached).toEqual(["nvme0: port0"]);
  await world.pass(20_000);
  const retries = bench.events.flatMap((event) =>
    event.type === "attach-failed" ? [event.retryMs] : [],
  );
  expect(retries).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  world.ports[1]!.heal();
  await world.pass(16_000);
  expect(bench.attached).toEqual(["nvme0: port0 port1"]);
});

test("a controller that refuses this host for good is left alone until the log changes", async () => {
  const world = new World({ ports: 2 });
  let refuse: "yes" | "no" = "yes";
  const bench = new Bench(world, {
    open: (entry) => {
      // The log still has it when the subsystem does not want this host any more.
      if (refuse === "yes") world.subsystem.setAllowedHosts([]);
      return bench.open(entry);
    },
  });
  await bench.start();
  const failed = bench.events.filter((event) => event.type === "attach-failed");
  expect(failed[0]).toMatchObject({ error: { code: "NVME_ERR_HOST_NOT_ALLOWED" } });
  expect(failed[0]!.retryMs).toBeUndefined();
  refuse = "no";
  world.subsystem.setAllowedHosts([HOST_NQN]);
  await world.pass(10);
  await world.pass(100);
  expect(bench.attached).toEqual(["nvme0: port0 port1"]);
});

test("a host that is not allowed any more loses what it has, and gets it back when it is", async () => {
  const world = new World();
  const bench = new Bench(world);
  await bench.start();
  world.subsystem.setAllowedHosts([]);
  await world.pass(3_000);
  expect(bench.attached).toEqual([]);
  world.subsystem.setAllowedHosts("any");
  await world.pass(100);
  expect(bench.attached).toEqual(["nvme0: port0"]);
});

test("without the discovery controller everything stays, and its return tells what was missed", async () => {
  const world = new World({ ports: 2 });
  const bench = new Bench(world, {
    open: (entry) => (portOf(entry) === 1 ? bench.open(entry) : undefined),
  });
  await bench.start();
  expect(bench.attached).toEqual(["nvme0: port1"]);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  await world.pass(600_000);
  expect(bench.attached).toEqual(["nvme0: port1"]);
  bench.addSubsystem(OTHER_NQN);
  world.ports[0]!.heal();
  await world.pass(60_000);
  expect(bench.attached).toEqual(["nvme0: port1", "nvme1: port1"]);
});

test("the discovery controller is found again by any address that the log has for it", async () => {
  const world = new World({ ports: 2 });
  const bench = new Bench(world);
  await bench.start();
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  await world.pass(1_000);
  bench.addSubsystem(OTHER_NQN);
  await world.pass(100);
  expect(bench.attached[1]).toBe("nvme1: port1");
});

test("a log that cannot be read is read again, and later changes are seen", async () => {
  const world = new World();
  const wire = new Wire(world);
  const bench = new Bench(world, { transport: wire.transport });
  await bench.start();
  // The record format of the header, at 16, is not one that we know.
  wire.alter = (_pdu, data) => data.setUint16(16, 7, true);
  bench.addSubsystem(OTHER_NQN);
  await world.pass(5_000);
  expect(bench.count("log-failed")).toBe(3);
  expect(bench.attached).toEqual(["nvme0: port0"]);
  wire.alter = () => {};
  await world.pass(4_000);
  expect(bench.attached).toEqual(["nvme0: port0", "nvme1: port0"]);
  bench.addSubsystem(`${NQN}-third`);
  await world.pass(100);
  expect(bench.attached).toHaveLength(3);
});

test("a controller that was lost for too long is attached again, as long as the log has it", async () => {
  const world = new World({ ports: 2 });
  const bench = new Bench(world, {
    controller: impatient,
    open: (entry) => (portOf(entry) === 1 ? bench.open(entry) : undefined),
  });
  await bench.start();
  world.ports[1]!.refuse();
  world.ports[1]!.reset();
  await world.pass(6_000);
  expect(bench.attached).toEqual(["nvme0: "]);
  expect(bench.count("detached")).toBe(1);
  world.ports[1]!.heal();
  await world.pass(30_000);
  expect(bench.attached).toEqual(["nvme0: port1"]);
});

test("what somebody detaches by hand stays detached until the log changes", async () => {
  const world = new World({ ports: 2 });
  const bench = new Bench(world);
  await bench.start();
  const [group] = bench.service.groups;
  await world.run(group!.detach(group!.controllers[1]!));
  await world.pass(100_000);
  expect(bench.attached).toEqual(["nvme0: port0"]);
  bench.addSubsystem(OTHER_NQN);
  await world.pass(100);
  expect(bench.attached[0]).toBe("nvme0: port0 port1");
});

test("a record that vanishes while it is being attached is not attached", async () => {
  const world = new World({ ports: 2 });
  const wire = new Wire(world);
  const bench = new Bench(world, { transport: wire.transport });
  world.ports[1]!.climate = { toHost: "held" };
  const started = bench.service.start();
  await world.idle();
  // Another subsystem makes the host read the log, which has nothing at that port any more.
  wire.alter = ({ selector }, log) => {
    for (
      let at = 0;
      selector === Lid.Discovery && at < log.byteLength;
      at += DiscoveryLogEntry.size
    ) {
      if (DiscoveryLogEntry.traddr.get(log, at) === "port1")
        DiscoveryLogEntry.traddr.set(log, at, "nowhere");
    }
  };
  bench.addSubsystem(OTHER_NQN);
  await world.idle();
  // What was on its way comes in time for an attach that had not been given up.
  world.ports[1]!.heal();
  await world.run(started);
  await world.pass(60_000);
  expect(bench.attached).toEqual(["nvme0: port0", "nvme1: port0"]);
  expect(bench.count("attached")).toBe(2);
  expect(bench.count("attach-failed")).toBe(0);
});

test.each(["answers", "is silent"])(
  "stopping detaches everything, with a peer that %s, and leaves nothing behind",
  async (peer) => {
    const world = new World({ ports: 2 });
    const bench = new Bench(world);
    await bench.start();
    const reads = world.reads(bench.service.groups[0]!.devices[0]!.openChannel(), 8);
    if (peer === "is silent") world.target.freeze();
    const startedMs = world.clock.nowMs();
    await world.run(Promise.all([bench.service.stop(), bench.service.stop()]));
    expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(2_000);
    expect(bench.service.groups).toEqual([]);
    await world.idle();
    for (const { settled } of reads) expect(settled).toHaveLength(1);
    expect(world.ports.map(({ connections }) => connections)).toEqual([0, 0]);
    expect(world.hostClock.armed).toBe(0);
  },
);

test("stopping during the start ends both, whatever the start is waiting for", async () => {
  for (let answers = 0; answers < 40; answers += 3) {
    const world = new World();
    const bench = new Bench(world);
    world.port.afterAnswers(answers, () => world.target.freeze());
    const started = bench.service.start().then(
      () => "started",
      () => "stopped",
    );
    await world.idle();
    await world.run(bench.service.stop());
    expect(["started", "stopped"]).toContain(await world.run(started));
    await world.idle();
    expect(world.port.connections).toBe(0);
    expect(world.hostClock.armed).toBe(0);
  }
});

test("a start that reaches nobody says so, and leaves nothing behind", async () => {
  const world = new World();
  const bench = new Bench(world);
  world.port.refuse();
  await expect(bench.start()).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  expect(world.hostClock.armed).toBe(0);
  await expect(bench.service.start()).rejects.toThrow(TypeError);
});

const portOf = ({ traddr }: DiscoveryEntry): number => Number(traddr.replace("port", ""));
