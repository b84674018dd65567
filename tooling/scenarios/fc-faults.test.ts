// What only FC can suffer: frames that get lost or overtake each other, held aborts, logouts, RSCNs.
// Read first: fc-port.ts; chaos.ts for what must be true in the end.

import { FcHeader, FcRctl } from "@nvmeof/codec/fc";
import { seededRandom } from "@nvmeof/core";
import type { FrameFate, FrameOnTheWay } from "@nvmeof/transport/fc";
import { expect, test } from "vitest";
import { Chaos } from "./chaos.ts";
import { expectCleanEnd, expectNoErrors, expectSettledOnce } from "./expectations.ts";
import { FcFaultyPort } from "./fc-port.ts";
import { World, type WorldOptions } from "./world.ts";

const FAULT_PHASE_MS = 30_000;
/** One frame of so many is lost, and one of so many is late. */
const LOST_OF = 200;
const LATE_OF = 20;
const LATE_MS_MAX = 20;
/** All paths are attached by then. */
const ATTACH_MS = 2_000;

/** The ports of a world over FC. */
const fcPorts = (world: World): FcFaultyPort[] =>
  world.ports.filter((port) => port instanceof FcFaultyPort);

/** Loses and delays frames by chance, from a seed. */
function lossy(world: World, seed: number): () => void {
  const random = seededRandom(seed);
  const below = (limit: number): number => random.next32() % limit;
  const fateOf = ({ deliver }: FrameOnTheWay): FrameFate => {
    // A first connect that loses something fails, as it must: that is another scenario.
    const { controllers } = world.group;
    const attached = controllers.filter(({ controller }) => controller.facts !== undefined);
    if (attached.length < world.ports.length && world.clock.nowMs() < ATTACH_MS) return "pass";
    if (below(LOST_OF) === 0) return "kept";
    if (below(LATE_OF) > 0) return "pass";
    world.clock.at(world.clock.nowMs() + 1 + below(LATE_MS_MAX), deliver);
    return "kept";
  };
  for (const port of fcPorts(world)) port.fateOf = fateOf;
  return () => {
    for (const port of fcPorts(world)) port.fateOf = () => "pass";
  };
}

const seeds = Array.from({ length: 8 }, (_, at) => at + 1);

test.each(seeds)(
  "frames lost and out of order, seed %i: each request settles once, and no newer data is lost",
  async (seed) => {
    const run = new Chaos(seed, "timed", "fc");
    const clear = lossy(run.world, seed);
    await run.begin(FAULT_PHASE_MS);
    clear();
    await run.rest();
    expect(run.wrong, run.faults.join("\n")).toEqual([]);
    expectSettledOnce(run.world.requests);
    await expectCleanEnd(run.world);
  },
);

const make = (options: WorldOptions = {}): World => new World({ over: "fc", ...options });

test("frames that only overtake each other cost no error and no connection", async () => {
  const world = make({ controller: { ioTimeoutMs: 5_000 } });
  await world.attach();
  const channel = world.device().openChannel();
  const [port] = fcPorts(world);
  const attempts = port!.attempts;
  const random = seededRandom(5);
  port!.fateOf = ({ view, deliver }) => {
    if (FcHeader.rCtl.get(view) !== FcRctl.Data) return "pass";
    world.clock.at(world.clock.nowMs() + (random.next32() % 8), deliver);
    return "kept";
  };
  for (let round = 0; round < 20; round++) {
    const data = new Uint8Array(64 * 512).fill(round);
    const write = world.submit(channel, { op: 1, lba: round * 64, blockCount: 64, data });
    await world.runUntil(() => write.settled.length > 0);
    const read = world.submit(channel, { lba: round * 64, blockCount: 64 });
    await world.runUntil(() => read.settled.length > 0);
    expectNoErrors([write, read]);
    expect(new Set(read.request.data)).toEqual(new Set(write.request.data));
  }
  expect(port!.attempts).toBe(attempts);
  await expectCleanEnd(world);
});

test("aborts that are answered late keep neither a close nor the next connection waiting", async () => {
  const world = make();
  const { controller } = await world.attach();
  const channel = world.device().openChannel();
  const [port] = fcPorts(world);
  port!.fateOf = ({ view, deliver }) => {
    if (FcHeader.rCtl.get(view) !== FcRctl.BaAcc) return "pass";
    world.clock.at(world.clock.nowMs() + 1_500, deliver);
    return "kept";
  };
  world.target.freeze();
  const reads = world.reads(channel, 16);
  await world.idle();
  controller.reset(() => {});
  await world.pass(100);
  world.target.thaw();
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  // The old association is over when its last abort was answered, and not before.
  await world.pass(5_000);
  expect(port!.host!.associations).toHaveLength(1);
  await expectCleanEnd(world);
});

test("ports that log out in the midst of I/O, on either side, are a loss as any other", async () => {
  for (const side of [0x2100n, 0x3100n]) {
    const world = make({ ports: 2 });
    await world.attachAll();
    const channel = world.device().openChannel();
    const requests = [...world.reads(channel, 32), ...world.writes(channel, 32)];
    const [port] = fcPorts(world);
    port!.fabric.unplug(side);
    const back = world.clock.nowMs() + 3_000;
    world.clock.at(back, () => side === 0x3100n && port!.restart());
    await world.runUntil(() => world.unsettled === 0, 120_000);
    expectNoErrors(requests);
    await world.pass(20_000);
    expect(world.group.controllers.map(({ controller }) => controller.state)).toEqual([
      "live",
      "live",
    ]);
    await expectCleanEnd(world);
  }
});

test("a storm of RSCNs about others disturbs nobody", async () => {
  const world = make();
  await world.attach();
  const channel = world.device().openChannel();
  const [port] = fcPorts(world);
  const attempts = port!.attempts;
  for (let round = 0; round < 50; round++) {
    port!.fabric.announce(0x02_0000 + round);
    const reads = world.reads(channel, 4);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(reads);
  }
  expect(port!.attempts).toBe(attempts);
  await expectCleanEnd(world);
});

test("a target says of each path what its capsules carry: data over TCP, none over FC", async () => {
  const capsuleUnits = async (over: "tcp" | "fc"): Promise<number> => {
    const world = new World({ over, target: { limits: { inCapsuleBytes: 4096 } } });
    const { controller } = await world.attach();
    const { ioccsz } = controller.facts!.identify;
    await world.close();
    return ioccsz;
  };
  expect(await capsuleUnits("tcp")).toBe((64 + 4096) / 16);
  expect(await capsuleUnits("fc")).toBe(64 / 16);
});
