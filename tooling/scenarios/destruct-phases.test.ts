// Destruct, continued: rows F10 to F18, and a bounded close with a silent peer from every state.
// Read first: reliability-anchors.md §3.1; destruct.test.ts. The bound of each is 2 s unless said.

import { seededRandom, states } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  CLOSE_BOUND_MS,
  expectAttachable,
  expectCleanEnd,
  expectNothingLeft,
  expectSettledOnce,
} from "./expectations.ts";
import { World, type WorldOptions } from "./world.ts";

/** More pieces than a controller sends until all its namespaces are known. */
const CONNECT_STEPS = 24;
const connectSteps = Array.from({ length: CONNECT_STEPS }, (_, step) => step);

/** Runs `attach` and closes while it waits for answer number `answers`, from a peer that is silent. */
async function closedWhileConnecting(answers: number): Promise<World> {
  const world = new World();
  const closing: Promise<unknown>[] = [];
  world.port.afterAnswers(answers, () => {
    world.port.blackhole();
    closing.push(world.group.close());
  });
  const attached = world.group.attach(world.controllerOptions());
  const outcome = attached.then(
    () => "attached",
    () => "rejected",
  );
  await world.runUntil(() => closing.length > 0);
  const startedMs = world.clock.nowMs();
  await world.run(Promise.all(closing));
  expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(await world.run(outcome)).toBe("rejected");
  expectNothingLeft(world);
  return world;
}

test.each(connectSteps)(
  "F10: a close after %i answers of a connect leaves no socket, and the connect rejects",
  async (answers) => {
    const probe = new World();
    await probe.attach();
    // Beyond the last answer of the connect there is nothing to interrupt.
    if (answers >= probe.port.answers) return;
    await expectAttachable(await closedWhileConnecting(answers));
  },
);

test("F10: the steps above are all there are", async () => {
  const world = new World();
  await world.attach();
  expect(world.port.answers).toBeLessThanOrEqual(CONNECT_STEPS);
});

test("F10: a close while TCP itself is not answered, and by the signal of the attach", async () => {
  for (const how of ["close", "signal"]) {
    const world = new World();
    world.port.ignore();
    const abort = new AbortController();
    const attached = world.group.attach(world.controllerOptions(), abort.signal);
    const outcome = attached.catch((error: unknown) => error);
    await world.pass(100);
    const startedMs = world.clock.nowMs();
    if (how === "close") await world.run(world.group.close());
    else abort.abort(new Error("enough"));
    expect(await world.run(outcome)).toBeInstanceOf(Error);
    expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
    expectNothingLeft(world);
    await expectAttachable(world);
  }
});

test.each(connectSteps)(
  "F10: the signal of an attach aborts it after %i answers, whatever it waits for",
  async (answers) => {
    const world = new World();
    const abort = new AbortController();
    world.port.afterAnswers(answers, () => {
      world.port.blackhole();
      abort.abort(new Error("enough"));
    });
    const attached = world.group.attach(world.controllerOptions(), abort.signal);
    const outcome = attached.then(
      () => undefined,
      (error: unknown) => error,
    );
    const error = await world.run(outcome);
    if (!abort.signal.aborted) return;
    expect(error).toMatchObject({ message: "enough" });
    expectNothingLeft(world);
    await expectAttachable(world);
  },
);

test("F11: closing twice, at once or later, is one close with one result", async () => {
  const world = new World();
  const path = await world.attach();
  const close = () => world.group.detach(path);
  const [first, second] = await world.run(Promise.all([close(), close()]));
  expect(second).toBe(first);
  expect(await world.run(close())).toBe(first);
  expectNothingLeft(world);
});

test("F12: a close from inside a completion runs after it, and is not re-entered", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  const log: string[] = [];
  let closed: Promise<unknown> | undefined;
  channel.submit({ op: 0, lba: 0, blockCount: 1, data: new Uint8Array(512) }, () => {
    log.push("settling");
    closed = world.group.close().then(() => log.push("closed"));
    log.push("settled");
  });
  const others = world.reads(channel, 16);
  await world.runUntil(() => closed !== undefined);
  await world.run(closed!);
  expect(log).toEqual(["settling", "settled", "closed"]);
  expectSettledOnce(others);
  expectNothingLeft(world);
});

test("F12: a close from inside a status callback, and from an observer of the device", async () => {
  for (const where of ["state", "removed"]) {
    const world = new World({ ports: 2 });
    const [first, second] = await world.attachAll();
    const channel = world.device().openChannel();
    const reads = world.reads(channel, 8);
    let closed: Promise<unknown> | undefined;
    const close = () => void (closed ??= world.group.close());
    if (where === "state") {
      first!.controller.observe((event) => event.type === "state" && close());
      first!.controller.reset(() => {});
    } else {
      world.device().observe((event) => event.type === "removed" && close());
      void world.group.detach(first!);
      void world.group.detach(second!);
    }
    await world.runUntil(() => closed !== undefined);
    await world.run(closed!);
    expectSettledOnce(reads);
    expectNothingLeft(world);
  }
});

