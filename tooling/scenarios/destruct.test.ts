// Destruct: rows F1 to F18 of the fault matrix, against our target over a network that fails.
// Read first: reliability-anchors.md §3.1; DESIGN.md §4 "Close".

import { expect, test } from "vitest";
import { World } from "./world.ts";

const BOUND_MS = 2_000;

test("F1: reads to a peer that vanished settle once when the device is deleted, within the bound", async () => {
  const world = new World();
  await world.attach();
  const channel = world.device().openChannel();
  world.ports[0]!.blackhole();
  const reads = world.reads(channel, 128);
  world.clock.settle();
  const [report] = await world.run(world.group.close());
  expect(report!.totalMs).toBeLessThanOrEqual(BOUND_MS);
  world.clock.settle();
  expect(reads.every(({ settled }) => settled.length === 1)).toBe(true);
  const outcomes = reads.map(({ settled }) => settled[0]!.error!.outcome);
  // A queue of 128 entries takes 127 commands: the last read was never sent, and says so.
  expect(outcomes.filter((outcome) => outcome === "unknown")).toHaveLength(127);
  expect(outcomes.filter((outcome) => outcome === "not-sent")).toHaveLength(1);
  // Do Not Retry: there is no other path.
  expect(reads.every(({ settled }) => (settled[0]!.error!.status! & 0x4000) !== 0)).toBe(true);
  expect(world.ports[0]!.connections).toBe(0);
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
  expect(report!.totalMs).toBeLessThanOrEqual(BOUND_MS);
  world.clock.settle();
  expect(reads.every(({ settled }) => settled.length === 1)).toBe(true);
  const late = world.submit(channels[0]!);
  world.clock.settle();
  expect(late.settled[0]!.error).toMatchObject({ outcome: "not-sent", code: "NVME_ERR_CLOSED" });
});
