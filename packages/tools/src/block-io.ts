// Block requests as promises, for transfers large enough that a promise costs nothing.
// Read first: @nvmeof/bdev's block-device.ts for the contract of a channel.

import type { BlockChannel, BlockDevice, BlockOp, BlockRequest } from "@nvmeof/bdev";

/** Submits a request; rejects with the error that it settles with. */
export function perform(channel: BlockChannel, request: BlockRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.submit(request, (error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

/**
 * Reads or writes `data`, whole blocks of it, from `lba` on: as many requests as the limits of the
 * device ask for, one after another. Rejects with the error of the first that fails.
 */
export async function transfer(
  device: BlockDevice,
  channel: BlockChannel,
  op: (typeof BlockOp)["Read" | "Write"],
  lba: number,
  data: Uint8Array,
): Promise<void> {
  const { transferBlocksMax, boundaryBlocks } = device.limits;
  const end = lba + data.length / device.blockBytes;
  for (let at = lba; at < end;) {
    const toBoundary = boundaryBlocks > 0 ? boundaryBlocks - (at % boundaryBlocks) : Infinity;
    const blockCount = Math.min(end - at, transferBlocksMax, toBoundary);
    const from = (at - lba) * device.blockBytes;
    const piece = data.subarray(from, from + blockCount * device.blockBytes);
    await perform(channel, { op, lba: at, blockCount, data: piece });
    at += blockCount;
  }
}

/**
 * Runs `lanes` copies of `work` side by side. When one fails the others are told by `failed()` and
 * waited for: nothing is under way any more when this rejects, with the first failure.
 */
export async function runLanes(
  lanes: number,
  work: (lane: number, failed: () => boolean) => Promise<void>,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const guarded = async (lane: number): Promise<void> => {
    try {
      await work(lane, () => failure !== undefined);
    } catch (error) {
      failure ??= { error };
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => guarded(lane)));
  if (failure !== undefined) throw failure.error;
}
