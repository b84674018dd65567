// Parity with SPDK's unit tests: aborts, admin commands, resets of a device, and what groups offer.
// Read first: docs/parity.md, which lists the rows; packages/bdev/src/nvme/group.ts.

import { BlockOp } from "@nvmeof/bdev";
import { Cns, IdentifyController, viewOf } from "@nvmeof/codec";
import { type State, identifyBuffer, identifyCommand, lifecycle } from "@nvmeof/core";
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

/** An obedient world with one controller by each port, and a channel to the device. */
async function attached(ports = 1) {
  const { world, disk } = obedientWorld({ ports });
  const paths = await world.attachAll();
  const device = world.device();
  device.openChannel();
  const [channel] = device.channels;
  return { world, disk, paths, device, channel: channel! };
}

test("parity 13: an aborted request that a controller has settles at once, and is not retried", async () => {
  for (const op of [BlockOp.Read, BlockOp.Write, BlockOp.Compare, BlockOp.WriteZeroes]) {
    const { world, disk, paths, channel } = await attached();
    const [queue] = paths[0]!.controller.ioQueues;
    disk.answers = "held";
    const request = world.submit(channel, { op });
    world.clock.settle();
    channel.abort(request.request);
    world.clock.settle();
    expect(request.settled).toMatchObject([
      { error: { code: "NVME_ERR_ABORTED", outcome: "unknown" } },
    ]);
    // The controller was told, and could not: the command keeps its ID until it is answered.
    expect(queue!.abandoned).toBe(1);
    disk.letGo();
    world.clock.settle();
    expect(queue!.abandoned).toBe(0);
    expect(disk.seen).toHaveLength(1);
    expect(ends([request])).toEqual(["NVME_ERR_ABORTED"]);
  }
});

test("parity 13: a request that waits for its retry, or for a path, is aborted without being sent", async () => {
  const { world, disk, channel } = await attached();
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(0);
  const read = world.submit(channel);
  world.clock.settle();
  expect(channel.waiting).toBe(1);
  channel.abort(read.request);
  world.clock.settle();
  expect(read.settled).toMatchObject([
    { error: { code: "NVME_ERR_ABORTED", outcome: "not-sent" } },
  ]);
  expect(channel.waiting).toBe(0);
  world.ports[0]!.heal();
  world.clock.advance(10_000);
  expect(disk.seen).toEqual([]);
});

test("parity 13: a command that the controller can still stop is stopped, and its ID is free", async () => {
  const ALL = 8192;
  const limits = { transferBytesMax: ALL, connectionBufferBytesMax: ALL };
  const { world, disk } = obedientWorld({ target: { limits } });
  const path = await world.attach();
  const [queue] = path.controller.ioQueues;
  world.device().openChannel();
  const [channel] = world.device().channels;
  disk.answers = "held";
  const first = world.submit(channel!, { blockCount: ALL / BLOCK_BYTES });
  // No buffer is left for this one: it waits at the target, where an Abort finds it.
  const second = world.submit(channel!, { blockCount: ALL / BLOCK_BYTES });
  world.clock.settle();
  channel!.abort(second.request);
  world.clock.settle();
  expect(queue!.abandoned).toBe(0);
  disk.letGo();
  world.clock.settle();
  expect(ends([first, second])).toEqual(["ok", "NVME_ERR_ABORTED"]);
  expect(disk.seen).toHaveLength(1);
});

test("parity 13: a command that expires is aborted, and one that cannot be leads to a reset", async () => {
  const { world, disk } = obedientWorld({
    controller: { onTimeout: "abort", ioTimeoutMs: 5_000, keepAliveTimeoutMs: 0 },
  });
  await world.attach();
  const states = statesOf(only(world.group));
  disk.answers = "held";
  const write = world.submit(world.device().openChannel(), { op: BlockOp.WriteZeroes });
  world.clock.advance(5_000);
  expect(states).toEqual([]);
  world.clock.advance(5_000);
  expect(states).toContain("recovering");
  expect(write.settled.length).toBeLessThanOrEqual(1);
});

