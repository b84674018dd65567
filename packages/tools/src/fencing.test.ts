// The scenario of fencing over memory, in virtual time: with a fence, and without.
// Read first: fencing.ts.

import { memoryDevice } from "@nvmeof/bdev";
import { type Fencing, connect } from "@nvmeof/bdev/nvme";
import { seededRandom } from "@nvmeof/core";
import { Target } from "@nvmeof/target";
import { MemoryPort, hostTransport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type FencingReport, runFencing } from "./fencing.ts";
import { LateDevice } from "./late-device.ts";
import { SilentConnector } from "./silent-connector.ts";

const NQN = "nqn.2026-01.dev.nvmeof:fencing";
const HOST_ID = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";

/** Lets time pass until `work` is done. */
async function played<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const state: { phase: "running" | "over" } = { phase: "running" };
  const over = (): void => void (state.phase = "over");
  work.then(over, over);
  for (let turn = 0; turn < 1_000_000 && state.phase === "running"; turn++) {
    for (let i = 0; i < 10; i++) await Promise.resolve();
    clock.step();
  }
  return work;
}

async function play(
  clock: VirtualClock,
  fencing: Fencing,
  commandQuiesceTimeMs: number,
): Promise<FencingReport> {
  const memory = memoryDevice({ name: "late", clock, blockBytes: 512, blockCount: 64 });
  const disk = new LateDevice(clock, memory);
  const target = new Target({
    clock,
    random: seededRandom(7),
    trafficKeepAlive: false,
    limits: { commandQuiesceTimeMs },
  });
  target.addSubsystem({ nqn: NQN, allowedHosts: "any", namespaces: [{ device: disk }] });
  const silent: SilentConnector[] = [];
  const transports = [1, 2].map((at) => {
    const port = new MemoryPort(`port${at}`, { clock });
    const address = { trtype: "loop", traddr: `port${at}`, trsvcid: "" };
    target.listen({ listener: port, address });
    const connector = new SilentConnector(port);
    silent.push(connector);
    return hostTransport({ address, connector, clock });
  });
  const host = await connect({
    transport: transports[0]!,
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`,
    hostId: HOST_ID,
    subsystemNqn: NQN,
    keepAliveTimeoutMs: 1_000,
    fencing,
  });
  await host.addPath(transports[1]!);
  const report = await runFencing({
    device: await host.openNamespace(1),
    group: host.group,
    clock,
    ways: host.group.controllers.map((path, at) => ({ name: `path ${at + 1}`, path })),
    silence: () => silent[0]!.silence(),
    disk,
  });
  await host.close();
  for (const connector of silent) connector.release();
  await target.close();
  return report;
}

/** The disk is late by four seconds, and its target says so. */
const HONEST_MS = 5_000;

test("with a fence no block is stale, and the reset of the lost controller opens it", async () => {
  const clock = new VirtualClock();
  const report = await played(clock, play(clock, "reset", HONEST_MS));
  expect(report).toMatchObject({ held: 16, releasedBy: "ccr", blocks: 16, staleBlocks: 0 });
  expect(report.heldMs).toBeLessThan(4_000);
});

test("a fence of time alone keeps blocks from being stale as well, and holds them for longer", async () => {
  const clock = new VirtualClock();
  const report = await played(clock, play(clock, "timed", HONEST_MS));
  expect(report).toMatchObject({ held: 16, heldMs: 7_000, releasedBy: "time", staleBlocks: 0 });
});

test("a target that keeps silent about how late its disk may be defeats a fence of time", async () => {
  const clock = new VirtualClock();
  const report = await played(clock, play(clock, "timed", 0));
  expect(report).toMatchObject({ held: 16, releasedBy: "time", staleBlocks: 16 });
});

test("without a fence the old writes land on the newer data", async () => {
  const clock = new VirtualClock();
  const report = await played(clock, play(clock, "none", HONEST_MS));
  expect(report).toMatchObject({ held: 0, releasedBy: null, staleBlocks: 16 });
});
