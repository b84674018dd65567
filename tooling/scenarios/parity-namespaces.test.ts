// Parity with SPDK's unit tests: namespaces that are found, told apart, merged, resized and gone.
// Read first: docs/parity.md, which lists the rows; packages/bdev/src/nvme/group.ts and identity.ts.

import { type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type NamespaceIdentity, NvmeGroup, identityDifference } from "@nvmeof/bdev/nvme";
import { AnaState, Cns, lbaFormatOffset } from "@nvmeof/codec";
import { Target } from "@nvmeof/target";
import { expect, test } from "vitest";
import {
  Wire,
  alterIdentify,
  asked,
  bringsAnaLog,
  ends,
  impostor,
  only,
  statesOf,
  wired,
} from "./parity-support.ts";
import { BLOCK_BYTES, NQN, World } from "./world.ts";

const diskOf = (world: World, name: string, blockCount = 64): MemoryDevice =>
  memoryDevice({ name, clock: world.clock, blockBytes: BLOCK_BYTES, blockCount });

/** What the group tells, as words. */
function eventsOf(group: NvmeGroup): string[] {
  const events: string[] = [];
  group.observe((event) => {
    if ("device" in event) events.push(`${event.type} ${event.device.name}`);
    else if (event.type === "path-refused") events.push(`${event.type} ${event.nsid}`);
  });
  return events;
}

const names = (group: NvmeGroup): string[] => group.devices.map(({ name }) => name);

test("parity 08: a controller that cannot be reached leaves nothing behind", async () => {
  const world = new World();
  world.ports[0]!.refuse();
  await expect(world.attach()).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  expect(world.group.controllers).toEqual([]);
  world.clock.drain();
  expect(world.clock.armed).toBe(0);
});

test("parity 08: a controller without namespaces is a controller without devices", async () => {
  const world = new World({ namespaces: [] });
  await world.attach();
  expect(only(world.group).state).toBe("live");
  expect(world.group.devices).toEqual([]);
});

test("parity 08: each namespace of a controller becomes a device, named by group and NSID", async () => {
  const world = new World({ namespaces: [64, 128] });
  await world.attach();
  expect(names(world.group)).toEqual(["nvme0n1", "nvme0n2"]);
  expect([world.device(1).blockCount, world.device(2).blockCount]).toEqual([64, 128]);
});

test("parity 08: a namespace of a format that is not supported leaves the controller without it", async () => {
  const world = new World({ namespaces: [64, 64] });
  const events = eventsOf(world.group);
  const wire = new Wire(world);
  let answers = 0;
  alterIdentify(wire, Cns.Namespace, (identify) => {
    // Of the first namespace only: its first LBA format begins with the bytes of metadata per block.
    if (answers++ === 0) identify.setUint16(lbaFormatOffset(0), 8, true);
  });
  await world.run(world.group.attach(wired(world, wire)));
  expect(only(world.group).state).toBe("live");
  expect(events).toEqual(["path-refused 1", "device-added nvme0n2"]);
});

test("parity 09: a connection that is lost during the attach is made again, and the attach succeeds", async () => {
  const world = new World();
  const wire = new Wire(world);
  let lost = 0;
  wire.fateOf = (pdu) => (bringsAnaLog(pdu) && lost++ === 0 ? "reset" : "arrives");
  const path = await world.run(world.group.attach(wired(world, wire)));
  expect(lost).toBe(2);
  expect(path.controller.state).toBe("live");
  expect(names(world.group)).toEqual(["nvme0n1"]);
  expect(path.namespaces.get(1)!.anaState).toBe(AnaState.Optimized);
});

test("parity 10: namespaces that come, go, grow and shrink are followed", async () => {
  const world = new World({ namespaces: [64] });
  const events = eventsOf(world.group);
  await world.attach();
  const late = diskOf(world, "late");
  world.subsystem.addNamespace({ device: late, nsid: 7 });
  world.clock.settle();
  const device = world.device(7);
  const sizes: number[] = [];
  device.observe((event) => sizes.push(event.type === "resized" ? event.blockCount : -1));
  for (const blockCount of [128, 32]) {
    world.clock.advance(10);
    late.resize(blockCount);
    world.clock.settle();
  }
  world.clock.advance(10);
  world.subsystem.removeNamespace(7);
  world.clock.settle();
  expect(sizes).toEqual([128, 32, -1]);
  expect(events).toEqual([
    "device-added nvme0n1",
    "device-added nvme0n7",
    "device-removed nvme0n7",
  ]);
  expect(device.closedReason).toBe("namespace 7 was removed");
});

