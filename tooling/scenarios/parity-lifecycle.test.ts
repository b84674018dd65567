// Parity with SPDK's unit tests: one controller from its attach to its end, and resets on the way.
// Read first: docs/parity.md, which lists the rows; DESIGN.md §4.

import { BlockOp, memoryDevice } from "@nvmeof/bdev";
import { NvmeGroup } from "@nvmeof/bdev/nvme";
import { Cns } from "@nvmeof/codec";
import { identifyBuffer, identifyCommand } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  Wire,
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

const BOUND_MS = 2_000;

test("parity 01: a controller is attached, found under its name, deleted, and gone", async () => {
  const world = new World();
  const path = await world.attach();
  expect(world.group.name).toBe("nvme0");
  expect(world.group.controllers).toEqual([path]);
  expect(world.device().name).toBe("nvme0n1");
  const report = await world.run(world.group.detach(path));
  expect(report.shutdown).toBe("complete");
  expect(world.group.controllers).toEqual([]);
  expect(world.group.devices).toEqual([]);
  expect(path.controller.state).toBe("closed");
  world.clock.drain();
  expect(world.target.status.controllers).toBe(0);
  expect(world.clock.armed).toBe(0);
});

test("parity 02: a reset tears down the queues of both channels, and their reads end well", async () => {
  const { world, disk } = obedientWorld({ controller: { ioQueues: 2 } });
  await world.attach();
  const controller = only(world.group);
  const channels = [world.device().openChannel(), world.device().openChannel()];
  disk.answers = "held";
  const reads = channels.flatMap((channel) => world.reads(channel, 3));
  world.clock.settle();
  const before = controller.ioQueues;
  const states = statesOf(controller);
  const reset = world.run(asked(controller, "reset"));
  expect(await reset).toBeUndefined();
  expect(states).toEqual(["recovering", "live"]);
  expect(controller.ioQueues).toHaveLength(2);
  expect(controller.ioQueues.some((queue) => before.includes(queue))).toBe(false);
  disk.letGo();
  world.clock.settle();
  expect(ends(reads)).toEqual(times(6, "ok"));
});

test("parity 02: a reset of a controller that is being deleted is refused, and says so", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  world.target.freeze();
  const closed = world.group.close();
  const reset = await world.run(asked(controller, "reset"));
  expect(reset).toMatchObject({ code: "NVME_ERR_CONTROLLER_CLOSED", outcome: "not-sent" });
  await world.run(closed);
  expect(await world.run(asked(controller, "reset"))).toMatchObject({
    code: "NVME_ERR_CONTROLLER_CLOSED",
  });
});

test("parity 02: a reset that finds nobody there any more tells its caller why", async () => {
  const world = new World();
  await world.attach();
  world.ports[0]!.refuse();
  const reset = await world.run(asked(only(world.group), "reset"));
  expect(reset).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  expect(only(world.group).state).toBe("waiting");
});

test("parity 03: a delete during a reset ends both at once, whoever still holds a channel", async () => {
  const world = new World({ controller: { ioQueues: 2 } });
  await world.attach();
  const device = world.device();
  const channels = [device.openChannel(), device.openChannel()];
  const controller = only(world.group);
  world.target.freeze();
  const reset = asked(controller, "reset");
  world.clock.settle();
  expect(controller.state).toBe("recovering");
  const [report] = await world.run(world.group.close());
  expect(report!.totalMs).toBeLessThanOrEqual(BOUND_MS);
  expect(await reset).toBeDefined();
  expect(controller.state).toBe("closed");
  expect(await world.run(asked(controller, "reset"))).toMatchObject({
    code: "NVME_ERR_CONTROLLER_CLOSED",
  });
  const late = channels.map((channel) => world.submit(channel));
  world.clock.settle();
  expect(ends(late)).toEqual(times(2, "NVME_ERR_CLOSED"));
});

