// Timeouts and recovery: rows F19 to F29 of the fault matrix, against our target.
// Read first: reliability-anchors.md §3.2; DESIGN.md §4 (detectors only report, one recovery).

import { BlockOp } from "@nvmeof/bdev";
import type { ControllerEvent } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  codesOf,
  expectCleanEnd,
  expectNoErrors,
  expectNothingLeft,
  expectSettledOnce,
  outcomesOf,
  slowestMs,
} from "./expectations.ts";
import { BLOCK_BYTES, World } from "./world.ts";

const T_CONN_MS = 3_000;
const T_FABRICS_MS = 5_000;

/** More pieces than a controller sends until all its namespaces are known. */
const connectSteps = Array.from({ length: 24 }, (_, step) => step);

test.each(connectSteps)(
  "F19: a command that times out after %i answers of a connect fails the attempt, within its time",
  async (answers) => {
    const world = new World();
    const { port } = world;
    let state = "none";
    port.afterAnswers(answers, () => {
      port.blackhole();
      state = world.group.controllers[0]?.controller.state ?? "gone";
    });
    const attached = world.group.attach(world.controllerOptions()).then(
      () => undefined,
      (error: Error) => error,
    );
    await world.pass(T_FABRICS_MS * 1.1);
    if (state === "connecting") {
      expect(await attached).toBeInstanceOf(Error);
      expectNothingLeft(world);
    }
    // Once live, a silent peer is the keep-alive's affair, and the attach waits for its namespaces.
    await expectCleanEnd(world);
    await world.run(attached);
  },
);

test("F19: while coming back, the attempt fails and the next one follows by the policy", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  world.port.afterAnswers(3, () => (world.port.climate = { toHost: "silent" }));
  const retries: ControllerEvent[] = [];
  controller.observe((event) => event.type === "retry" && retries.push(event));
  controller.reset(() => {});
  const read = world.submit(channel);
  const startedMs = world.clock.nowMs();
  await world.runUntil(() => retries.length === 1);
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(T_FABRICS_MS);
  expect(controller.state).toBe("waiting");
  expect(world.port.connections).toBe(0);
  world.port.heal();
  await world.runUntil(() => read.settled.length > 0);
  expectNoErrors([read]);
  await expectCleanEnd(world);
});

test("F20: an I/O Connect that is not answered fails the attempt, and the admin queue goes with it", async () => {
  const world = new World();
  world.port.onLink((link) => {
    if (link.number > 0) link.climate = { toHost: "silent" };
  });
  const startedMs = world.clock.nowMs();
  await expect(world.attach()).rejects.toMatchObject({
    code: expect.stringMatching(/TIMEOUT/) as string,
  });
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(5_000);
  expectNothingLeft(world);
});

