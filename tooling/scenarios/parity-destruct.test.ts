// What SPDK's unit tests leave out: ends in every state, at every moment, with any peer.
// Read first: docs/parity.md, rows X1 to X9; DESIGN.md §4 "Close"; packages/core/src/close.ts.

import { BlockOp } from "@nvmeof/bdev";
import { Fes, PduType } from "@nvmeof/codec";
import { RawPdus } from "@nvmeof/transport/testing";
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
import { World } from "./world.ts";

const BOUND_MS = 2_000;

/** Everything that a close must have done by now. */
function expectGone(world: World): void {
  expect(world.group.controllers).toEqual([]);
  expect(world.group.devices).toEqual([]);
  for (const port of world.ports) expect(port.connections).toBe(0);
}

/** Deletes, and says how long that took. */
async function timeOfDelete(world: World): Promise<number> {
  const reports = await world.run(world.group.close());
  return Math.max(0, ...reports.map(({ totalMs }) => totalMs));
}

/** From the PDU with this number on nothing arrives any more, in either direction. */
function silentFrom(world: World, wire: Wire, first: number): void {
  wire.fateOf = ({ number }) => {
    if (number < first) return "arrives";
    world.ports[0]!.blackhole();
    return "lost";
  };
}

/** PDUs that an attach, a reset or a delete takes when nothing goes wrong. */
async function pdusOf(what: "attach" | "reset" | "delete"): Promise<number> {
  const world = new World();
  const wire = new Wire(world);
  const attach = world.group.attach(wired(world, wire));
  await world.run(attach);
  if (what === "attach") return wire.pdus;
  const before = wire.pdus;
  if (what === "reset") await world.run(asked(only(world.group), "reset"));
  else await world.run(world.group.close());
  return wire.pdus - before;
}

test("parity X1: a delete during an attach, with a peer silent from any PDU on, is in time", async () => {
  const pdus = await pdusOf("attach");
  expect(pdus).toBeGreaterThan(10);
  for (let first = 0; first <= pdus; first++) {
    const world = new World();
    const wire = new Wire(world);
    silentFrom(world, wire, first);
    const attach = world.group.attach(wired(world, wire)).then(
      () => "attached",
      () => "ended",
    );
    world.clock.settle();
    expect(await timeOfDelete(world)).toBeLessThanOrEqual(BOUND_MS);
    expectGone(world);
    expect(["attached", "ended"]).toContain(await world.run(attach));
    world.clock.settle();
  }
});

test("parity X1: a delete during a reset, with a peer silent from any PDU on, is in time", async () => {
  const pdus = await pdusOf("reset");
  expect(pdus).toBeGreaterThan(10);
  for (let first = 0; first <= pdus; first++) {
    const world = new World();
    const wire = new Wire(world);
    await world.run(world.group.attach(wired(world, wire)));
    const reads = world.reads(world.device().openChannel(), 4);
    silentFrom(world, wire, wire.pdus + first);
    const answers: unknown[] = [];
    only(world.group).reset((error) => answers.push(error));
    world.clock.settle();
    expect(await timeOfDelete(world)).toBeLessThanOrEqual(BOUND_MS);
    expectGone(world);
    world.clock.settle();
    expect(answers).toHaveLength(1);
    for (const { settled } of reads) expect(settled).toHaveLength(1);
  }
});

test("parity X1: a delete while the next attempt is waited for is immediate", async () => {
  const world = new World();
  await world.attach();
  const controller = only(world.group);
  const channel = world.device().openChannel();
  world.ports[0]!.refuse();
  world.ports[0]!.reset();
  world.clock.advance(0);
  expect(controller.state).toBe("waiting");
  const read = world.submit(channel);
  expect(await timeOfDelete(world)).toBe(0);
  expectGone(world);
  world.clock.settle();
  expect(ends([read])).toEqual(["NVME_ERR_CLOSED"]);
  expect(isFinal(read)).toBe(true);
  world.clock.drain();
  expect(world.clock.armed).toBe(0);
});

test("parity X1: a delete of a disabled controller is immediate", async () => {
  const world = new World();
  await world.attach();
  await world.run(asked(only(world.group), "disable"));
  expect(await timeOfDelete(world)).toBe(0);
  expectGone(world);
});

test("parity X1: a delete overtakes the reset, disable or enable that was asked for before it", async () => {
  for (const what of ["reset", "disable", "enable"] as const) {
    const world = new World();
    await world.attach();
    const controller = only(world.group);
    const states = statesOf(controller);
    const answer = asked(controller, what);
    expect(await timeOfDelete(world)).toBeLessThanOrEqual(BOUND_MS);
    await world.run(answer);
    expectGone(world);
    expect(states.at(-1)).toBe("closed");
  }
});

