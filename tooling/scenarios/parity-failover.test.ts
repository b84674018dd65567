// Parity with SPDK's unit tests: other addresses, the wait between attempts, fast-fail and loss.
// Read first: docs/parity.md, which lists the rows; @nvmeof/core reconnect.ts and outage.ts.

import { type Controller, type ReconnectPolicy, resiliencyFault } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  Wire,
  addPort,
  asked,
  ends,
  isFinal,
  only,
  statesOf,
  times,
  wired,
} from "./parity-support.ts";
import { World } from "./world.ts";

/** Round numbers and no chance. */
const exact: Partial<ReconnectPolicy> = {
  delayMs: 1_000,
  delayMaxMs: 1_000,
  jitter: 0,
  fastFailMs: 0,
  lossMs: 10_000,
};

/** A world whose one controller is connected by the first of `ports` addresses. */
async function attached(ports: number, policy: Partial<ReconnectPolicy> = exact) {
  const world = new World({ ports, controller: { reconnect: policy } });
  const wires = Array.from({ length: ports }, (_, at) => new Wire(world, at));
  await world.run(world.group.attach(wired(world, ...wires)));
  const controller = only(world.group);
  return { world, wires, controller, states: statesOf(controller) };
}

/** As many more ports, each with a wire of its own. */
function joinedWires(world: World, wires: readonly Wire[], count: number): Wire[] {
  return Array.from({ length: count }, (_, at) => {
    addPort(world);
    return new Wire(world, wires.length + at);
  });
}

const addressesOf = ({ addresses }: Controller): string[] => addresses.map(({ traddr }) => traddr);
const traddrOf = ({ address }: { address: { traddr: string } }): string => address.traddr;

test("parity 05: a lost controller with one address connects to that address again", async () => {
  const { world, controller, states } = await attached(1);
  world.ports[0]!.reset();
  world.clock.settle();
  expect(states).toEqual(["recovering", "live"]);
  expect(traddrOf(controller)).toBe("port0");
});

test("parity 05: a lost controller with two addresses goes to the other one, without a wait", async () => {
  const { world, controller, states } = await attached(2);
  const channel = world.device().openChannel();
  world.ports[0]!.reset();
  const read = world.submit(channel);
  world.clock.settle();
  expect(states).toEqual(["recovering", "live"]);
  expect(traddrOf(controller)).toBe("port1");
  expect(world.clock.nowMs()).toBe(0);
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 05: an explicit reset stays with its address, and one during a failover joins it", async () => {
  const { world, controller, states } = await attached(2);
  await world.run(asked(controller, "reset"));
  expect(traddrOf(controller)).toBe("port0");
  // So long that the loss which follows is not taken for flapping.
  world.clock.advance(10_000);
  const joined = new Promise((resolve) => {
    controller.observe((event) => {
      if (event.type === "state" && event.to === "recovering") controller.reset(resolve);
    });
  });
  world.ports[0]!.reset();
  expect(await world.run(joined)).toBeUndefined();
  expect(states).toEqual(times(2, ["recovering", "live"]).flat());
  expect(traddrOf(controller)).toBe("port1");
});

test("parity 05: a failover of a controller that is being deleted does not happen", async () => {
  const { world, wires, controller, states } = await attached(2);
  world.target.freeze();
  const closed = world.group.close();
  world.ports[0]!.reset();
  await world.run(closed);
  expect(states).toEqual(["closing", "closed"]);
  expect(wires[1]!.streams).toEqual([]);
  expect(controller.state).toBe("closed");
});

test("parity 06: an address that comes during a failover waits behind the others in good health", async () => {
  const { world, wires, controller } = await attached(2);
  const added = joinedWires(world, wires, 3);
  world.ports[0]!.reset();
  const during = new Promise((resolve) => {
    controller.observe((event) => {
      if (event.type !== "state" || event.to !== "recovering") return;
      for (const { transport } of added) controller.addTransport(transport);
      resolve(addressesOf(controller));
    });
  });
  expect(await world.run(during)).toBeDefined();
  world.clock.settle();
  expect(controller.state).toBe("live");
  // The one that failed is the last, and the current one is where the failover had gone.
  expect(addressesOf(controller)).toEqual(["port1", "port2", "port3", "port4", "port0"]);
});

test("parity 12: addresses are added and removed, and what is not there cannot be removed", async () => {
  const { world, wires, controller, states } = await attached(1);
  const [second, third] = joinedWires(world, wires, 2);
  controller.addTransport(second!.transport);
  controller.addTransport(third!.transport);
  expect(() => controller.addTransport(second!.transport)).toThrow(
    expect.objectContaining({ code: "NVME_ERR_DUPLICATE" }),
  );
  expect(controller.removeTransport(second!.transport.address)).toBe("removed");
  expect(() => controller.removeTransport(second!.transport.address)).toThrow(
    expect.objectContaining({ code: "NVME_ERR_ADDRESS" }),
  );
  expect(addressesOf(controller)).toEqual(["port0", "port2"]);
  world.clock.settle();
  expect(states).toEqual([]);
});