test("parity 18: a device offers what all its paths can do, and more again when one of them goes", async () => {
  const { world } = obedientWorld({ ports: 2 });
  await world.attach(0);
  const device = world.device();
  const large = device.limits.transferBlocksMax;
  const options = { ...world.controllerOptions([1]), transferBytesMax: 16 * 1024 };
  const path = await world.run(world.group.attach(options));
  expect(device.limits.transferBlocksMax).toBe((16 * 1024) / BLOCK_BYTES);
  await world.run(world.group.detach(path));
  expect(device.limits.transferBlocksMax).toBe(large);
});

test("parity 19: a device has the features that all its paths have", async () => {
  const { world } = obedientWorld({ ports: 2 });
  await world.attach(0);
  const device = world.device();
  expect(device.features).toMatchObject({ compare: true, verify: true });
  const wire = new Wire(world, 1);
  alterIdentify(wire, Cns.Controller, (identify) => IdentifyController.oncs.set(identify, 0, 0));
  await world.run(world.group.attach(wired(world, wire)));
  expect(device.features).toMatchObject({ compare: false, verify: false, deallocate: false });
});

test("parity 19: data lands in the caller's own memory, whichever path brings it", async () => {
  const { world, device } = await attached(2);
  const channel = device.openChannel();
  const around = new Uint8Array(3 * BLOCK_BYTES).fill(0xee);
  const data = around.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES);
  world.submit(channel, { op: BlockOp.Write, data: new Uint8Array(BLOCK_BYTES).fill(7) });
  world.clock.settle();
  for (const leaving of [undefined, world.group.controllers[0]!]) {
    data.fill(0);
    if (leaving !== undefined) await world.run(world.group.detach(leaving));
    const read = world.submit(channel, { data });
    world.clock.settle();
    expect(ends([read])).toEqual(["ok"]);
    expect(
      around.every(
        (byte, at) => byte === (at / BLOCK_BYTES >= 1 && at / BLOCK_BYTES < 2 ? 7 : 0xee),
      ),
    ).toBe(true);
  }
});

test("parity 25: an admin command goes to a controller that is well, or is refused", async () => {
  const { world, paths } = await attached(2);
  const identify = async (): Promise<number> => {
    const data = identifyBuffer();
    await world.run(world.group.admin(identifyCommand(Cns.Controller, data)));
    return IdentifyController.cntlid.get(viewOf(data));
  };
  const ids = paths.map(({ controller }) => controller.facts!.cntlid);
  expect(await identify()).toBe(ids[0]);
  await world.run(world.group.disable(paths[0]));
  expect(await identify()).toBe(ids[1]);
  await world.run(world.group.disable(paths[1]));
  await expect(identify()).rejects.toMatchObject({
    code: "NVME_ERR_NOT_CONNECTED",
    outcome: "not-sent",
  });
});

test("parity 26: a reset of a device resets its controllers in order, one after another", async () => {
  const { world, paths, device } = await attached(2);
  const order: string[] = [];
  for (const [at, { controller }] of paths.entries()) {
    controller.observe((event) => event.type === "state" && order.push(`${event.to} ${at}`));
  }
  await world.run(device.reset());
  expect(order).toEqual(["recovering 0", "live 0", "recovering 1", "live 1"]);
});

test("parity 26: who asks for a reset of a device during one shares its result", async () => {
  const { world, paths, device } = await attached(2);
  const states = paths.map(({ controller }) => statesOf(controller));
  await world.run(Promise.all([device.reset(), device.reset(), device.reset()]));
  expect(states).toEqual(times(2, ["recovering", "live"]));
});

test.each([
  ["the first", [0]],
  ["the second", [1]],
] as const)(
  "parity 26: a device is reset if %s of two controllers cannot be",
  async (_which, down) => {
    const { world, device } = await attached(2);
    for (const at of down) world.ports[at]!.refuse();
    await expect(world.run(device.reset())).resolves.toBeUndefined();
  },
);

test("parity 26: a device is not reset if none of its controllers can be", async () => {
  const { world, device } = await attached(2);
  for (const port of world.ports) port.refuse();
  await expect(world.run(device.reset())).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
});

test("parity 26: a controller that is disabled on purpose does not stand in the way of the others", async () => {
  const { world, paths, device } = await attached(2);
  await world.run(world.group.disable(paths[0]));
  const states = statesOf(paths[1]!.controller);
  await world.run(device.reset());
  expect(states).toEqual(["recovering", "live"]);
  expect(paths[0]!.controller.state).toBe("disabled");
  await world.run(world.group.disable(paths[1]));
  await expect(world.run(device.reset())).resolves.toBeUndefined();
});

