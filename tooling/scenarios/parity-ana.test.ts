// Parity with SPDK's unit tests: what controllers say of ANA, and what requests make of it.
// Read first: docs/parity.md, which lists the rows; packages/bdev/src/nvme/ana-watch.ts.

import { memoryDevice } from "@nvmeof/bdev";
import { Rank } from "@nvmeof/bdev/nvme";
import { AnaGroupDescriptor, AnaState, PduType, Status } from "@nvmeof/codec";
import { expect, test } from "vitest";
import {
  Wire,
  asked,
  bringsAnaLog,
  ends,
  obedientWorld,
  only,
  times,
  wired,
} from "./parity-support.ts";
import { BLOCK_BYTES, World } from "./world.ts";

/** ANATT that our target promises. */
const TRANSITION_MS = 10_000;

/** Lets the state of group 1 change, everywhere or at one port, and the host hear of it. */
function setAna(world: World, state: AnaState, port?: number): void {
  world.subsystem.setAnaState({ group: 1, state, portId: port === undefined ? port : port + 1 });
  world.clock.settle();
  // A controller tells no two events within 10 ms of each other.
  world.clock.advance(10);
}

/** An obedient world whose one controller is connected by a wire. */
async function onWire() {
  const { world, disk } = obedientWorld();
  const wire = new Wire(world);
  await world.run(world.group.attach(wired(world, wire)));
  return { world, disk, wire, path: world.device().paths[0]! };
}

/** Answers to Get Log Page of the ANA log, from now on. */
function logsRead(wire: Wire): () => number {
  let count = 0;
  wire.alter = (pdu) => {
    if (bringsAnaLog(pdu)) count++;
  };
  return () => count;
}

test("parity 17: the first log gives every namespace its state, however many there are", async () => {
  const world = new World({ namespaces: [] });
  const states = Object.values(AnaState);
  const stateOf = (nsid: number): AnaState => states[nsid % states.length]!;
  for (let nsid = 1; nsid <= 100; nsid++) {
    const name = `disk${nsid}`;
    const device = memoryDevice({
      name,
      clock: world.clock,
      blockBytes: BLOCK_BYTES,
      blockCount: 8,
    });
    world.subsystem.addNamespace({ device, nsid, anaGroup: nsid });
    world.subsystem.setAnaState({ group: nsid, state: stateOf(nsid) });
  }
  const path = await world.attach();
  expect(path.namespaces.size).toBe(100);
  for (const each of path.namespaces.values()) expect(each.anaState).toBe(stateOf(each.nsid));
});

test("parity 28: while the state is being read again requests wait, and then they succeed", async () => {
  const { world, disk, wire, path } = await onWire();
  const channel = world.device().openChannel();
  disk.statuses = [Status.AnaInaccessible];
  // The answer with the ANA error passes, and from then on nothing that the host sends is answered.
  wire.fateOf = ({ connection }) => {
    if (connection === 1) world.target.freeze();
    return "arrives";
  };
  const first = world.submit(channel);
  world.clock.settle();
  expect(path.rank).toBe(Rank.Unusable);
  const second = world.submit(channel);
  world.clock.settle();
  expect(ends([first, second])).toEqual(times(2, "settled 0 times"));
  wire.fateOf = () => "arrives";
  world.target.thaw();
  world.clock.settle();
  expect(path.rank).toBe(Rank.Optimized);
  expect(ends([first, second])).toEqual(["ok", "ok"]);
});

test("parity 31: doubts during a read of the log make for one more read, not for many", async () => {
  const { world, wire, path } = await onWire();
  const read = logsRead(wire);
  for (let doubt = 0; doubt < 10; doubt++) path.controllerPath.ana.refresh();
  world.clock.settle();
  expect(read()).toBe(2);
});

test("parity 31: a reset is possible during a read of the log, and no read during a reset", async () => {
  const { world, wire, path } = await onWire();
  const read = logsRead(wire);
  world.target.freeze();
  path.controllerPath.ana.refresh();
  world.clock.settle();
  const reset = asked(only(world.group), "reset");
  world.clock.settle();
  for (let doubt = 0; doubt < 10; doubt++) path.controllerPath.ana.refresh();
  world.target.thaw();
  expect(await world.run(reset)).toBeUndefined();
  world.clock.settle();
  // The one of the new connection.
  expect(read()).toBe(1);
  expect(path.rank).toBe(Rank.Optimized);
});

test("parity 31: a log that lists namespaces which the host does not know is read all the same", async () => {
  const { world, wire, path } = await onWire();
  // The answer that would tell of the new namespace is lost; the log lists it.
  wire.fateOf = ({ type }) => (type === PduType.CapsuleResp ? "lost" : "arrives");
  const disk = { name: "late", clock: world.clock, blockBytes: BLOCK_BYTES, blockCount: 8 };
  world.subsystem.addNamespace({ device: memoryDevice(disk), anaGroup: 2 });
  world.clock.settle();
  wire.fateOf = () => "arrives";
  world.subsystem.setAnaState({ group: 1, state: AnaState.NonOptimized });
  path.controllerPath.ana.refresh();
  world.clock.settle();
  expect(path.rank).toBe(Rank.NonOptimized);
  expect(path.controllerPath.namespaces.size).toBe(1);
});