test("F13: requests and channels during the walk are refused, and the walk ends", async () => {
  const world = new World();
  await world.attach();
  const device = world.device();
  const channels = Array.from({ length: 8 }, () => device.openChannel());
  world.target.freeze();
  const late: ReturnType<World["submit"]>[] = [];
  const again = () => {
    if (late.length >= 1_000) return;
    const opened = device.openChannel();
    const watched = world.submit(opened);
    late.push(watched);
  };
  for (const channel of channels) {
    for (let at = 0; at < 16; at++) {
      channel.submit({ op: 0, lba: at, blockCount: 1, data: new Uint8Array(512) }, again);
    }
  }
  await world.idle();
  const [report] = await world.run(world.group.close());
  expect(report!.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  await world.idle();
  expect(late).toHaveLength(8 * 16);
  expectSettledOnce(late);
  expect(late.every(({ settled }) => settled[0]!.error?.outcome === "not-sent")).toBe(true);
  expectNothingLeft(world);
});

test("F14: a close while an Abort is outstanding settles both", async () => {
  const controller = { onTimeout: "abort", ioTimeoutMs: 1_000 } as const;
  const world = new World({ controller });
  await world.attach();
  const channel = world.device().openChannel();
  world.target.freeze();
  const reads = world.reads(channel, 4);
  await world.pass(1_500);
  await expectCleanEnd(world);
  expectSettledOnce(reads);
});

test("F15: requests for events that are out are dropped with the close, and nobody is told", async () => {
  const world = new World();
  const { controller } = await world.attach();
  const types: string[] = [];
  controller.observe((event) => types.push(event.type));
  const [report] = await expectCleanEnd(world);
  // It is no command of a user, and its end no event.
  expect(report!.abortedCommands).toBe(0);
  expect(types).toContain("closing");
  expect(types).not.toContain("async-event");
});

test.each([0, 1, 2, 3, 4, 5, 6, 7])(
  "F16: a close %i answers into a scan of namespaces and ANA states cancels it",
  async (answers) => {
    const world = new World({ namespaces: [64, 64] });
    const path = await world.attach();
    const closing: Promise<unknown>[] = [];
    world.port.afterAnswers(answers, () => closing.push(world.group.close()));
    path.rescan();
    path.ana.refresh();
    await world.runUntil(() => closing.length > 0);
    const startedMs = world.clock.nowMs();
    await world.run(Promise.all(closing));
    expect(world.clock.nowMs() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
    await world.pass(20_000);
    expect(world.told.filter((type) => type === "path-added")).toHaveLength(2);
    expectNothingLeft(world);
    await expectAttachable(world);
  },
);

test("F18: a controller that never says that it has shut down is not waited for beyond 1 s", async () => {
  const world = new World();
  await world.attach();
  world.target.freeze();
  const [report] = await expectCleanEnd(world);
  expect(report!.shutdown).toBe("unanswered");
  expect(report!.phasesMs.shutdown).toBeLessThanOrEqual(1_000);
});

/** How a world gets into each state, from where its peer falls silent. */
const ways: Record<(typeof states)[number], (world: World) => Promise<void>> = {
  connecting: async (world) => {
    world.port.afterAnswers(5, () => world.port.blackhole());
    void world.group.attach(world.controllerOptions()).catch(() => {});
    await world.pass(10);
  },
  live: async (world) => {
    await world.attach();
  },
  fencing: async (world) => {
    const { controller } = await world.attach(0);
    await world.attach(1);
    world.target.freeze();
    world.writes(world.device().openChannel(), 4);
    await world.idle();
    world.port.reset();
    await world.runUntil(() => controller.state === "fencing");
    await world.pass(100);
  },
  recovering: async (world) => {
    const { controller } = await world.attach();
    world.port.afterAnswers(3, () => world.port.blackhole());
    controller.reset(() => {});
    await world.pass(10);
  },
  waiting: async (world) => {
    const { controller } = await world.attach();
    world.port.refuse();
    world.port.reset();
    await world.runUntil(() => controller.state === "waiting");
  },
  disabled: async (world) => {
    const { controller } = await world.attach();
    await world.run(new Promise<void>((resolve) => controller.disable(() => resolve())));
  },
  closing: async (world) => {
    await world.attach();
    world.target.freeze();
    void world.group.close();
    await world.pass(10);
  },
  closed: async (world) => {
    await world.attach();
    await world.close();
  },
};

const options: WorldOptions = {
  ports: 2,
  controller: { ioQueues: 2 },
  target: { random: seededRandom(1) },
};

test.each(states)("a close with a silent peer is bounded while %s", async (state) => {
  const world = new World(options);
  await ways[state](world);
  const [path] = world.group.controllers;
  if (path !== undefined) expect(path.controller.state).toBe(state);
  for (const device of world.group.devices) {
    world.reads(device.openChannel(), 32);
    world.writes(device.openChannel(), 32);
  }
  await world.idle();
  world.port.blackhole();
  await expectCleanEnd(world);
});

/** Moments within a close whose peer answers at first: its drain, its shutdown, its last words. */
const closeAnswers = [0, 1, 2, 3, 4, 5, 6, 8, 10, 20, 40, 60];

test.each(closeAnswers)(
  "a close whose peer falls silent %i answers into it is bounded",
  async (answers) => {
    const world = new World(options);
    await world.attach();
    const channels = [world.device().openChannel(), world.device().openChannel()];
    for (const channel of channels) world.reads(channel, 32);
    await world.idle();
    for (const channel of channels) world.reads(channel, 32);
    world.port.afterAnswers(answers, () => world.port.blackhole());
    await expectCleanEnd(world);
  },
);