test("parity 12: an address that failed comes after one that is new, when the next is chosen", async () => {
  const { world, wires, controller } = await attached(2);
  world.ports[0]!.reset();
  world.clock.settle();
  const [added] = joinedWires(world, wires, 1);
  controller.addTransport(added!.transport);
  expect(addressesOf(controller)).toEqual(["port1", "port2", "port0"]);
  world.clock.advance(10_000);
  world.ports[1]!.reset();
  world.clock.settle();
  expect(traddrOf(controller)).toBe("port2");
});

test("parity 12: removing the active address moves the controller and its requests", async () => {
  const { world, wires, controller, states } = await attached(2);
  const channel = world.device().openChannel();
  const reads = world.reads(channel, 16);
  expect(controller.removeTransport(wires[0]!.transport.address)).toBe("moves");
  world.clock.settle();
  expect(states).toEqual(["recovering", "live"]);
  expect(addressesOf(controller)).toEqual(["port1"]);
  expect(world.ports[0]!.connections).toBe(0);
  expect(ends(reads)).toEqual(times(16, "ok"));
});

test("parity 12: an address that is removed while it is being tried is left, even if it answers", async () => {
  const { world, wires, controller } = await attached(2);
  world.target.freeze();
  void asked(controller, "reset");
  world.clock.settle();
  expect(controller.state).toBe("recovering");
  expect(controller.removeTransport(wires[0]!.transport.address)).toBe("moves");
  expect(addressesOf(controller)).toEqual(["port1"]);
  world.target.thaw();
  world.clock.settle();
  expect(controller.state).toBe("live");
  expect(traddrOf(controller)).toBe("port1");
  expect(world.ports[0]!.connections).toBe(0);
});

test("parity 12: removing the last address deletes the controller", async () => {
  const { world, wires, controller } = await attached(2);
  expect(controller.removeTransport(wires[1]!.transport.address)).toBe("removed");
  expect(controller.removeTransport(wires[0]!.transport.address)).toBe("last");
  expect(world.clock.runUntil(() => controller.state === "closed")).toBe(true);
  expect(world.group.controllers).toEqual([]);
});

test("parity 12: a group that holds an address takes no second controller by it", async () => {
  const { world, wires, controller } = await attached(1);
  const [added] = joinedWires(world, wires, 1);
  controller.addTransport(added!.transport);
  const attach = world.group.attach(wired(world, added!));
  await expect(world.run(attach)).rejects.toMatchObject({ code: "NVME_ERR_DUPLICATE" });
  controller.removeTransport(added!.transport.address);
  await world.run(world.group.attach(wired(world, added!)));
  expect(world.group.controllers).toHaveLength(2);
});

test.each([
  [-2, 1, 0],
  [-1, 0, 0],
  [1, 0, 0],
  [1, 2, 0],
  [0, 1, 0],
  [0, 0, 1],
  [-1, 2, 1],
  [3, 2, 4],
  [3, 2, 1],
] as const)(
  "parity 33: loss %i, delay %i and fast-fail %i contradict each other",
  (loss, delay, fast) => {
    expect(resiliencyFault(loss, delay, fast)).toMatch(/\w/);
    const policy = { lossMs: loss, delayMs: delay, fastFailMs: fast };
    const world = new World({ controller: { reconnect: policy } });
    return expect(world.attach()).rejects.toThrow(RangeError);
  },
);

test.each([
  [-1, 1, 0],
  [2, 2, 0],
  [2, 1, 0],
  [-1, 1, 1],
  [2, 1, 2],
  [2, 1, 1],
  [0, 0, 0],
  [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1],
  [-1, 2 ** 31 - 1, 2 ** 31 - 1],
] as const)("parity 33: loss %i, delay %i and fast-fail %i go together", (loss, delay, fast) => {
  expect(resiliencyFault(loss, delay, fast)).toBeUndefined();
});

test("parity 35: a failed attempt is followed by the next one after the delay, and no sooner", async () => {
  const { world, wires, controller, states } = await attached(1);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(0);
  const tried = wires[0]!.streams.length;
  expect(states).toEqual(["recovering", "waiting"]);
  world.clock.advance(999);
  expect(wires[0]!.streams).toHaveLength(tried);
  world.ports[0]!.heal();
  world.clock.advance(1);
  expect(controller.state).toBe("live");
});

