// One operation over the blocks of a device, piece after piece: erasing and testing are made of it.
// Read first: @nvmeof/bdev block-device.ts; erasure.ts and self-test.ts use it.

import { type BlockDevice, BlockOp, type BlockRequest, movesData } from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import type { TargetContext } from "./context.ts";

/** Most bytes of one request that moves data, and of one that does not. */
const MOVED_BYTES_MAX = 1024 * 1024;
const NAMED_BYTES_MAX = 64 * 1024 * 1024;

/** What is to be done. */
export interface WalkOptions {
  readonly context: TargetContext;
  readonly device: BlockDevice;
  readonly op: BlockOp;
  /** Write: 32 bits that are repeated in all blocks. Default 0. */
  readonly pattern?: number;
  /** Blocks from the first on. Default: all. */
  readonly blockCount?: number;
  /** Is told of every piece that is done. */
  readonly progress?: (doneBlocks: number) => void;
  /** How it ended; `lba` is where the failed request began. Once, later. */
  readonly done: (error: NvmeofError | undefined, lba: number) => void;
}

/** The operation that makes a device's blocks zeroes: one that it has. */
export const zeroingOp = (device: BlockDevice): BlockOp =>
  device.features.writeZeroes ? BlockOp.WriteZeroes : BlockOp.Write;

/** Goes over a device. Returns what stops it: the request under way is waited for, then `done`. */
export function walkDevice(options: WalkOptions): () => void {
  const { context, device, op, done } = options;
  const { clock, usage } = context;
  const channel = device.openChannel();
  const blockCount = options.blockCount ?? device.blockCount;
  const pieceMax = pieceBlocksMax(device, op);
  const data = movesData(op)
    ? patternBytes(pieceMax * device.blockBytes, options.pattern ?? 0)
    : undefined;
  const request: BlockRequest = { op, lba: 0, blockCount: 0, data, fua: op !== BlockOp.Read };
  let lba = 0;
  let wanted: "all" | "no more" = "all";
  const end = (error: NvmeofError | undefined): void => {
    channel.close();
    done(error, lba);
  };
  const next = (): void => {
    if (lba >= blockCount || wanted === "no more") return end(undefined);
    const { boundaryBlocks } = device.limits;
    const toBoundary =
      boundaryBlocks > 0 && data !== undefined ? boundaryBlocks - (lba % boundaryBlocks) : pieceMax;
    const count = Math.min(pieceMax, toBoundary, blockCount - lba);
    request.lba = lba;
    request.blockCount = count;
    request.data = data?.subarray(0, count * device.blockBytes);
    usage.backendRequests++;
    channel.submit(request, (error) => {
      usage.backendRequests--;
      if (usage.backendRequests === 0) context.backendIdle?.();
      if (error !== undefined) return end(error);
      lba += count;
      options.progress?.(lba);
      // Others come in between.
      clock.at(clock.nowMs(), next);
    });
  };
  clock.defer(next);
  return () => {
    wanted = "no more";
  };
}

function pieceBlocksMax(device: BlockDevice, op: BlockOp): number {
  const { blockBytes, limits } = device;
  if (!movesData(op)) return NAMED_BYTES_MAX / blockBytes;
  return Math.max(1, Math.min(limits.transferBlocksMax, MOVED_BYTES_MAX / blockBytes));
}

function patternBytes(bytes: number, pattern: number): Uint8Array {
  const data = new Uint8Array(bytes);
  if (pattern === 0) return data;
  const view = new DataView(data.buffer);
  for (let at = 0; at < bytes; at += 4) view.setUint32(at, pattern, true);
  return data;
}