test("parity 32: an ANA error makes the host read the log, and send again when it may", async () => {
  const { world, disk, path } = await onWire();
  const channel = world.device().openChannel();
  world.target.freeze();
  const read = world.submit(channel);
  world.clock.settle();
  world.subsystem.setAnaState({ group: 1, state: AnaState.Inaccessible });
  world.target.thaw();
  world.clock.settle();
  expect(disk.seen).toEqual([]);
  expect(path.anaState).toBe(AnaState.Inaccessible);
  expect(ends([read])).toEqual(["settled 0 times"]);
  world.clock.advance(3_000);
  setAna(world, AnaState.Optimized);
  expect(ends([read])).toEqual(["ok"]);
  expect(read.settled[0]!.atMs).toBeLessThan(3_100);
});

test("parity 32: an ANA error that the log does not bear out is retried without waiting a second", async () => {
  const { world, disk } = await onWire();
  disk.statuses = [Status.AnaTransition];
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
  expect(read.settled[0]!.atMs).toBe(0);
});

test("parity 39: requests wait out a change of state for ANATT, and no longer", async () => {
  const { world } = await onWire();
  setAna(world, AnaState.Change);
  const startMs = world.clock.nowMs() - 10;
  const read = world.submit(world.device().openChannel());
  world.clock.advance(TRANSITION_MS - 11);
  expect(ends([read])).toEqual(["settled 0 times"]);
  world.clock.advance(1);
  expect(ends([read])).toEqual(["NVME_ERR_NO_PATH"]);
  expect(read.settled[0]!.atMs).toBe(startMs + TRANSITION_MS);
  const late = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([late])).toEqual(["NVME_ERR_NO_PATH"]);
});

test("parity 39: going from one unusable state to another does not start the time anew", async () => {
  const { world } = await onWire();
  setAna(world, AnaState.Change);
  const read = world.submit(world.device().openChannel());
  world.clock.advance(6_000);
  setAna(world, AnaState.Inaccessible);
  world.clock.advance(4_000);
  expect(ends([read])).toEqual(["NVME_ERR_NO_PATH"]);
});

test("parity 39: a state that allows access ends the time, and the next change gets all of it", async () => {
  const { world } = await onWire();
  setAna(world, AnaState.Inaccessible);
  world.clock.advance(9_000);
  setAna(world, AnaState.NonOptimized);
  world.clock.advance(9_000);
  setAna(world, AnaState.Inaccessible);
  const read = world.submit(world.device().openChannel());
  world.clock.advance(9_000);
  expect(ends([read])).toEqual(["settled 0 times"]);
  setAna(world, AnaState.Optimized);
  expect(ends([read])).toEqual(["ok"]);
});

test("parity 39: a persistent loss is not waited for", async () => {
  const { world } = await onWire();
  setAna(world, AnaState.PersistentLoss);
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([read])).toEqual(["NVME_ERR_NO_PATH"]);
});

test("parity X5: a read of the log that a reset cuts off is made good by the reset", async () => {
  const { world, path } = await onWire();
  const controller = only(world.group);
  const stop = controller.observe((event) => {
    // The host is about to read the log: from now on it gets no answer.
    if (event.type === "async-event") world.target.freeze();
  });
  world.subsystem.setAnaState({ group: 1, state: AnaState.NonOptimized });
  world.clock.settle();
  stop();
  expect(path.anaState).toBe(AnaState.Optimized);
  const reset = asked(controller, "reset");
  world.clock.settle();
  expect(path.rank).toBe(Rank.Unusable);
  world.target.thaw();
  expect(await world.run(reset)).toBeUndefined();
  world.clock.settle();
  expect(path.anaState).toBe(AnaState.NonOptimized);
  // And it goes on listening.
  setAna(world, AnaState.Optimized);
  expect(path.rank).toBe(Rank.Optimized);
});

test("parity X5: a log that cannot be read leaves the path as a last resort, until it can be", async () => {
  const { world, wire, path } = await onWire();
  wire.alter = (pdu, log) => {
    if (bringsAnaLog(pdu)) AnaGroupDescriptor.anagrpid.set(log, 16, 0);
  };
  expect(await world.run(asked(only(world.group), "reset"))).toBeUndefined();
  world.clock.settle();
  expect(path.rank).toBe(Rank.Unknown);
  const read = world.submit(world.device().openChannel());
  world.clock.settle();
  expect(ends([read])).toEqual(["ok"]);
  wire.alter = () => {};
  world.clock.advance(10_000);
  expect(path.rank).toBe(Rank.Optimized);
});
