// A sweep covers the whole device, tells its progress, and finds what changed since.

import { type BlockDevice, memoryDevice, openDisk } from "@nvmeof/bdev";
import { systemClock } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import { verifyPattern, writePattern } from "./sweep.ts";

// Not a multiple of the transfer size: the last piece is short.
const blockCount = 1000;
const made = (limits: Partial<BlockDevice["limits"]> = {}): BlockDevice =>
  memoryDevice({ name: "m", clock: systemClock, blockBytes: 512, blockCount, limits });

test("what is written verifies, and progress ends at the size of the device", async () => {
  const device = made();
  const done: number[] = [];
  const progress = (bytes: number): void => void done.push(bytes);
  await expect(writePattern({ device, seed: 3, progress })).resolves.toBe(512_000);
  expect(done.at(-1)).toBe(512_000);
  const report = await verifyPattern({ device, seed: 3 });
  expect(report).toEqual({ bytes: 512_000, mismatches: 0, first: undefined });
});

test("every block that changed is counted, and the first is named", async () => {
  const device = made({ transferBlocksMax: 3 });
  await writePattern({ device, seed: 3 });
  const disk = openDisk(device);
  for (const lba of [700, 30, 999]) await disk.writeZeroes(lba, 1);
  const report = await verifyPattern({ device, seed: 3 });
  expect(report).toMatchObject({ mismatches: 3, first: { lba: 30, claimsLba: 0 } });
});

test("an error ends a sweep, and so does a signal", async () => {
  const device = made();
  await expect(
    verifyPattern({ device, seed: 1, signal: AbortSignal.abort(new Error("enough")) }),
  ).rejects.toThrow("enough");
  await device.close();
  await expect(writePattern({ device, seed: 1 })).rejects.toMatchObject({
    code: "NVME_ERR_CLOSED",
  });
});