test("parity X2: a channel that is opened during or after a delete refuses, and holds nothing", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  world.target.freeze();
  const busy = world.reads(device.openChannel(), 4);
  world.clock.settle();
  const deleted = world.group.close();
  const during = world.submit(device.openChannel());
  await world.run(deleted);
  const after = world.submit(device.openChannel());
  world.clock.settle();
  for (const late of [during, after]) {
    expect(late.settled).toMatchObject([{ error: { outcome: "not-sent" } }]);
    expect(isFinal(late)).toBe(true);
  }
  expect(ends(busy)).toEqual(times(4, "NVME_ERR_CONTROLLER_CLOSED"));
  expectGone(world);
});

test.each([
  ["answers", "ok"],
  ["is silent", "ok"],
] as const)(
  "parity X3: a delete of one of two controllers whose peer %s fails nothing upward",
  async (peer, end) => {
    const { world, disk } = obedientWorld({ ports: 2 });
    await world.attach(0);
    await world.attach(1);
    const device = world.device();
    const channel = device.openChannel();
    disk.answers = "held";
    const requests = [
      ...world.reads(channel, 32),
      ...Array.from({ length: 32 }, (_, lba) => world.submit(channel, { op: BlockOp.Write, lba })),
    ];
    world.clock.settle();
    expect(device.paths.map(({ inflight }) => inflight)).toEqual([64, 0]);
    if (peer === "is silent") world.ports[0]!.blackhole();
    await world.run(world.group.detach(world.group.controllers[0]!));
    disk.letGo();
    expect(world.clock.runUntil(() => requests.every(({ settled }) => settled.length > 0))).toBe(
      true,
    );
    expect(ends(requests)).toEqual(times(64, end));
    expect(world.group.devices).toEqual([device]);
  },
);

test("parity X4: a peer that is silent from any PDU of a working connection on is noticed", async () => {
  const KEEP_ALIVE_MS = 10_000;
  for (let first = 0; first < 12; first++) {
    const world = new World({ controller: { keepAliveTimeoutMs: KEEP_ALIVE_MS } });
    const wire = new Wire(world);
    await world.run(world.group.attach(wired(world, wire)));
    const controller = only(world.group);
    const states = statesOf(controller);
    const channel = world.device().openChannel();
    silentFrom(world, wire, wire.pdus + first);
    const reads = world.reads(channel, 10);
    expect(world.clock.runUntil(() => states.includes("recovering"), KEEP_ALIVE_MS * 2)).toBe(true);
    wire.fateOf = () => "arrives";
    world.ports[0]!.heal();
    expect(world.clock.runUntil(() => reads.every(({ settled }) => settled.length > 0))).toBe(true);
    expect(ends(reads)).toEqual(times(10, "ok"));
  }
});

test("parity X4: a peer that is silent from any PDU of a delete on does not hold it up", async () => {
  const pdus = await pdusOf("delete");
  for (let first = 0; first <= pdus; first++) {
    const world = new World();
    const wire = new Wire(world);
    await world.run(world.group.attach(wired(world, wire)));
    silentFrom(world, wire, wire.pdus + first);
    expect(await timeOfDelete(world)).toBeLessThanOrEqual(BOUND_MS);
    expectGone(world);
  }
});

test("parity X9: a user who never closes anything holds dead handles, and nothing else", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  const channels = Array.from({ length: 8 }, () => device.openChannel());
  device.observe(() => {});
  expect(await timeOfDelete(world)).toBeLessThanOrEqual(BOUND_MS);
  expectGone(world);
  const late = channels.map((channel) => world.submit(channel));
  world.clock.drain();
  expect(ends(late)).toEqual(times(8, "NVME_ERR_CLOSED"));
  expect(late.every(isFinal)).toBe(true);
  expect(world.clock.armed).toBe(0);
  // The name is free at once.
  await world.attach();
  expect(world.device().name).toBe(device.name);
});

test("parity D1: a peer that gives up a connection with a TermReq has lost it, at once", async () => {
  const world = new World();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  const states = statesOf(only(world.group));
  world.target.freeze();
  const reads = world.reads(world.device().openChannel(), 4);
  world.clock.settle();
  wire.inject(1, new RawPdus().termReq(PduType.C2HTermReq, Fes.SequenceError));
  world.clock.settle();
  expect(states).toEqual(["recovering"]);
  world.target.thaw();
  world.clock.settle();
  expect(ends(reads)).toEqual(times(4, "ok"));
  expect(world.clock.nowMs()).toBe(0);
});

test("parity D2: controllers of one process have options of their own", async () => {
  const world = new World({ ports: 2 });
  const reconnect = { delayMs: 1_000, jitter: 0, fastFailMs: 0, lossMs: 3_000 };
  await world.run(world.group.attach({ ...world.controllerOptions([0]), reconnect }));
  await world.run(
    world.group.attach({
      ...world.controllerOptions([1]),
      reconnect: { ...reconnect, lossMs: 30_000 },
    }),
  );
  const [first, second] = world.group.controllers.map(({ controller }) => controller);
  for (const port of world.ports) {
    port.refuse();
    port.reset();
  }
  world.clock.advance(3_000);
  expect([first!.state, second!.state]).toEqual(["closed", "waiting"]);
  world.clock.advance(27_000);
  expect(second!.state).toBe("closed");
});
