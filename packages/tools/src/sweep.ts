// A whole device, written and verified: content = f(LBA, seed), several requests in flight.
// Read first: pattern.ts for the content.

import { type BlockDevice, openDisk } from "@nvmeof/bdev";
import { runLanes } from "./lanes.ts";
import { checkPattern, fillPattern } from "./pattern.ts";

/** How to go over a device. */
export interface SweepOptions {
  readonly device: BlockDevice;
  /** Which content: a whole number of 32 bits. */
  readonly seed: number;
  /** Transfers in flight. Default 16. */
  readonly lanes?: number | undefined;
  /** Bytes of one transfer; a whole number of blocks is made of it. Default 128 KiB. */
  readonly transferBytes?: number | undefined;
  /** Told after every transfer, with the bytes that are done. */
  readonly progress?: ((bytes: number) => void) | undefined;
  /** Stops the sweep when it aborts: what is in flight ends, then it rejects with the reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A block that does not hold what was written to it. */
export interface Mismatch {
  readonly lba: number;
  /** The LBA that its content was made for, if it is a block of the pattern at all. */
  readonly claimsLba: number;
}

/** What a verification found. */
export interface VerifyReport {
  readonly bytes: number;
  /** Blocks that differ. */
  readonly mismatches: number;
  /** The one with the lowest LBA. */
  readonly first: Mismatch | undefined;
}

const TRANSFER_BYTES = 128 * 1024;
const LANES = 16;

/** Gives every lane the next piece of the device until there is none left. */
async function sweep(
  options: SweepOptions,
  work: (lane: number, lba: number, bytes: number) => Promise<void>,
): Promise<number> {
  const { device, signal, progress } = options;
  const { blockBytes, blockCount } = device;
  const step = Math.max(1, Math.floor((options.transferBytes ?? TRANSFER_BYTES) / blockBytes));
  let next = 0;
  let doneBytes = 0;
  await runLanes(options.lanes ?? LANES, async (lane, failed) => {
    while (next < blockCount && !failed()) {
      signal?.throwIfAborted();
      const lba = next;
      const bytes = Math.min(step, blockCount - lba) * blockBytes;
      next += step;
      await work(lane, lba, bytes);
      doneBytes += bytes;
      progress?.(doneBytes);
    }
  });
  return doneBytes;
}

/** A buffer for each lane, made when it is first used. */
function buffers(): (lane: number, bytes: number) => Uint8Array {
  const made: Uint8Array[] = [];
  return (lane, bytes) => {
    const known = made[lane];
    if (known !== undefined && known.length >= bytes) return known.subarray(0, bytes);
    return (made[lane] = new Uint8Array(bytes));
  };
}

/** Fills the device. Resolves with the bytes written; rejects with the first error. */
export async function writePattern(options: SweepOptions): Promise<number> {
  const { device, seed } = options;
  const disk = openDisk(device);
  const bufferOf = buffers();
  try {
    return await sweep(options, async (lane, lba, bytes) => {
      const data = bufferOf(lane, bytes);
      fillPattern(data, device.blockBytes, lba, seed);
      await disk.write(lba, data);
    });
  } finally {
    await disk.close();
  }
}

/** Reads the device and compares. Blocks that differ are counted; an error of a read rejects. */
export async function verifyPattern(options: SweepOptions): Promise<VerifyReport> {
  const { device, seed } = options;
  const disk = openDisk(device);
  const bufferOf = buffers();
  const scratch = new Uint8Array(device.blockBytes);
  let mismatches = 0;
  let first: Mismatch | undefined;
  const differs = (lba: number, claimsLba: number): void => {
    mismatches++;
    if (first === undefined || lba < first.lba) first = { lba, claimsLba };
  };
  try {
    const bytes = await sweep(options, async (lane, lba, bytes) => {
      const data = bufferOf(lane, bytes);
      await disk.read(lba, data);
      checkPattern(data, scratch, lba, seed, differs);
    });
    return { bytes, mismatches, first };
  } finally {
    await disk.close();
  }
}