test("parity 04: a delete ends what is in flight on both channels, without a reset", async () => {
  const world = new World({ controller: { ioQueues: 2 } });
  await world.attach();
  const device = world.device();
  const channels = [device.openChannel(), device.openChannel()];
  const controller = only(world.group);
  world.target.freeze();
  const reads = channels.flatMap((channel) => world.reads(channel, 8));
  world.clock.settle();
  const states = statesOf(controller);
  await world.run(world.group.close());
  world.clock.settle();
  expect(states).toEqual(["closing", "closed"]);
  expect(world.ports[0]!.connections).toBe(0);
  expect(ends(reads)).toEqual(times(16, "NVME_ERR_CONTROLLER_CLOSED"));
  expect(reads.every(isFinal)).toBe(true);
});

test("parity 04: a delete lets a peer that answers finish what it has", async () => {
  const latencyMs = 100;
  const world = new World({
    disk: (clock, name, blockCount) =>
      memoryDevice({ name, clock, blockBytes: BLOCK_BYTES, blockCount, latencyMs }),
  });
  await world.attach();
  const reads = world.reads(world.device().openChannel(), 16);
  world.clock.settle();
  const [report] = await world.run(world.group.close());
  expect(ends(reads)).toEqual(times(16, "ok"));
  expect(report).toMatchObject({ abortedCommands: 0, shutdown: "complete" });
  expect(report!.phasesMs.drain).toBe(latencyMs);
});

test("parity 04: users hear of the removal before the first of their requests fails", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  const order: string[] = [];
  device.observe(({ type }) => order.push(type));
  world.target.freeze();
  const data = new Uint8Array(BLOCK_BYTES);
  const request = { op: BlockOp.Read, lba: 0, blockCount: 1, data };
  device.openChannel().submit(request, () => order.push("failed"));
  world.clock.settle();
  await world.run(world.group.close());
  world.clock.settle();
  expect(order).toEqual(["removed", "failed"]);
});

test("parity 04: an admin command that is in flight ends with the delete as well", async () => {
  const world = new World();
  const { controller } = await world.attach();
  world.target.freeze();
  const errors: (string | undefined)[] = [];
  for (let command = 0; command < 40; command++) {
    const identify = identifyCommand(Cns.Controller, identifyBuffer());
    controller.admin(identify, (error) => errors.push(error?.code));
  }
  world.clock.settle();
  await world.run(world.group.close());
  world.clock.settle();
  expect(errors).toEqual(times(40, "NVME_ERR_CONTROLLER_CLOSED"));
});

test("parity 07: a second reset joins the first, and shares its success", async () => {
  const world = new World();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const connections = wire.streams.length;
  const controller = only(world.group);
  const resets = [asked(controller, "reset"), asked(controller, "reset")];
  expect(await world.run(Promise.all(resets))).toEqual([undefined, undefined]);
  expect(wire.streams.length).toBe(connections * 2);
});

test("parity 07: resets that wait for a controller which is then deleted share that end", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  world.target.freeze();
  const resets = [asked(controller, "reset"), asked(controller, "reset")];
  world.clock.settle();
  await world.run(world.group.close());
  const errors = await world.run(Promise.all(resets));
  expect(errors.every((error) => error !== undefined)).toBe(true);
});

test.each(["the device", "the controller"] as const)(
  "parity 15: closing %s first, and then the other one, leaves nothing behind",
  async (first) => {
    const world = new World();
    const path = await world.attach();
    const device = world.device();
    if (first === "the device") {
      await world.run(device.close());
      expect(world.group.devices).toEqual([]);
      expect(path.controller.state).toBe("live");
      await world.run(world.group.close());
    } else {
      await world.run(world.group.close());
      await world.run(device.close());
    }
    expect(world.group.devices).toEqual([]);
    expect(world.group.controllers).toEqual([]);
    world.clock.drain();
    expect(world.target.status).toMatchObject({ connections: 0, controllers: 0 });
  },
);

test("parity 20: one I/O queue that is lost makes the controller connect all of them anew", async () => {
  const world = new World({ controller: { ioQueues: 2 } });
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const channel = world.device().openChannel();
  const states = statesOf(only(world.group));
  wire.reset(2);
  world.clock.settle();
  expect(states).toEqual(["recovering", "live"]);
  expect(wire.streams).toHaveLength(6);
  expect(world.ports[0]!.connections).toBe(3);
  const read = world.submit(channel);
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 20: a reset that fails leaves no queue connected", async () => {
  const world = new World({ controller: { ioQueues: 2 } });
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  wire.connectionsMax = wire.streams.length + 2;
  expect(await world.run(asked(only(world.group), "reset"))).toBeDefined();
  expect(only(world.group).ioQueues).toEqual([]);
  expect(world.ports[0]!.connections).toBe(0);
});

