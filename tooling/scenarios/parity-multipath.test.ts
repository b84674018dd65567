// Parity with SPDK's unit tests: several paths to one namespace, and which of them is taken.
// Read first: docs/parity.md, which lists the rows; packages/bdev/src/nvme/path-policy.ts.

import type { BlockChannel } from "@nvmeof/bdev";
import {
  type MultipathDevice,
  NvmeGroup,
  type PathPolicy,
  Rank,
  checkPathPolicy,
  nextPath,
} from "@nvmeof/bdev/nvme";
import { AnaState } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { Wire, asked, impostor, obedientWorld, wired } from "./parity-support.ts";
import { World } from "./world.ts";

const passive: PathPolicy = { mode: "active-passive" };
const sticky: PathPolicy = { mode: "active-passive", failback: false };
const roundRobin = (minRequests: number): PathPolicy => ({
  mode: "active-active",
  selector: "round-robin",
  minRequests,
});
const queueDepth: PathPolicy = { mode: "active-active", selector: "queue-depth" };

/** A namespace by `ports` paths, on a device that holds what it gets. */
async function held(ports: number, policy: PathPolicy = passive) {
  const { world, disk } = obedientWorld({ ports, group: { policy } });
  for (let at = 0; at < ports; at++) await world.attach(at);
  disk.answers = "held";
  return { world, disk, device: world.device() };
}

const depths = ({ paths }: MultipathDevice): number[] => paths.map(({ inflight }) => inflight);

/** Sends a read, and says on which path it went. */
function pathOfRead(world: World, device: MultipathDevice, channel: BlockChannel): number {
  const before = depths(device);
  world.submit(channel);
  world.clock.settle();
  return depths(device).findIndex((depth, at) => depth > before[at]!);
}

/** Lets the state at one port change, and the host hear of it. */
function setAna(world: World, port: number, state: AnaState): void {
  world.subsystem.setAnaState({ group: 1, state, portId: port + 1 });
  world.clock.settle();
  // A controller tells no two events within 10 ms of each other.
  world.clock.advance(10);
}

test("parity 21: a second controller by the same address is refused, and nothing is left of it", async () => {
  const world = new World();
  await world.attach();
  await expect(world.attach()).rejects.toMatchObject({ code: "NVME_ERR_DUPLICATE" });
  expect(world.group.controllers).toHaveLength(1);
  world.clock.settle();
  expect(world.target.status.controllers).toBe(1);
});

test("parity 21: a controller with the ID of another one of its subsystem is refused", async () => {
  const world = new World();
  await world.attach();
  const transport = impostor(world);
  const attach = world.group.attach({ ...world.controllerOptions(), transport });
  await expect(world.run(attach)).rejects.toMatchObject({ code: "NVME_ERR_DUPLICATE" });
  expect(world.group.controllers).toHaveLength(1);
});

test.each(["together", "one by one"])(
  "parity 21: two controllers of one group are deleted %s",
  async (how) => {
    const world = new World({ ports: 2 });
    await world.attach(0);
    await world.attach(1);
    const removed: string[] = [];
    world.device().observe(({ type }) => removed.push(type));
    if (how === "together") {
      await world.run(world.group.close());
    } else {
      await world.run(world.group.detach(world.group.controllers[0]!));
      world.clock.settle();
      expect(removed).toEqual([]);
      expect(world.group.devices).toHaveLength(1);
      await world.run(world.group.detach(world.group.controllers[0]!));
    }
    expect(removed).toEqual(["removed"]);
    expect(world.group.controllers).toEqual([]);
    world.clock.drain();
    expect(world.target.status).toMatchObject({ connections: 0, controllers: 0 });
  },
);

