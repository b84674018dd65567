// The deadlocks and races of error recovery, row by row, in virtual time: over TCP and over FC.
// Read first: linux-nvme-recovery.md §1.7, whose numbers the names have; witness.ts.
//
// Beside this file: rows about the exchanges of FC alone (R3, R13) in packages/transport/src/fc/
// association.test.ts; rows about Cross-Controller Reset (R10, R18 to R20) in the tests of fences.

import { BlockOp } from "@nvmeof/bdev";
import { AnaState } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import {
  CLOSE_BOUND_MS,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  slowestMs,
} from "./expectations.ts";
import { Witness } from "./witness.ts";
import { type Over, World, type WorldOptions } from "./world.ts";

const overEach: readonly Over[] = ["tcp", "fc"];
const KATO_MS = 10_000;
/** Two keep-alive times, and one more where traffic counts as keep-alive: the longest hold. */
const HOLD_MAX_MS = 3 * KATO_MS + 1_000;

/** An attach that has a controller still waits for its namespaces, until the controller is given up. */
const CONNECT_MAX_MS = 150_000;

describe.each(overEach)("over %s", (over) => {
  const make = (options: WorldOptions = {}): World => new World({ over, ...options });

  test("R1: what times out is only noted by the timer: recovery closes and opens queues elsewhere", async () => {
    const witness = new Witness();
    const controller = { ioTimeoutMs: 2_000 };
    const world = make({ ...witness.options, controller });
    await world.attach();
    const channel = world.device().openChannel();
    world.port.links[1]!.climate = { toHost: "silent" };
    const reads = world.reads(channel, 8);
    await world.runUntil(() => witness.closed >= 2);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(reads);
    expect(witness.faults).toEqual([]);
    await expectCleanEnd(world);
    expect(witness.faults).toEqual([]);
  });

  test("R2: what a transport tells is only noted: no callback of it runs recovery", async () => {
    const witness = new Witness();
    const world = make({ ...witness.options, ports: 2 });
    await world.attachAll();
    const channel = world.device().openChannel();
    for (const fault of ["reset", "fin"] as const) {
      const reads = world.reads(channel, 32);
      world.ports[0]![fault]();
      await world.runUntil(() => world.unsettled === 0);
      expectNoErrors(reads);
      await world.pass(15_000);
    }
    expect(witness.lost).toBeGreaterThanOrEqual(4);
    expect(witness.faults).toEqual([]);
    await expectCleanEnd(world);
  });

  test("R4: whatever is lost of a connect, the connect ends, with an error, in its time", async () => {
    for (let answers = 0; ; answers++) {
      const world = make();
      let lost: "no" | "yes" = "no";
      world.port.afterAnswers(answers, () => {
        lost = "yes";
        world.port.climate = { toHost: "silent" };
      });
      const outcome = await world
        .run(world.group.attach(world.controllerOptions()), CONNECT_MAX_MS)
        .then(() => "attached")
        .catch((error: Error) => ("code" in error ? "an error" : error.message));
      if ((lost as string) === "no") {
        expect(answers).toBeGreaterThan(10);
        await expectCleanEnd(world);
        return;
      }
      // What is lost at the very end is lost to a controller that was attached already.
      expect(["an error", "attached"]).toContain(outcome);
      if (outcome === "an error") expectNothingLeft(world);
      world.port.heal();
      await expectCleanEnd(world);
    }
  });

  test("R5: an error before there are I/O queues tears down what there is, and nothing else", async () => {
    for (const answers of [1, 3, 6, 9]) {
      const witness = new Witness();
      const world = make(witness.options);
      world.port.afterAnswers(answers, () => world.port.reset());
      const attached = await world.run(world.group.attach(world.controllerOptions()), 60_000).then(
        () => "attached",
        () => "failed",
      );
      expect(witness.faults).toEqual([]);
      if (attached === "failed") expectNothingLeft(world);
      await expectCleanEnd(world);
    }
  });

  test("R6, R8: a reset that somebody asks for does not let go of held writes, and no hold lasts for ever", async () => {
    const world = make({ ports: 2, controller: { keepAliveTimeoutMs: KATO_MS } });
    const [first] = await world.attachAll();
    const channel = world.device().openChannel();
    world.port.blackhole();
    const startedMs = world.clock.nowMs();
    const writes = world.writes(channel, 16, 7);
    await world.pass(KATO_MS + 3_000);
    const heldBefore = writes.filter(({ settled }) => settled.length === 0).length;
    expect(heldBefore).toBeGreaterThan(0);
    const asked = world.asked((done) => first!.controller.reset(done));
    await world.pass(1_000);
    const heldAfter = writes.filter(({ settled }) => settled.length === 0).length;
    expect(heldAfter).toBe(heldBefore);
    await world.runUntil(() => world.unsettled === 0, 120_000);
    expectSettledOnce(writes);
    expect(slowestMs(writes, startedMs)).toBeLessThanOrEqual(KATO_MS + HOLD_MAX_MS);
    world.port.heal();
    await world.runUntil(() => asked.errors.length > 0, 120_000);
    await expectCleanEnd(world);
  });

  test("R7: a held command is still in flight: no deadline ends it a second time", async () => {
    const controller = { ioTimeoutMs: 2_000, keepAliveTimeoutMs: KATO_MS };
    const world = make({ ports: 2, controller });
    await world.attachAll();
    const channel = world.device().openChannel();
    world.port.blackhole();
    const writes = world.writes(channel, 16, 7);
    await world.runUntil(() => world.unsettled === 0, 120_000);
    await world.pass(60_000);
    expectSettledOnce(writes);
    world.port.heal();
    await expectCleanEnd(world);
  });

  test("R9: what a buffer holds after its request has settled never reaches the disk", async () => {
    const world = make();
    await world.attach();
    const channel = world.device().openChannel();
    world.port.stopReading();
    const writes = Array.from({ length: 4 }, (_, at) =>
      world.submit(channel, {
        op: BlockOp.Write,
        lba: at * 64,
        blockCount: 64,
        data: new Uint8Array(64 * 512).fill(7),
      }),
    );
    await world.pass(100);
    await world.close();
    expectSettledOnce(writes);
    for (const { request } of writes) request.data!.fill(0xdd);
    world.port.heal();
    await world.pass(30_000);
    const disk = world.disks[0]!.openChannel();
    const found = new Uint8Array(4 * 64 * 512);
    await world.run(
      new Promise<void>((resolve) => {
        disk.submit({ op: BlockOp.Read, lba: 0, blockCount: 256, data: found }, () => resolve());
      }),
    );
    expect(found.includes(0xdd)).toBe(false);
    disk.close();
  });

  test("R11: nothing is sent on a queue that has ended, not even the next event request", async () => {
    const witness = new Witness();
    const world = make({ ...witness.options, ports: 2 });
    await world.attachAll();
    for (let round = 0; round < 4; round++) {
      // The notice and the loss come in the same moment, in either order.
      const change = (): void =>
        world.subsystem.setAnaState({
          group: 1,
          state: round % 2 === 0 ? AnaState.NonOptimized : AnaState.Optimized,
        });
      if (round < 2) change();
      world.ports[0]!.reset();
      if (round >= 2) change();
      await world.pass(5_000);
    }
    expect(witness.faults).toEqual([]);
    await expectCleanEnd(world);
    expect(witness.faults).toEqual([]);
  });

  test("R12: a target that is closed from inside its own events ends, and so do its hosts' commands", async () => {
    const world = make({ controller: { reconnect: { lossMs: 0, fastFailMs: 0, delayMs: 0 } } });
    await world.attach();
    const channel = world.device().openChannel();
    const closing: Promise<unknown>[] = [];
    world.target.observe((event) => {
      if (event.type === "connection-ended" && closing.length === 0)
        closing.push(world.target.close());
    });
    const reads = world.reads(channel, 8);
    world.port.reset();
    await world.runUntil(() => closing.length > 0);
    await world.run(closing[0]!, 10_000);
    await world.runUntil(() => world.unsettled === 0);
    expectSettledOnce(reads);
    expect(world.target.status).toMatchObject({ controllers: 0, connections: 0 });
    await world.close();
  });

  test("R14: paths that die in the midst of a scan are noticed: I/O is not issued by who looks for them", async () => {
    for (const answers of [2, 4, 6]) {
      const world = make({ namespaces: [64, 64, 64] });
      const { controller } = await world.attach();
      const channel = world.device().openChannel();
      world.port.afterAnswers(answers, () => world.port.blackhole());
      controller.reset(() => {});
      const reads = world.reads(channel, 4);
      await world.pass(5_000);
      world.port.heal();
      await world.runUntil(() => world.unsettled === 0, 120_000);
      expectSettledOnce(reads);
      await expectCleanEnd(world);
    }
  });

  test("R15: no I/O is sent by a path before its controller is live", async () => {
    const witness = new Witness();
    const world = make({ ...witness.options, ports: 2 });
    await world.attachAll();
    const { controllers } = world.group;
    witness.ioMayBeSent = () => controllers.some(({ controller }) => controller.state === "live");
    const channel = world.device().openChannel();
    for (const port of world.ports) port.reset();
    const reads = world.reads(channel, 16);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(reads);
    expect(witness.ioCommands).toBeGreaterThanOrEqual(16);
    expect(witness.faults).toEqual([]);
    await expectCleanEnd(world);
  });

  test("R16: who closes a controller ends its commands: a silent peer and a held handle keep nothing", async () => {
    const world = make();
    await world.attach();
    const channel = world.device().openChannel();
    world.port.blackhole();
    const requests = [...world.reads(channel, 32), ...world.writes(channel, 32)];
    await world.pass(100);
    const startedMs = world.clock.nowMs();
    const reports = await world.close();
    expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
    expect(reports[0]!.abortedCommands).toBe(64);
    expectSettledOnce(requests);
    expectNothingLeft(world);
  });

  test("R17: a request that comes while its controller is torn down neither hangs nor times out", async () => {
    const world = make({ controller: { ioTimeoutMs: 2_000 } });
    const { controller } = await world.attach();
    const channel = world.device().openChannel();
    const late: ReturnType<World["submit"]>[] = [];
    controller.observe((event) => {
      if (event.type === "state" && event.to === "recovering") {
        world.clock.defer(() => late.push(world.submit(channel)));
      }
    });
    world.port.reset();
    await world.runUntil(() => late.length > 0 && world.unsettled === 0);
    expectNoErrors(late);
    await expectCleanEnd(world);
  });

  test("R21: while all paths are being recovered new requests wait for them", async () => {
    const world = make({ ports: 2 });
    await world.attachAll();
    const channel = world.device().openChannel();
    for (const port of world.ports) {
      port.refuse();
      port.reset();
    }
    await world.pass(100);
    const requests = [...world.reads(channel, 8), ...world.writes(channel, 8)];
    await world.pass(3_000);
    expect(world.unsettled).toBe(16);
    for (const port of world.ports) port.heal();
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(requests);
    await expectCleanEnd(world);
  });

  test("R22: a reset, an error and a delete at once are one end: every request settles once", async () => {
    const orders = ["rec", "rce", "erc", "ecr", "cre", "cer"];
    for (const order of orders) {
      const witness = new Witness();
      const world = make(witness.options);
      const { controller } = await world.attach();
      const channel = world.device().openChannel();
      const requests = [...world.reads(channel, 16), ...world.writes(channel, 16)];
      const closing: Promise<unknown>[] = [];
      const deeds: Record<string, () => void> = {
        r: () => controller.reset(() => {}),
        e: () => world.port.reset(),
        c: () => void closing.push(world.group.close()),
      };
      const startedMs = world.clock.nowMs();
      for (const deed of order) deeds[deed]!();
      await world.run(Promise.all(closing));
      expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
      expectSettledOnce(requests);
      expect(witness.faults).toEqual([]);
      expectNothingLeft(world);
    }
  });
});