test("parity 10: changes that come faster than the host looks at them are not lost", async () => {
  const world = new World({ namespaces: [64] });
  await world.attach();
  for (let nsid = 2; nsid <= 9; nsid++) {
    world.subsystem.addNamespace({ device: diskOf(world, `disk${nsid}`), nsid });
  }
  world.subsystem.removeNamespace(5);
  world.subsystem.setAnaState({ group: 1, state: AnaState.NonOptimized });
  world.clock.advance(100);
  expect(world.group.devices.map(({ nsid }) => nsid)).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
  expect(world.device(9).paths[0]!.anaState).toBe(AnaState.NonOptimized);
});

const ids = { uuid: "u", nguid: "n", eui64: "e", csi: 0 } satisfies NamespaceIdentity;
const none = { uuid: undefined, nguid: undefined, eui64: undefined, csi: 0 };

test("parity 16: namespaces are one when all that tells them apart is equal", () => {
  expect(identityDifference(ids, { ...ids })).toBeUndefined();
  for (const field of ["uuid", "nguid", "eui64"] as const) {
    const named = { ...none, [field]: "x" };
    expect(identityDifference(named, { ...named })).toBeUndefined();
    expect(identityDifference(named, { ...none, [field]: "y" })).toBe(field);
    expect(identityDifference(named, none)).toBe(field);
    expect(identityDifference(none, named)).toBe(field);
  }
  expect(identityDifference(ids, { ...ids, csi: 2 })).toBe("csi");
  expect(identityDifference(none, none)).toBeUndefined();
});

test("parity 22: the namespaces of two controllers are merged by what they are", async () => {
  const world = new World({ ports: 2, namespaces: [64, 64, 64] });
  await world.attach(0);
  await world.attach(1);
  expect(names(world.group)).toEqual(["nvme0n1", "nvme0n2", "nvme0n3"]);
  for (const { paths } of world.group.devices) expect(paths).toHaveLength(2);
});

test("parity 22: a namespace of the same NSID and another UUID is refused, and its NSID is not", async () => {
  const world = new World({ namespaces: [64] });
  await world.attach();
  const events = eventsOf(world.group);
  const uuid = "0c7c6a2e-4c37-4f8e-9d3c-1f6f5f2a9b01";
  // A controller ID of its own: the impostor's first one went to somebody else.
  const transport = impostor(world, { uuid });
  const first = new NvmeGroup({ name: "other" });
  await world.run(first.attach({ ...world.controllerOptions(), transport }));
  await world.run(world.group.attach({ ...world.controllerOptions(), transport }));
  expect(events).toEqual(["path-refused 1"]);
  expect(world.device().paths).toHaveLength(1);
  expect(world.group.controllers).toHaveLength(2);
  // It is refused for as long as something else has its NSID.
  await world.run(world.group.detach(world.group.controllers[0]!));
  world.clock.settle();
  expect(world.device().identity.uuid).toBe(uuid);
});

test.each([
  ["first", 0],
  ["second", 1],
] as const)(
  "parity 22: with the %s of two controllers gone, its namespaces live on by the other one",
  async (_which, leaving) => {
    const world = new World({ ports: 2, namespaces: [64, 64] });
    await world.attach(0);
    await world.attach(1);
    await world.run(world.group.detach(world.group.controllers[leaving]!));
    for (const device of world.group.devices) {
      expect(device.paths).toHaveLength(1);
      const read = world.submit(device.openChannel());
      world.clock.settle();
      expect(ends([read])).toEqual(["ok"]);
    }
    await world.run(world.group.close());
    expect(world.group.devices).toEqual([]);
  },
);

test("parity 22: devices that their user closes are gone, whatever paths lead to them", async () => {
  const world = new World({ ports: 2, namespaces: [64, 64] });
  await world.attach(0);
  await world.attach(1);
  await world.run(Promise.all(world.group.devices.map((device) => device.close())));
  expect(world.group.devices).toEqual([]);
  // Connecting anew must not bring back what somebody has closed.
  expect(await world.run(asked(world.group.controllers[0]!.controller, "reset"))).toBeUndefined();
  world.clock.settle();
  expect(world.group.devices).toEqual([]);
  expect(world.group.controllers).toHaveLength(2);
});

