// Destruct: rows F1 to F18 of the fault matrix, against our target over a network that fails.
// Read first: reliability-anchors.md §3.1; DESIGN.md §4 "Close". The bound of each is 2 s unless said.

import { AbortedError } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  CLOSE_BOUND_MS,
  DNR,
  codesOf,
  expectAttachable,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  outcomesOf,
} from "./expectations.ts";
import { World } from "./world.ts";

test("F1: reads to a peer that vanished settle once when the device is deleted, within the bound", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  world.port.blackhole();
  const reads = world.reads(channel, 128);
  world.clock.settle();
  const [report] = await world.run(world.group.close());
  expect(report!.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  world.clock.settle();
  expectSettledOnce(reads);
  const outcomes = outcomesOf(reads);
  // A queue of 128 entries takes 127 commands: the last read was never sent, and says so.
  expect(outcomes.filter((outcome) => outcome === "unknown")).toHaveLength(127);
  expect(outcomes.filter((outcome) => outcome === "not-sent")).toHaveLength(1);
  expect(codesOf(reads)).toContain("NVME_ERR_CONTROLLER_CLOSED");
  // Do Not Retry: there is no other path.
  expect(reads.every(({ settled }) => (settled[0]!.error!.status! & DNR) !== 0)).toBe(true);
  expect(world.port.connections).toBe(0);
  expectNothingLeft(world);
  await expectAttachable(world);
});

test("F2: consumers that never release their channels hold nothing up", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  const channels = [device.openChannel(), device.openChannel()];
  world.target.freeze();
  const reads = channels.flatMap((channel) => world.reads(channel, 64));
  world.clock.settle();
  const [report] = await world.run(world.group.close());
  expect(report!.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  world.clock.settle();
  expectSettledOnce(reads);
  const late = world.submit(channels[0]!);
  world.clock.settle();
  expect(late.settled[0]!.error).toMatchObject({ outcome: "not-sent", code: "NVME_ERR_CLOSED" });
  expectNothingLeft(world);
  await expectAttachable(world);
});

test("F3: a peer that vanishes during the drain does not stretch it", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  world.target.freeze();
  const reads = world.reads(channel, 16);
  world.clock.settle();
  const closed = world.group.close();
  await world.pass(100);
  world.port.blackhole();
  const [report] = await world.run(closed);
  expect(report!.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report!.abortedCommands).toBe(16);
  expectSettledOnce(reads);
  expectNothingLeft(world);
  await expectAttachable(world);
});

test("F4: keep-alive stops with the close, also when it was failing", async () => {
  const world = new World({ controller: { keepAliveTimeoutMs: 2_000 } });
  const path = await world.attach();
  const channel = world.device().openChannel();
  const reads = world.reads(channel, 4);
  await world.runUntil(() => world.unsettled === 0);
  world.port.blackhole();
  // A probe is out and unanswered.
  await world.pass(1_500);
  const events: string[] = [];
  path.controller.observe((event) => events.push(event.type));
  await expectCleanEnd(world);
  expect(events.filter((type) => type !== "state")).toEqual(["closing"]);
  expectNoErrors(reads);
});

test("F4: the same while the reset that the failed keep-alive led to is under way", async () => {
  const world = new World({ controller: { keepAliveTimeoutMs: 2_000 } });
  const path = await world.attach();
  world.port.blackhole();
  await world.runUntil(() => path.controller.state === "recovering");
  await expectCleanEnd(world);
});

test("F5: a reset after the close is refused at once, and the close goes on", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  world.port.blackhole();
  world.reads(channel, 8);
  const closed = world.group.close();
  const reset = world.asked((done) => controller.reset(done));
  world.clock.settle();
  expect(reset.errors.map((error) => error?.code)).toEqual(["NVME_ERR_CONTROLLER_CLOSED"]);
  const [report] = await world.run(closed);
  expect(report!.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expectNothingLeft(world);
});

test("F6: a loss after the close moves nothing to another path", async () => {
  const world = new World({ ports: 2 });
  // One controller with two addresses: a failover goes from one to the other.
  const { controller } = await world.attach(0, 1);
  const channel = world.device().openChannel();
  world.port.blackhole();
  world.reads(channel, 8);
  const closed = world.group.close();
  controller.lost(new AbortedError("controller-reset", "unknown", false));
  world.port.reset();
  const [report] = await world.run(closed);
  expect(report!.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(world.ports[1]!.attempts).toBe(0);
  expectNothingLeft(world);
});

const resetSteps = Array.from({ length: 12 }, (_, step) => step);

test.each(resetSteps)(
  "F7: a close during a reset, %i answers into it, is one teardown and no reconnect",
  async (answers) => {
    const world = new World();
    const { controller } = await world.attach();
    const channel = world.device().openChannel();
    const reads = world.reads(channel, 32);
    const reset = world.asked((done) => controller.reset(done));
    const closing: Promise<unknown>[] = [];
    world.port.afterAnswers(answers, () => {
      world.port.blackhole();
      closing.push(world.group.close());
    });
    await world.runUntil(() => closing.length > 0);
    const attempts = world.port.attempts;
    const startedMs = world.clock.nowMs();
    await world.run(Promise.all(closing));
    expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
    expect(world.port.attempts).toBe(attempts);
    expect(reset.errors).toHaveLength(1);
    expectSettledOnce(reads);
    expectNothingLeft(world);
    await expectAttachable(world);
  },
);

test("F7: a close right before and right after the reset was asked for", async () => {
  for (const order of ["close first", "reset first"]) {
    const world = new World();
    const { controller } = await world.attach();
    const closed: Promise<unknown>[] = [];
    if (order === "close first") closed.push(world.group.close());
    const reset = world.asked((done) => controller.reset(done));
    if (order === "reset first") closed.push(world.group.close());
    await world.run(Promise.all(closed));
    expect(reset.errors.map((error) => error?.code)).toEqual(["NVME_ERR_CONTROLLER_CLOSED"]);
    expectNothingLeft(world);
  }
});

test.each(resetSteps)(
  "F8: a close during a failover, %i answers into it, settles what failed over once",
  async (answers) => {
    const world = new World({ ports: 2 });
    await world.attachAll();
    const channel = world.device().openChannel();
    world.target.freeze();
    const reads = world.reads(channel, 32);
    const writes = world.writes(channel, 8);
    world.clock.settle();
    world.target.thaw();
    const closing: Promise<unknown>[] = [];
    world.ports[1]!.afterAnswers(answers, () => {
      world.ports[1]!.blackhole();
      closing.push(world.group.close());
    });
    world.port.refuse();
    world.port.reset();
    await world.runUntil(() => closing.length > 0);
    const startedMs = world.clock.nowMs();
    await world.run(Promise.all(closing));
    expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
    expectSettledOnce([...reads, ...writes]);
    expectNothingLeft(world);
    await expectAttachable(world);
  },
);

test("F9: a close while waiting for the next attempt ends at once, with what is queued", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  world.port.refuse();
  world.port.reset();
  await world.runUntil(() => controller.state === "waiting");
  const reads = world.reads(channel, 200);
  world.clock.settle();
  expect(channel.inflight).toBe(200);
  const [report] = await world.run(world.group.close());
  expect(report!.totalMs).toBeLessThanOrEqual(50);
  expectSettledOnce(reads);
  expect(new Set(outcomesOf(reads))).toEqual(new Set(["not-sent"]));
  expectNothingLeft(world);
  await expectAttachable(world);
});
