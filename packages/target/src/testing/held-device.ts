// A block device for tests that decides when, and how, its requests settle.
// Read first: @nvmeof/bdev block-device.ts for the contract.

import { BlockOp, type BlockRequest, type BlockSettle, LocalDevice } from "@nvmeof/bdev";
import type { BlockFeatures, BlockLimits, LocalChannel } from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";

/** What a {@link HeldDevice} is made of, in place of its defaults. */
export interface HeldDeviceOptions {
  readonly clock: Clock;
  readonly blockCount?: number;
  readonly limits?: Partial<BlockLimits>;
  readonly features?: Partial<BlockFeatures>;
}

/** A request as it was when it came. */
export interface SeenRequest {
  readonly op: number;
  readonly lba: number;
  readonly blockCount: number;
  readonly fua: boolean;
}

const BLOCK_BYTES = 512;

/** 1,024 blocks of 512 bytes, all done at once; requests settle when `settleAll` is called. */
export class HeldDevice extends LocalDevice {
  readonly seen: SeenRequest[] = [];
  readonly store: Uint8Array;
  /** "now": after the current callback, as other devices do. */
  settling: "held" | "now" = "held";
  #held: { channel: LocalChannel; settle: BlockSettle }[] = [];

  constructor(options: HeldDeviceOptions) {
    const blockCount = options.blockCount ?? 1_024;
    super({
      name: "held",
      clock: options.clock,
      blockBytes: BLOCK_BYTES,
      blockCount,
      limits: { transferBlocksMax: 65_536, boundaryBlocks: 0, inflightMax: 128, ...options.limits },
      features: {
        readOnly: false,
        volatileCache: true,
        writeZeroes: true,
        deallocate: true,
        compare: true,
        verify: true,
        ...options.features,
      },
    });
    this.store = new Uint8Array(blockCount * BLOCK_BYTES);
  }

  /** Requests that it has and did not settle. */
  get held(): number {
    return this.#held.length;
  }

  /** Settles all that it has, with success or with this error. */
  settleAll(error?: NvmeofError): void {
    const held = this.#held;
    this.#held = [];
    for (const { channel, settle } of held) channel.finish(settle, error);
  }

  /** Settles all that it has twice, as no device may. */
  settleTwice(): void {
    const held = this.#held;
    this.settleAll();
    for (const { settle } of held) settle(undefined);
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const { op, lba, blockCount, fua = false, data } = request;
    this.seen.push({ op, lba, blockCount, fua });
    const from = lba * BLOCK_BYTES;
    const to = from + blockCount * BLOCK_BYTES;
    if (op === BlockOp.Read) data!.set(this.store.subarray(from, to));
    if (op === BlockOp.Write) this.store.set(data!, from);
    if (op === BlockOp.WriteZeroes || op === BlockOp.Deallocate) this.store.fill(0, from, to);
    if (this.settling === "held") this.#held.push({ channel, settle });
    else channel.finishLater(settle, undefined);
  }
}
