// The destruct scenario over a device whose requests can be held back; in virtual time.

import { type BlockDevice, BlockError, type BlockSettle, memoryDevice } from "@nvmeof/bdev";
import { Status } from "@nvmeof/codec";
import { seededRandom } from "@nvmeof/core";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type DestructReport, runDestruct } from "./destruct.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A device that, once frozen, holds what is submitted until it is torn down. */
function freezable(clock: VirtualClock) {
  const inner = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 4096, latencyMs: 1 });
  const held: BlockSettle[] = [];
  let mode: "open" | "frozen" = "open";
  const device: BlockDevice = {
    ...inner,
    blockCount: inner.blockCount,
    openChannel() {
      const channel = inner.openChannel();
      return {
        get inflight() {
          return channel.inflight + held.length;
        },
        submit: (request, settle) => {
          if (mode === "open") channel.submit(request, settle);
          else held.push(settle);
        },
        close: () => channel.close(),
      };
    },
  };
  const freeze = (): void => void (mode = "frozen");
  const tearDown = (count: number): void => {
    const gone = new BlockError("closed", Status.HostAborted, "unknown", "the device is gone");
    for (const settle of held.splice(0, count)) settle(gone);
  };
  return { device, freeze, tearDown };
}

async function run(settling: number): Promise<DestructReport> {
  const clock = new VirtualClock();
  const { device, freeze, tearDown } = freezable(clock);
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => void clock.at(clock.nowMs() + 500, resolve));
    tearDown(settling);
  };
  const options = { random: seededRandom(1), outstanding: 16, silenceMs: 100 };
  const report = runDestruct({ ...options, device, clock, freeze, close });
  const state = { over: false };
  void report.finally(() => (state.over = true));
  for (await turn(); !state.over; await turn()) clock.advance(1);
  return report;
}

test("every read that the frozen target owed settles, and the close is as long as it took", async () => {
  const report = await run(16);
  expect(report).toMatchObject({
    outstanding: 16,
    settled: 16,
    settledWith: { NVME_ERR_CLOSED: 16 },
  });
  expect(report.closedMs).toBeGreaterThanOrEqual(500);
  expect(report.closedMs).toBeLessThan(520);
  expect(report.timeline.map(({ what }) => what)).toEqual([
    "64 reads answered, 16 in flight",
    "the target is frozen: its connections stay, its answers end",
    "16 reads outstanding, none answered for 100 ms",
    "the device is deleted",
    "the first read settles: the device is gone",
    "16 of 16 reads have settled",
    "closed",
  ]);
});

test("a read that the close forgets is seen to be missing", async () => {
  const report = await run(15);
  expect(report).toMatchObject({ outstanding: 16, settled: 15 });
});
