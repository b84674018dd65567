// A remote namespace keeps the contract of a block device, over one path, over two, and in between.
// Read first: @nvmeof/bdev/conformance; packages/bdev/src/nvme/multipath-device.ts, open-namespace.ts.

import type { BlockDevice, MemoryDevice } from "@nvmeof/bdev";
import { type BlockDeviceHarness, blockDeviceConformance } from "@nvmeof/bdev/conformance";
import { NvmeHost } from "@nvmeof/bdev/nvme";
import { test } from "vitest";
import { World, type WorldOptions } from "./world.ts";

/** A harness whose devices are namespaces of a world of their own. */
function harness(
  options: WorldOptions,
  open: (world: World) => Promise<BlockDevice> | BlockDevice,
): BlockDeviceHarness {
  let world: World;
  return {
    async make() {
      world = new World(options);
      await world.attachAll();
      return open(world);
    },
    turn: () => world.pass(1),
    async resize(_device, blockCount) {
      (world.disks[0] as MemoryDevice).resize(blockCount);
      await world.pass(50);
    },
  };
}

const multipath = (world: World): BlockDevice => world.device();

async function opened(world: World): Promise<BlockDevice> {
  const host = new NvmeHost(world.group, world.group.controllers[0]!, world.controllerOptions());
  return host.openNamespace(1);
}

const roundRobin = { mode: "active-active", selector: "round-robin" } as const;

blockDeviceConformance("one path", harness({}, multipath), test);
blockDeviceConformance(
  "two paths in turn",
  harness({ ports: 2, group: { policy: roundRobin } }, multipath),
  test,
);
blockDeviceConformance(
  "short queues and small transfers",
  harness(
    { controller: { queueEntries: 2 }, target: { limits: { transferBytesMax: 8_192 } } },
    multipath,
  ),
  test,
);
blockDeviceConformance("an open namespace", harness({}, opened), test);