test("parity 38: namespaces are found by NSID, in whatever order they came", async () => {
  const world = new World({ namespaces: [] });
  for (const nsid of [9, 2, 5]) {
    world.subsystem.addNamespace({ device: diskOf(world, `disk${nsid}`, nsid * 8), nsid });
  }
  const path = await world.attach();
  expect([...path.namespaces.keys()]).toEqual([2, 5, 9]);
  world.subsystem.addNamespace({ device: diskOf(world, "disk3", 24), nsid: 3 });
  world.clock.settle();
  for (const nsid of [2, 3, 5, 9]) {
    expect(world.device(nsid).blockCount).toBe(nsid * 8);
    expect(path.namespaces.get(nsid)!.nsid).toBe(nsid);
  }
  expect(path.namespaces.get(4)).toBeUndefined();
});

test("parity 45: a target names its namespaces the same each time, and no two of them alike", () => {
  const uuids = (): string[] => {
    const world = new World();
    const target = new Target({ clock: world.clock });
    return [NQN, `${NQN}-2`].flatMap((nqn) => {
      const subsystem = target.addSubsystem({ nqn, serial: "" });
      return [1, 2].map(
        (nsid) => subsystem.addNamespace({ device: diskOf(world, "disk"), nsid }).uuid,
      );
    });
  };
  expect(uuids()).toEqual(uuids());
  expect(new Set(uuids()).size).toBe(4);
});

test("parity 45: a namespace that nothing tells from another one has a path of its own only", async () => {
  const world = new World({ ports: 2, namespaces: [64] });
  const events = eventsOf(world.group);
  for (const at of [0, 1]) {
    const wire = new Wire(world, at);
    alterIdentify(wire, Cns.NamespaceDescriptors, (descriptors) => descriptors.setUint32(0, 0));
    await world.run(world.group.attach(wired(world, wire)));
  }
  expect(events).toEqual(["device-added nvme0n1", "path-refused 1"]);
  expect(world.device().paths).toHaveLength(1);
});

test("parity 52: a namespace that is removed during a reset is gone after it, with its requests", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  const device = world.device();
  const states = statesOf(controller);
  world.ports[0]!.refuse();
  controller.reset(() => {});
  world.clock.advance(0);
  const read = world.submit(device.openChannel());
  world.subsystem.removeNamespace(1);
  world.ports[0]!.heal();
  expect(world.clock.runUntil(() => states.includes("live"))).toBe(true);
  world.clock.settle();
  expect(world.group.devices).toEqual([]);
  expect(ends([read])).toEqual(["NVME_ERR_CLOSED"]);
  expect(device.closedReason).toBe("namespace 1 was removed");
});

test("parity 52: a namespace that comes back during a reset is the same device, and is used", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  const device = world.device();
  world.ports[0]!.refuse();
  controller.reset(() => {});
  world.clock.advance(0);
  const read = world.submit(device.openChannel());
  world.subsystem.removeNamespace(1);
  world.subsystem.addNamespace({ device: world.disks[0]!, nsid: 1 });
  world.ports[0]!.heal();
  expect(world.clock.runUntil(() => read.settled.length > 0)).toBe(true);
  expect(ends([read])).toEqual(["ok"]);
  expect(world.group.devices).toEqual([device]);
});

test("parity 52: other data under the same NSID after a reset is another device, and never mixed", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  const device = world.device();
  world.ports[0]!.refuse();
  controller.reset(() => {});
  world.clock.advance(0);
  const write = world.submit(device.openChannel());
  world.subsystem.removeNamespace(1);
  world.subsystem.addNamespace({ device: diskOf(world, "stranger"), nsid: 1 });
  world.ports[0]!.heal();
  expect(world.clock.runUntil(() => write.settled.length > 0)).toBe(true);
  expect(ends([write])).toEqual(["NVME_ERR_NS_CHANGED"]);
  expect(world.device()).not.toBe(device);
  expect(world.device().blockCount).toBe(64);
});
