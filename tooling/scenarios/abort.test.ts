// Abort: a request that nobody wants any more, wherever it is: waiting, sent, or held for its fence.
// Read first: packages/bdev/src/nvme/multipath-channel.ts `abort`, abort-list.ts.

import { BlockOp } from "@nvmeof/bdev";
import type { MultipathChannel, MultipathDevice } from "@nvmeof/bdev/nvme";
import { Cns } from "@nvmeof/codec";
import { identifyBuffer, identifyCommand } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  codesOf,
  expectCleanEnd,
  expectNoErrors,
  expectSettledOnce,
  outcomesOf,
} from "./expectations.ts";
import { heldWorld } from "./held-disk.ts";
import { BLOCK_BYTES, World } from "./world.ts";

const opened = (device: MultipathDevice): MultipathChannel =>
  device.openChannel() as MultipathChannel;

test("abort: a request that waits settles after the call, was not sent, and the others keep their order", async () => {
  const { world, disk } = heldWorld({ controller: { queueEntries: 3 } });
  await world.attach();
  const channel = opened(world.device());
  disk.answers = "held";
  const reads = world.reads(channel, 6);
  await world.idle();
  expect(channel.waiting).toBe(4);
  channel.abort(reads[2]!.request);
  expect(reads[2]!.settled).toEqual([]);
  await world.idle();
  expect(reads[2]!.settled[0]!.error).toMatchObject({
    code: "NVME_ERR_ABORTED",
    outcome: "not-sent",
  });
  disk.answerAll();
  await world.idle();
  expectNoErrors(reads.filter((_, at) => at !== 2));
  expect(disk.seen.map(({ lba }) => lba)).toEqual([0, 1, 3, 4, 5]);
  await expectCleanEnd(world);
});

test("abort: of one that the controller has the outcome is unknown; its data is its caller's again", async () => {
  const { world, disk } = heldWorld();
  const { controller } = await world.attach();
  const channel = opened(world.device());
  const fill = world.writes(channel, 1, 0x5a);
  await world.runUntil(() => world.unsettled === 0);
  disk.answers = "held";
  const read = world.submit(channel);
  const write = world.submit(channel, { op: BlockOp.Write, lba: 1 });
  await world.idle();
  const [queue] = controller.ioQueues;
  channel.abort(read.request);
  channel.abort(write.request);
  channel.abort(write.request);
  expect([...read.settled, ...write.settled]).toEqual([]);
  await world.idle();
  expect(codesOf([read, write])).toEqual(["NVME_ERR_ABORTED"]);
  expect(outcomesOf([read, write])).toEqual(["unknown", "unknown"]);
  expect(queue!.abandoned).toBe(2);
  read.request.data!.fill(0xee);
  disk.answerAll();
  await world.idle();
  // The late answer frees the CID; its data goes nowhere.
  expect(queue!.abandoned).toBe(0);
  expect(read.request.data!.every((byte) => byte === 0xee)).toBe(true);
  expectNoErrors(fill);
  expect(controller.state).toBe("live");
  await expectCleanEnd(world);
});

test("abort: many at once are told to the controller no faster than it takes them", async () => {
  const { world, disk } = heldWorld({ target: { limits: { abortsMax: 2 } } });
  const { controller } = await world.attach();
  const channel = opened(world.device());
  disk.answers = "held";
  const reads = world.reads(channel, 127);
  await world.idle();
  for (const { request } of reads) channel.abort(request);
  await world.idle();
  expect(codesOf(reads)).toEqual(["NVME_ERR_ABORTED"]);
  expectSettledOnce(reads);
  disk.answerAll();
  await world.idle();
  expect(controller.ioQueues[0]!.abandoned).toBe(0);
  expect(controller.state).toBe("live");
  const log = await world.run(world.group.admin(identifyCommand(Cns.Controller, identifyBuffer())));
  expect(log).toBeDefined();
  await expectCleanEnd(world);
});

test("abort: a command that is never answered costs the connection, and nobody else's request", async () => {
  const { world, disk } = heldWorld({ controller: { ioTimeoutMs: 2_000 } });
  const { controller } = await world.attach();
  const channel = opened(world.device());
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  disk.answers = "held";
  const read = world.submit(channel);
  await world.idle();
  channel.abort(read.request);
  await world.idle();
  disk.answers = "at once";
  const others = world.reads(channel, 8);
  await world.pass(2_100);
  expectNoErrors(others);
  expect(states).toEqual(["recovering", "live"]);
  expect(controller.ioQueues[0]!.abandoned).toBe(0);
  disk.answerAll();
  await world.idle();
  expectSettledOnce([read]);
  await expectCleanEnd(world);
});

test("abort: of a write that waits for its fence the outcome is unknown, and of a stranger nothing comes", async () => {
  const world = new World({ ports: 2 });
  await world.attachAll();
  const channel = opened(world.device());
  world.target.freeze();
  const write = world.submit(channel, { op: BlockOp.Write });
  await world.idle();
  world.port.refuse();
  world.port.reset();
  world.target.thaw();
  await world.pass(1_000);
  channel.abort({ op: BlockOp.Read, lba: 0, blockCount: 1, data: new Uint8Array(BLOCK_BYTES) });
  channel.abort(write.request);
  await world.idle();
  expect(write.settled[0]!.error).toMatchObject({ code: "NVME_ERR_ABORTED", outcome: "unknown" });
  channel.abort(write.request);
  await world.pass(60_000);
  await expectCleanEnd(world);
});