test("parity 23: paths come into a channel that is in use, and go out of it again", async () => {
  const { world, disk } = obedientWorld({ ports: 2, group: { policy: roundRobin(1) } });
  await world.attach(0);
  disk.answers = "held";
  const device = world.device();
  const channel = device.openChannel();
  const four = (): number[] =>
    Array.from({ length: 4 }, () => pathOfRead(world, device, channel)).sort();
  expect(four()).toEqual([0, 0, 0, 0]);
  await world.attach(1);
  expect(four()).toEqual([0, 0, 1, 1]);
  const leaving = world.group.controllers[0]!;
  await world.run(world.group.detach(leaving));
  world.clock.settle();
  expect(device.paths.map(({ controllerPath }) => controllerPath)).not.toContain(leaving);
  expect(four()).toEqual([0, 0, 0, 0]);
});

test("parity 24: a path whose I/O queue is refused adds nothing", async () => {
  const world = new World({ ports: 2 });
  await world.attach(0);
  const wire = new Wire(world, 1);
  wire.connectionsMax = 1;
  await expect(world.run(world.group.attach(wired(world, wire)))).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
  });
  expect(world.device().paths).toHaveLength(1);
  expect(world.group.controllers).toHaveLength(1);
  expect(world.ports[1]!.connections).toBe(0);
});

test("parity 27: inaccessible and resetting paths are left out, and optimized ones come first", async () => {
  const { world, device } = await held(3);
  setAna(world, 0, AnaState.NonOptimized);
  expect(pathOfRead(world, device, device.openChannel())).toBe(1);
  setAna(world, 1, AnaState.Inaccessible);
  expect(pathOfRead(world, device, device.openChannel())).toBe(2);
  world.ports[2]!.refuse();
  world.group.controllers[2]!.controller.reset(() => {});
  world.clock.advance(0);
  expect(pathOfRead(world, device, device.openChannel())).toBe(0);
});

test("parity 27: the choice is the best rank, in order, and what is unusable is never chosen", () => {
  const all = Object.values(Rank);
  for (const first of all) {
    for (const second of all) {
      const paths = [first, second].map((rank) => ({ rank, inflight: 0 }));
      const chosen = nextPath(paths, -1, false, undefined);
      const best = Math.max(first, second);
      expect(chosen).toBe(best === Rank.Unusable ? -1 : [first, second].indexOf(best as Rank));
    }
  }
});

test("parity 40: a preferred path is taken by channels that are open, and by those to come", async () => {
  const { world, device } = await held(3);
  const open = device.openChannel();
  expect(pathOfRead(world, device, open)).toBe(0);
  const third = device.paths[2]!;
  device.prefer(third);
  world.submit(open);
  world.submit(device.openChannel());
  world.clock.settle();
  expect(device.paths[0]).toBe(third);
  expect(third.inflight).toBe(2);
});

test("parity 41: round robin stays on a path for as many requests as it was told to", async () => {
  const { world, device } = await held(2, roundRobin(2));
  const channel = device.openChannel();
  const turns = Array.from({ length: 8 }, () => pathOfRead(world, device, channel));
  expect(turns).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
});

test("parity 41: round robin takes non-optimized paths only where there is no optimized one", async () => {
  const { world, device } = await held(3, roundRobin(1));
  setAna(world, 0, AnaState.NonOptimized);
  const channel = device.openChannel();
  const four = (): number[] =>
    Array.from({ length: 4 }, () => pathOfRead(world, device, channel)).sort();
  expect(four()).toEqual([1, 1, 2, 2]);
  setAna(world, 1, AnaState.Inaccessible);
  setAna(world, 2, AnaState.NonOptimized);
  expect(four()).toEqual([0, 0, 2, 2]);
});

test("parity 42: the path with the fewest commands is taken, and rank goes before depth", async () => {
  const { world, device } = await held(3, queueDepth);
  setAna(world, 2, AnaState.NonOptimized);
  const channel = device.openChannel();
  world.reads(channel, 6);
  world.clock.settle();
  expect(depths(device)).toEqual([3, 3, 0]);
  world.ports[1]!.refuse();
  world.ports[1]!.reset();
  world.clock.settle();
  expect(depths(device)).toEqual([6, 0, 0]);
});