/** Brings a controller into a state, where that is one to stay in. */
async function into(world: World, state: State): Promise<void> {
  const controller = only(world.group);
  if (state === "disabled") await world.run(asked(controller, "disable"));
  if (state === "waiting" || state === "recovering") world.ports[0]!.refuse();
  if (state === "waiting") {
    world.ports[0]!.reset();
    world.clock.advance(0);
  }
  if (state === "recovering") {
    controller.reset(() => {});
    world.clock.settle();
  }
  if (state === "closing" || state === "closed") {
    world.target.freeze();
    controller.close({}, () => {});
    world.clock.settle();
  }
  if (state === "closed") world.clock.advance(5_000);
  expect(controller.state).toBe(state);
}

test.each(["live", "recovering", "waiting", "disabled", "closing", "closed"] as const)(
  "parity 48: every request to a controller that is %s gets one answer, as the table has it",
  async (state) => {
    for (const request of ["reset", "disable", "enable"] as const) {
      const world = new World();
      await world.attach();
      const controller = only(world.group);
      await into(world, state);
      const errors: (string | undefined)[] = [];
      controller[request]((error) => errors.push(error?.code));
      world.ports[0]!.heal();
      world.clock.advance(10_000);
      expect(errors).toHaveLength(1);
      if (lifecycle[state][request] === "refuse") {
        expect(["NVME_ERR_STATE", "NVME_ERR_CONTROLLER_CLOSED"]).toContain(errors[0]);
      } else if (state !== "recovering") {
        expect(errors).toEqual([undefined]);
      }
    }
  },
);

test("parity 49: a request to a group goes to its controllers in turn, and ends with the last", async () => {
  const { world, paths } = await attached(3);
  const order: string[] = [];
  for (const [at, { controller }] of paths.entries()) {
    controller.observe((event) => event.type === "state" && order.push(`${event.to} ${at}`));
  }
  await world.run(world.group.disable());
  expect(order).toEqual(["disabled 0", "disabled 1", "disabled 2"]);
  await world.run(world.group.enable());
  expect(order.slice(3).filter((each) => each.startsWith("live"))).toEqual([
    "live 0",
    "live 1",
    "live 2",
  ]);
});

test("parity 49: a request to a group stops at the first controller that cannot, and says why", async () => {
  const { world, paths } = await attached(3);
  world.ports[1]!.refuse();
  const states = paths.map(({ controller }) => statesOf(controller));
  await expect(world.run(world.group.reset())).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
  });
  expect(states[0]).toEqual(["recovering", "live"]);
  expect(states[1]![0]).toBe("recovering");
  expect(states[2]).toEqual([]);
});

test("parity 54: a reset of a device fails what is new, ends what waits, and succeeds itself", async () => {
  const { world, device, channel } = await attached();
  const controller = only(world.group);
  // A request that waits for a path when the reset begins.
  await world.run(asked(controller, "disable"));
  world.ports[0]!.refuse();
  controller.enable(() => {});
  world.clock.advance(0);
  const waits = world.submit(channel);
  world.clock.settle();
  expect(channel.waiting).toBe(1);
  world.ports[0]!.heal();
  const reset = device.reset();
  const late = world.submit(channel);
  await world.run(reset);
  world.clock.settle();
  expect(ends([waits])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(ends([late])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(isFinal(late)).toBe(false);
  const after = world.submit(channel);
  world.clock.settle();
  expect(ends([after])).toEqual(["ok"]);
});

test("parity 60: groups, controllers, namespaces, paths and channels are there to be gone through", async () => {
  const world = new World({ ports: 2, namespaces: [64, 64] });
  await world.attachAll();
  const { group } = world;
  expect(group.controllers.map(({ controller }) => controller.address.traddr)).toEqual([
    "port0",
    "port1",
  ]);
  for (const path of group.controllers) expect([...path.namespaces.keys()]).toEqual([1, 2]);
  for (const device of group.devices) {
    expect(device.paths.map(({ controllerPath }) => controllerPath)).toEqual(group.controllers);
    device.openChannel();
    expect([...device.channels]).toHaveLength(1);
  }
  // Who goes through them may remove what he finds.
  for (const path of group.controllers) void group.detach(path);
  await world.runUntil(() => group.controllers.length === 0);
  expect(group.devices).toEqual([]);
});
