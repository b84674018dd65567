// Transfers keep to the limits of the device, and lanes end together.

import { type BlockDevice, BlockOp, memoryDevice } from "@nvmeof/bdev";
import { systemClock } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import { runLanes, transfer } from "./block-io.ts";

const device = (limits: Partial<BlockDevice["limits"]>): BlockDevice =>
  memoryDevice({ name: "m", clock: systemClock, blockBytes: 512, blockCount: 256, limits });

const counted = Uint8Array.from({ length: 40 * 512 }, (_, i) => i >> 9);

test("a transfer longer than the device takes is cut, also at its boundaries", async () => {
  const limited = device({ transferBlocksMax: 7, boundaryBlocks: 16 });
  const channel = limited.openChannel();
  await transfer(limited, channel, BlockOp.Write, 5, counted);
  const back = new Uint8Array(counted.length);
  await transfer(limited, channel, BlockOp.Read, 5, back);
  expect(back).toEqual(counted);
});

test("a transfer beyond the end rejects with the error of the request that failed", async () => {
  const limited = device({ transferBlocksMax: 16 });
  const write = transfer(limited, limited.openChannel(), BlockOp.Write, 230, counted);
  await expect(write).rejects.toMatchObject({ code: "NVME_ERR_OUT_OF_RANGE" });
});

test("when one lane fails the others see it, and all have ended before the failure is told", async () => {
  const ended: number[] = [];
  const lanes = runLanes(3, async (lane, failed) => {
    if (lane === 1) throw new Error("first");
    while (!failed()) await Promise.resolve();
    ended.push(lane);
  });
  await expect(lanes).rejects.toThrow("first");
  expect(ended.sort()).toEqual([0, 2]);
});