test("parity 47: a queue that is lost at the last step of a reset costs that attempt only", async () => {
  const world = new World();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const pdusOfBringUp = countBringUp(world, wire);
  const controller = only(world.group);
  await world.run(asked(controller, "reset"));
  const lastPdu = wire.pdus + (await pdusOfBringUp) - 1;
  wire.fateOf = ({ number }) => (number === lastPdu ? "reset" : "arrives");
  const states = statesOf(controller);
  expect(await world.run(asked(controller, "reset"))).toMatchObject({
    code: "NVME_ERR_CONNECTION_LOST",
  });
  expect(world.clock.runUntil(() => controller.state === "live")).toBe(true);
  expect(states).toEqual(["recovering", "waiting", "recovering", "live"]);
});

test("parity 50: a controller is disabled and enabled again, and its requests know", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  const channel = world.device().openChannel();
  expect(await world.run(asked(controller, "disable"))).toBeUndefined();
  expect(controller.state).toBe("disabled");
  expect(world.ports[0]!.connections).toBe(0);
  expect(await world.run(asked(controller, "disable"))).toBeUndefined();
  expect(await world.run(asked(controller, "reset"))).toMatchObject({ code: "NVME_ERR_STATE" });
  const refused = world.submit(channel);
  world.clock.settle();
  expect(ends([refused])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(isFinal(refused)).toBe(false);
  expect(await world.run(asked(controller, "enable"))).toBeUndefined();
  expect(await world.run(asked(controller, "enable"))).toBeUndefined();
  const read = world.submit(channel);
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 50: disabling ends the wait for the next attempt, and nothing is tried", async () => {
  const world = new World();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const controller = only(world.group);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  expect(world.clock.runUntil(() => controller.state === "waiting")).toBe(true);
  await world.run(asked(controller, "disable"));
  const tried = wire.streams.length;
  world.clock.drain();
  expect(wire.streams).toHaveLength(tried);
  expect(controller.state).toBe("disabled");
});

test("parity 51: a delete resolves when the controller is really gone, for all who asked", async () => {
  const world = new World();
  const path = await world.attach();
  const closes = [world.group.detach(path), world.group.detach(path)];
  const reports = await world.run(
    Promise.all(closes).then((each) => {
      expect(path.controller.state).toBe("closed");
      expect(world.ports[0]!.connections).toBe(0);
      return each;
    }),
  );
  expect(reports[0]).toBe(reports[1]);
  const again = new NvmeGroup({ name: world.group.name });
  await world.run(again.attach(world.controllerOptions()));
  expect(again.devices.map(({ name }) => name)).toEqual(["nvme0n1"]);
});

test("parity 55: a reset that is asked for at any moment of another one is answered once", async () => {
  const world = new World();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const controller = only(world.group);
  const answers: (string | undefined)[] = [];
  let asks = 0;
  wire.fateOf = ({ number }) => {
    // At each PDU of the first recovery, and once more in the moment that it succeeds.
    if (number < 200 && asks < 60) {
      asks++;
      controller.reset((error) => answers.push(error?.code));
    }
    return "arrives";
  };
  controller.observe((event) => {
    if (event.type !== "state" || event.to !== "live" || asks >= 60) return;
    asks++;
    controller.reset((error) => answers.push(error?.code));
  });
  expect(await world.run(asked(controller, "reset"))).toBeUndefined();
  world.clock.settle();
  expect(asks).toBeGreaterThan(10);
  expect(answers).toEqual(times(asks, undefined));
  expect(controller.state).toBe("live");
});

/** PDUs from the controller that one reset takes, up to the moment of `live`. */
function countBringUp(world: World, wire: Wire): Promise<number> {
  const before = wire.pdus;
  return new Promise((resolve) => {
    const stop = only(world.group).observe((event) => {
      if (event.type !== "state" || event.to !== "live") return;
      stop();
      resolve(wire.pdus - before);
    });
  });
}