test("F21: with `reset`, a read that times out is done after the reset, and the CID is not reused before", async () => {
  const world = new World({ controller: { ioTimeoutMs: 2_000 } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const causes: unknown[] = [];
  controller.observe((event) => event.type === "state" && causes.push([event.to, event.cause]));
  world.port.links[1]!.climate = { toHost: "silent" };
  const read = world.submit(channel);
  await world.runUntil(() => read.settled.length > 0);
  expectNoErrors([read]);
  expect(slowestMs([read])).toBeLessThanOrEqual(2_200);
  expect(causes).toEqual([
    ["recovering", "lost"],
    ["live", "connected"],
  ]);
  await expectCleanEnd(world);
});

test("F21: a peer that never answers costs the time budget, and the caller hears of the timeout", async () => {
  const world = new World({
    controller: { ioTimeoutMs: 2_000 },
    group: { retry: { switchesMax: 2 } },
  });
  await world.attach();
  const channel = world.device().openChannel();
  world.port.onLink((link) => {
    if (link.number % 2 === 1) link.toHost.cutAfter(world.port.connectAnswerBytes, () => {});
  });
  world.port.links[1]!.climate = { toHost: "silent" };
  const read = world.submit(channel);
  await world.runUntil(() => read.settled.length > 0);
  expect(read.settled[0]!.error).toMatchObject({ code: "NVME_ERR_TIMEOUT", outcome: "unknown" });
  world.port.onLink(undefined);
  await expectCleanEnd(world);
});

test("F21: with `abort`, a write's caller is settled at its deadline, and the CID is kept until answered", async () => {
  const world = new World({ controller: { ioTimeoutMs: 2_000, onTimeout: "abort" } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const [io] = controller.ioQueues;
  world.port.links[1]!.climate = { toHost: "held" };
  const write = world.submit(channel, { op: BlockOp.Write });
  await world.runUntil(() => write.settled.length > 0);
  expect(slowestMs([write])).toBe(2_000);
  expect(codesOf([write])).toEqual(["NVME_ERR_TIMEOUT"]);
  expect(outcomesOf([write])).toEqual(["unknown"]);
  expect(io!.abandoned).toBe(1);
  world.port.links[1]!.climate = { toHost: "clear" };
  await world.idle();
  expect(io!.abandoned).toBe(0);
  expect(controller.state).toBe("live");
  await expectCleanEnd(world);
});

test("F21: a read whose Abort is of no use either leads to a reset, within twice the time", async () => {
  const world = new World({ controller: { ioTimeoutMs: 2_000, onTimeout: "abort" } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  world.port.links[1]!.climate = { toHost: "silent" };
  const read = world.submit(channel);
  await world.runUntil(() => states.length > 0);
  expect(world.clock.nowMs()).toBeLessThanOrEqual(2 * 2_000 + 100);
  await world.runUntil(() => read.settled.length > 0);
  expectNoErrors([read]);
  await expectCleanEnd(world);
});

test("F22: deadlines that pass while the controller comes back start no second recovery", async () => {
  const world = new World({ controller: { ioTimeoutMs: 2_000 } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  world.target.freeze();
  const reads = world.reads(channel, 32);
  await world.pass(1_000);
  const late = world.reads(channel, 32);
  // The first deadline resets; the new connection is not answered before the second one has passed.
  await world.pass(3_000);
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([...reads, ...late]);
  expect(states).toEqual(["recovering", "live"]);
  await expectCleanEnd(world);
});

test("F23: deadlines that pass during a close change nothing about it", async () => {
  const world = new World({ controller: { ioTimeoutMs: 200 } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  world.target.freeze();
  const reads = world.reads(channel, 32);
  await world.pass(100);
  await expectCleanEnd(world);
  expectSettledOnce(reads);
  expect(states).toEqual(["closing", "closed"]);
});

test("F24: an Abort that aborts nothing, and the command's own late answer, free the CID and no more", async () => {
  const world = new World({ controller: { ioTimeoutMs: 1_000, onTimeout: "abort" } });
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  const [, link] = world.port.links;
  link!.climate = { toHost: "held" };
  const read = world.submit(channel);
  const write = world.submit(channel, { op: BlockOp.Write });
  // The target has done both long ago: its answer to the Abort is that there is nothing to abort.
  await world.pass(1_500);
  link!.climate = { toHost: "clear" };
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors([read]);
  expect(codesOf([write])).toEqual(["NVME_ERR_TIMEOUT"]);
  expect(controller.ioQueues[0]!.abandoned).toBe(0);
  expect(states).toEqual([]);
  await expectCleanEnd(world);
});

test("F25: an answer in the very tick of the deadline wins, every time", async () => {
  for (const order of ["answer armed first", "deadline armed first"]) {
    const world = new World({ controller: { ioTimeoutMs: 2_000 } });
    const { controller } = await world.attach();
    const channel = world.device().openChannel();
    const states: string[] = [];
    controller.observe((event) => event.type === "state" && states.push(event.to));
    const [, link] = world.port.links;
    link!.climate = { toHost: "held" };
    const answer = () =>
      world.clock.at(world.clock.nowMs() + 2_000, () => (link!.climate = { toHost: "clear" }));
    if (order === "answer armed first") answer();
    const read = world.submit(channel);
    if (order === "deadline armed first") answer();
    await world.runUntil(() => read.settled.length > 0);
    expectNoErrors([read]);
    expect(slowestMs([read])).toBe(2_000);
    expect(states).toEqual([]);
    await expectCleanEnd(world);
  }
});

test("F26: a transport that reports its end inside submit settles nothing inside it", async () => {
  const world = new World();
  const inner = world.transport(0);
  let armed: "no" | "yes" = "no";
  const transport = {
    ...inner,
    openQueue: (...[options, events]: Parameters<typeof inner.openQueue>) => {
      const link = inner.openQueue(options, events);
      return {
        ...link,
        submit: (...command: Parameters<typeof link.submit>) => {
          if (armed === "yes" && options.qid === 1) {
            armed = "no";
            link.close("reset");
            events.lost(new Error("inside submit") as never);
            return;
          }
          link.submit(...command);
        },
        detach: (cid: number) => link.detach(cid),
        close: (how: Parameters<typeof link.close>[0]) => link.close(how),
      };
    },
  };
  await world.run(world.group.attach({ ...world.controllerOptions(), transport }));
  const channel = world.device().openChannel();
  armed = "yes";
  // The harness throws for whatever settles inside submit.
  const reads = world.reads(channel, 8);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await world.close();
  expectNothingLeft(world);
});

test.each(["success", "failure"])(
  "F27: a reset during error recovery joins it, and all who asked get its result: %s",
  async (outcome) => {
    const world = new World();
    const { controller } = await world.attach();
    const before = world.port.attempts;
    const asked: ReturnType<World["asked"]>[] = [];
    controller.observe((event) => {
      if (event.type !== "state" || event.to !== "recovering" || asked.length > 0) return;
      for (let i = 0; i < 2; i++) asked.push(world.asked((done) => controller.reset(done)));
    });
    if (outcome === "failure") world.port.ignore();
    world.port.reset();
    await world.runUntil(() => asked[1]?.errors.length === 1, 2 * T_CONN_MS);
    expect(asked[0]!.errors).toEqual(asked[1]!.errors);
    expect(asked[0]!.errors[0] === undefined).toBe(outcome === "success");
    // One attempt: of both queues, or of the one that is not answered.
    expect(world.port.attempts - before).toBe(outcome === "success" ? 2 : 1);
    await expectCleanEnd(world);
  },
);

test("F28: 100 resets at once are one reset, or one and another one", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const reads = world.reads(channel, 64);
  const before = world.port.attempts;
  const resets = Array.from({ length: 100 }, () => world.asked((done) => controller.reset(done)));
  await world.runUntil(() => resets.every(({ errors }) => errors.length > 0));
  expect(resets.map(({ errors }) => errors)).toEqual(resets.map(() => [undefined]));
  expect(world.port.attempts - before).toBeLessThanOrEqual(4);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  await expectCleanEnd(world);
});

test("F29: writes that are held for the fence reach no deadline of a command", async () => {
  const world = new World({
    ports: 2,
    controller: { ioTimeoutMs: 2_000, keepAliveTimeoutMs: 4_000 },
  });
  const [first, second] = await world.attachAll();
  const channel = world.device().openChannel();
  const timeouts: string[] = [];
  for (const path of [first!, second!]) {
    path.controller.observe((event) => event.type === "timeout" && timeouts.push(event.command));
  }
  world.port.climate = { toHost: "silent" };
  const writes = world.writes(channel, 8);
  await world.idle();
  world.port.refuse();
  world.port.reset();
  await world.pass(4_000);
  expect(world.unsettled).toBe(8);
  await world.runUntil(() => world.unsettled === 0);
  // Three keep-alive timeouts: traffic keeps our target's controllers alive.
  expect(slowestMs(writes)).toBeGreaterThanOrEqual(first!.fenceMs!);
  expect(first!.fenceMs).toBe(3 * 4_000);
  expectNoErrors(writes);
  expect(timeouts).toEqual([]);
  expect(writes[0]!.request.data).toHaveLength(BLOCK_BYTES);
  await expectCleanEnd(world);
});