test("parity 35: a reset does not wait for the delay, and its success starts the clocks anew", async () => {
  const { world, controller, states } = await attached(1);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(9_500);
  expect(controller.state).toBe("waiting");
  world.ports[0]!.heal();
  expect(await world.run(asked(controller, "reset"))).toBeUndefined();
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  // The loss timeout of the first outage would end it 500 ms later.
  world.clock.advance(9_999);
  expect(controller.state).not.toBe("closed");
  world.clock.advance(1);
  expect(controller.state).toBe("closed");
  expect(states.filter((state) => state === "live")).toHaveLength(1);
});

test("parity 35: a controller that is lost for too long is deleted, and its device with it", async () => {
  const { world, controller } = await attached(1);
  const device = world.device();
  const events: string[] = [];
  device.observe(({ type }) => events.push(type));
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(10_000);
  expect(controller.state).toBe("closed");
  expect(events).toEqual(["removed"]);
  expect(world.group.controllers).toEqual([]);
  expect(world.group.devices).toEqual([]);
  world.clock.drain();
  expect(world.clock.armed).toBe(0);
});

test("parity 36: all three addresses are tried before there is a wait, and the last one serves", async () => {
  const { world, wires, controller, states } = await attached(3);
  for (const port of world.ports) port.refuse();
  world.ports[0]!.reset();
  world.clock.advance(0);
  expect(controller.state).toBe("waiting");
  // Two were the queues of the connection that was lost.
  expect(wires.map(({ streams }) => streams.length)).toEqual([3, 1, 1]);
  world.ports[2]!.heal();
  world.clock.advance(1_000);
  expect(controller.state).toBe("live");
  expect(traddrOf(controller)).toBe("port2");
  expect(states.at(-1)).toBe("live");
});

test("parity 36: an address that is removed during the wait is not tried again", async () => {
  const { world, wires, controller } = await attached(3);
  for (const port of world.ports) port.refuse();
  world.ports[0]!.reset();
  world.clock.advance(0);
  expect(controller.state).toBe("waiting");
  expect(controller.removeTransport(wires[1]!.transport.address)).toBe("moves");
  expect(addressesOf(controller)).toEqual(["port2", "port0"]);
  const tried = wires[1]!.streams.length;
  world.ports[2]!.heal();
  world.clock.advance(1_000);
  expect(controller.state).toBe("live");
  expect(traddrOf(controller)).toBe("port2");
  expect(wires[1]!.streams).toHaveLength(tried);
});

test("parity 37: requests wait, then fail at once after fast-fail, then the controller is deleted", async () => {
  const { world, controller } = await attached(1, { ...exact, fastFailMs: 4_000 });
  const device = world.device();
  const channel = device.openChannel();
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.settle();
  const early = world.submit(channel);
  world.clock.advance(3_999);
  expect(early.settled).toEqual([]);
  world.clock.advance(1);
  expect(ends([early])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(isFinal(early)).toBe(false);
  const late = world.submit(channel);
  world.clock.settle();
  expect(ends([late])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(controller.state).not.toBe("closed");
  world.clock.advance(6_000);
  expect(controller.state).toBe("closed");
  expect(world.group.devices).toEqual([]);
});

test("parity X6: after a fast-fail and a recovery, the next outage lets requests wait again", async () => {
  const { world, controller } = await attached(1, { ...exact, fastFailMs: 4_000 });
  const channel = world.device().openChannel();
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(5_000);
  world.ports[0]!.heal();
  expect(world.clock.runUntil(() => controller.state === "live")).toBe(true);
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.settle();
  const waits = world.submit(channel);
  world.clock.advance(2_500);
  expect(waits.settled).toEqual([]);
  world.ports[0]!.heal();
  expect(world.clock.runUntil(() => waits.settled.length > 0)).toBe(true);
  expect(ends([waits])).toEqual(["ok"]);
});

test("parity 56: the loss timeout beats a failover that becomes due in the same moment", async () => {
  const { world, wires, controller, states } = await attached(2, { ...exact, lossMs: 3_000 });
  for (const port of world.ports) port.refuse();
  world.ports[0]!.reset();
  world.clock.advance(2_999);
  expect(controller.state).toBe("waiting");
  for (const port of world.ports) port.heal();
  // The third attempt and the loss timeout are both due now.
  world.clock.advance(1);
  expect(controller.state).toBe("closed");
  expect(states.at(-1)).toBe("closed");
  const tried = wires.map(({ streams }) => streams.length);
  world.clock.drain();
  expect(wires.map(({ streams }) => streams.length)).toEqual(tried);
});

test("parity 56: the loss timeout ends an attempt that is under way, whatever it waits for", async () => {
  const { world, controller } = await attached(1, { ...exact, lossMs: 3_000 });
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(2_500);
  world.ports[0]!.heal();
  world.target.freeze();
  const reset = asked(controller, "reset");
  world.clock.settle();
  expect(controller.state).toBe("recovering");
  world.clock.advance(500);
  expect(await world.run(reset)).toMatchObject({ code: "NVME_ERR_TIMEOUT" });
  expect(controller.state).toBe("closed");
});
