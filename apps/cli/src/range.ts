// Which blocks `read` and `write` mean, checked against the namespace before anything is sent.

import type { Disk } from "@nvmeof/bdev";
import { CliError, usage } from "./errors.ts";
import { formatBytes } from "./units.ts";

/** Blocks of a namespace. */
export interface BlockRange {
  readonly lba: number;
  readonly blockCount: number;
}

export interface RangeOptions {
  readonly startBlock: number;
  readonly blocks?: number;
  readonly dataSize?: number;
}

/** More than this in one `read` or `write` is work for `cp`, which does not hold it in memory. */
export const RANGE_BYTES_MAX = 64 * 2 ** 20;

/** Blocks that hold `bytes`; refuses a size that is none of whole blocks. */
export function wholeBlocks(what: string, bytes: number, blockBytes: number, hint: string): number {
  if (bytes > 0 && bytes % blockBytes === 0) return bytes / blockBytes;
  const message = `${what} is ${bytes} bytes, which is no whole number of blocks of ${blockBytes}`;
  throw new CliError("NVME_ERR_UNALIGNED", message, { hint });
}

/** The blocks that `options` mean; one block where they do not say how many. */
export function rangeOf(disk: Disk, options: RangeOptions): BlockRange {
  const { startBlock: lba, blocks, dataSize } = options;
  const { blockBytes } = disk;
  const bySize =
    dataSize === undefined
      ? undefined
      : wholeBlocks(
          "--data-size",
          dataSize,
          blockBytes,
          `Give a multiple of ${blockBytes}, or use cp with --offset and --count.`,
        );
  if (blocks !== undefined && bySize !== undefined && blocks !== bySize) {
    throw usage(`--blocks says ${blocks} blocks, --data-size says ${bySize}`, "Give one of them.");
  }
  return checkRange(disk, { lba, blockCount: blocks ?? bySize ?? 1 });
}

/** "1 block", "8 blocks". */
export const counted = (blockCount: number): string =>
  blockCount === 1 ? "1 block" : `${blockCount} blocks`;

/** Refuses blocks beyond the end, and more than one command should hold. */
export function checkRange(disk: Disk, range: BlockRange): BlockRange {
  const { lba, blockCount } = range;
  const { blockBytes } = disk;
  if (blockCount > disk.blockCount || lba > disk.blockCount - blockCount) {
    const what = `${counted(blockCount)} from ${lba} on`;
    throw new CliError("NVME_ERR_OUT_OF_RANGE", `${what}: beyond the end of the namespace`, {
      hint: `It has ${disk.blockCount} blocks of ${blockBytes} bytes, 0 to ${disk.blockCount - 1}.`,
    });
  }
  if (blockCount * blockBytes > RANGE_BYTES_MAX) {
    const bytes = formatBytes(blockCount * blockBytes);
    throw usage(`${bytes} are more than one command holds in memory`, "Use cp.");
  }
  return range;
}