test.each([
  ["goes back to the first path when that returns", passive, 0],
  ["stays on the second path when told to", sticky, 1],
] as const)("parity 43: a channel %s", async (_what, policy, expected) => {
  const { world, device } = await held(2, policy);
  const channel = device.openChannel();
  expect(pathOfRead(world, device, channel)).toBe(0);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(0);
  expect(pathOfRead(world, device, channel)).toBe(1);
  world.ports[0]!.heal();
  const { controller } = world.group.controllers[0]!;
  expect(await world.run(asked(controller, "reset"))).toBeUndefined();
  world.clock.settle();
  expect(pathOfRead(world, device, channel)).toBe(expected);
});

test("parity 43: without failback a preference still moves the channel", async () => {
  const { world, device } = await held(2, sticky);
  const channel = device.openChannel();
  expect(pathOfRead(world, device, channel)).toBe(0);
  const second = device.paths[1]!;
  device.prefer(second);
  world.submit(channel);
  world.clock.settle();
  expect(second.inflight).toBe(1);
});

test("parity 44: a policy holds for channels opened before it and after it", async () => {
  const { world, device } = await held(2);
  const before = device.openChannel();
  expect(pathOfRead(world, device, before)).toBe(0);
  world.group.policy = roundRobin(1);
  for (const channel of [before, device.openChannel()]) {
    const two = [pathOfRead(world, device, channel), pathOfRead(world, device, channel)];
    expect(two.sort()).toEqual([0, 1]);
  }
});

test("parity 44: a policy holds for namespaces that come after it as well", async () => {
  const world = new World();
  world.group.policy = roundRobin(3);
  await world.attach();
  expect(world.device().policy).toEqual(roundRobin(3));
});

test.each([
  ["active-passive", passive, [0, 0]],
  ["round robin", roundRobin(1), [0, 1]],
  ["queue depth", queueDepth, [0, 1]],
] as const)(
  "parity 53: under %s the current path is that of the last request",
  async (_name, policy, expected) => {
    const { world, device } = await held(2, policy);
    const channel = device.openChannel();
    const [view] = device.channels;
    expect(view!.currentPath).toBeUndefined();
    const current = expected.map(() => {
      pathOfRead(world, device, channel);
      return device.paths.indexOf(view!.currentPath!);
    });
    expect(current).toEqual(expected);
  },
);

test("parity 58: the policy is the group's, so that its controllers cannot disagree on it", async () => {
  const { world, device } = await held(2, roundRobin(2));
  expect(device.policy).toEqual(roundRobin(2));
  expect(world.group.devices.every(({ policy }) => policy === device.policy)).toBe(true);
});

test("parity 58: a controller of another subsystem, or for another host, is no path of the group", async () => {
  const world = new World({ ports: 2 });
  await world.attach(0);
  const nqn = "nqn.2026-01.dev.nvmeof:another";
  for (const other of [{ subsystemNqn: nqn }, { hostNqn: nqn }]) {
    const attach = world.group.attach({ ...world.controllerOptions([1]), ...other });
    await expect(world.run(attach)).rejects.toMatchObject({ code: "NVME_ERR_GROUP_MISMATCH" });
  }
  expect(world.group.controllers).toHaveLength(1);
});

test("parity 59: policies that mean nothing are refused, wherever they are given", () => {
  const wrong: unknown[] = [
    roundRobin(0),
    roundRobin(-1),
    roundRobin(1.5),
    { mode: "active-active", selector: "fastest" },
    { mode: "active-active" },
    { mode: "passive" },
    {},
  ];
  for (const each of wrong as PathPolicy[]) {
    expect(() => checkPathPolicy(each)).toThrow();
    expect(() => new NvmeGroup({ name: "nvme0", policy: each })).toThrow();
    expect(() => {
      new NvmeGroup({ name: "nvme0" }).policy = each;
    }).toThrow();
  }
  for (const each of [passive, sticky, queueDepth, roundRobin(1)]) {
    expect(checkPathPolicy(each)).toBe(each);
  }
});
