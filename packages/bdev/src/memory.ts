// A block device in memory, of any size: only what was written takes room.
// Read first: block-device.ts for the contract; conformance/ runs over it.

import { type NvmeofError, Status } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import {
  type BlockDevice,
  type BlockExtent,
  type BlockIdentity,
  type BlockLimits,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
  type BlocksAtHand,
} from "./block-device.ts";
import type { LocalChannel } from "./channel.ts";
import { BlockError } from "./errors.ts";
import { LocalDevice } from "./local-device.ts";
import { SparseBytes } from "./sparse-bytes.ts";

/** What a memory device is made of. */
export interface MemoryDeviceOptions {
  /** What people and registries call it. */
  readonly name: string;
  readonly clock: Clock;
  /** Size of a block: a power of two, 512 to 65,536. */
  readonly blockBytes: number;
  /** Number of blocks. It may exceed what fits into memory: see `memoryBytesMax`. */
  readonly blockCount: number;
  readonly identity?: BlockIdentity | undefined;
  /** Default: 16 MiB in one transfer, no boundary, 1024 in flight. */
  readonly limits?: Partial<BlockLimits> | undefined;
  /** Refuses everything that changes blocks. Default false. */
  readonly readOnly?: boolean | undefined;
  /** What `features.volatileCache` says; it makes no other difference. Default false. */
  readonly volatileCache?: boolean | undefined;
  /** Most memory for blocks; writes beyond fail with Capacity Exceeded. Default 4 GiB. */
  readonly memoryBytesMax?: number | undefined;
  /**
   * Time from submitting to settling, ms; for tests, as each request takes a timer then. What a
   * request does is done when it is submitted. Default 0: it settles after the current callback.
   */
  readonly latencyMs?: number | undefined;
}

/** A block device in memory. */
export interface MemoryDevice extends BlockDevice {
  /** Memory that blocks take now, bytes: chunks of 64 KiB, from the first write to it on. */
  readonly allocatedBytes: number;
  /** Changes the size; "resized" is told. Blocks that are cut off are freed. */
  resize(blockCount: number): void;
  /** As for any device; `reason` goes into "removed" and the errors of later requests. */
  close(reason?: string): Promise<void>;
}

const MEMORY_BYTES_MAX = 4 * 1024 * 1024 * 1024;

/** Makes a block device in memory, all zeroes. Raises `RangeError` for a size it cannot have. */
export function memoryDevice(options: MemoryDeviceOptions): MemoryDevice {
  return new SparseMemoryDevice(options);
}

class SparseMemoryDevice extends LocalDevice implements MemoryDevice {
  readonly #bytes: SparseBytes;
  readonly #latencyMs: number;
  readonly atHand: BlocksAtHand | undefined;

  constructor(options: MemoryDeviceOptions) {
    super({
      ...options,
      features: {
        readOnly: options.readOnly ?? false,
        volatileCache: options.volatileCache ?? false,
        writeZeroes: true,
        deallocate: true,
        compare: true,
        verify: true,
      },
    });
    this.#bytes = new SparseBytes(options.memoryBytesMax ?? MEMORY_BYTES_MAX);
    this.#latencyMs = options.latencyMs ?? 0;
    this.atHand = this.#latencyMs === 0 ? this.#ownBlocks() : undefined;
  }

  get allocatedBytes(): number {
    return this.#bytes.allocatedBytes;
  }

  resize(blockCount: number): void {
    const before = this.blockCount;
    this.setBlockCount(blockCount);
    if (this.blockCount < before) {
      this.#bytes.clear(this.blockCount * this.blockBytes, before * this.blockBytes);
    }
  }

  readonly extentAt = (lba: number, blockCount: number): BlockExtent => {
    const { blockBytes } = this;
    const start = lba * blockBytes;
    const { end, isAllocated } = this.#bytes.extentAt(start, start + blockCount * blockBytes);
    return { blockCount: (end - start) / blockBytes, isAllocated };
  };

  #ownBlocks(): BlocksAtHand {
    const bytes = this.#bytes;
    const { blockBytes, features } = this;
    const has = (lba: number, blockCount: number): boolean =>
      this.closed === undefined && lba >= 0 && lba + blockCount <= this.blockCount;
    return {
      has,
      read: (lba, blockCount, into, at) =>
        bytes.read(lba * blockBytes, into, at, at + blockCount * blockBytes),
      write: (lba, blockCount, from, at) =>
        !features.readOnly &&
        has(lba, blockCount) &&
        bytes.write(lba * blockBytes, from, at, at + blockCount * blockBytes),
    };
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const error = this.#perform(request);
    if (this.#latencyMs === 0) channel.finishLater(settle, error);
    else this.clock.at(this.clock.nowMs() + this.#latencyMs, () => channel.finish(settle, error));
  }

  #perform(request: BlockRequest): NvmeofError | undefined {
    const offset = request.lba * this.blockBytes;
    switch (request.op) {
      case BlockOp.Read:
        this.#bytes.read(offset, request.data!);
        break;
      case BlockOp.Write:
        if (!this.#bytes.write(offset, request.data!)) return this.#full(request);
        break;
      case BlockOp.Compare:
        if (!this.#bytes.equals(offset, request.data!)) return this.#differs(request);
        break;
      case BlockOp.WriteZeroes:
      case BlockOp.Deallocate:
        this.#bytes.clear(offset, offset + request.blockCount * this.blockBytes);
        break;
      case BlockOp.Flush:
      case BlockOp.Verify:
        break;
    }
    return undefined;
  }

  #full(request: BlockRequest): BlockError {
    const message = `${this.name} has no memory left for the write at ${request.lba}`;
    return new BlockError("capacity", Status.CapacityExceeded, "failed", message, {
      hint: "Deallocate blocks, or give the device a larger memoryBytesMax.",
    });
  }

  #differs(request: BlockRequest): BlockError {
    const message = `${this.name} holds other data at ${request.lba}`;
    return new BlockError("compare-failure", Status.CompareFailure, "failed", message);
  }
}
