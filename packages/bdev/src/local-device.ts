// What all devices of this process share: channels, observers, and one way to close.
// Read first: block-device.ts; memory.ts is the simplest device built on it.

import type { Clock } from "@nvmeof/transport";
import type {
  BlockChannel,
  BlockDevice,
  BlockDeviceEvent,
  BlockFeatures,
  BlockIdentity,
  BlockLimits,
  BlockRequest,
  BlockSettle,
} from "./block-device.ts";
import { LocalChannel } from "./channel.ts";
import { Lifetime } from "./lifetime.ts";

/** What a device of this process is made of. */
export interface LocalDeviceOptions {
  /** What people and registries call it. */
  readonly name: string;
  readonly clock: Clock;
  /** Size of a block: a power of two, 512 to 65,536. */
  readonly blockBytes: number;
  /** Number of blocks, 1 or more. */
  readonly blockCount: number;
  /** Default: 16 MiB in one transfer, no boundary, 1024 in flight. */
  readonly limits?: Partial<BlockLimits> | undefined;
  /** What it can do beyond Read and Write. Default: nothing. */
  readonly features?: Partial<BlockFeatures> | undefined;
  readonly identity?: BlockIdentity | undefined;
}

const TRANSFER_BYTES_MAX = 16 * 1024 * 1024;

const readAndWrite: BlockFeatures = {
  readOnly: false,
  volatileCache: false,
  writeZeroes: false,
  deallocate: false,
  compare: false,
  verify: false,
};

/**
 * Base of the devices that do their work in this process. A device of your own extends it and
 * implements `execute`, and `release` if it holds something.
 *
 * Raises `RangeError` for a size that no device can have.
 */
export abstract class LocalDevice implements BlockDevice {
  readonly name: string;
  readonly blockBytes: number;
  readonly limits: BlockLimits;
  readonly features: BlockFeatures;
  readonly identity: BlockIdentity;
  protected readonly clock: Clock;
  readonly #life: Lifetime;
  #blockCount: number;

  constructor(options: LocalDeviceOptions) {
    checkGeometry(options.blockBytes, options.blockCount);
    this.name = options.name;
    this.clock = options.clock;
    this.blockBytes = options.blockBytes;
    this.#blockCount = options.blockCount;
    this.limits = {
      transferBlocksMax: TRANSFER_BYTES_MAX / options.blockBytes,
      boundaryBlocks: 0,
      inflightMax: 1024,
      ...options.limits,
    };
    this.features = { ...readAndWrite, ...options.features };
    this.identity = options.identity ?? {};
    this.#life = new Lifetime(options.clock, () => this.release());
  }

  /** See ChannelOwner: does a request that was checked. */
  abstract execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void;

  /** Gives back what the device holds; called once, when nothing is in flight any more. */
  protected release(): Promise<void> {
    return Promise.resolve();
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  /** Sets the number of blocks and tells the observers. Nothing in flight is looked at. */
  protected setBlockCount(blockCount: number): void {
    checkGeometry(this.blockBytes, blockCount);
    if (this.closed !== undefined || blockCount === this.#blockCount) return;
    this.#blockCount = blockCount;
    this.#life.tell({ type: "resized", blockCount });
  }

  openChannel(): BlockChannel {
    const channel = new LocalChannel(this, this.clock);
    if (this.closed === undefined) this.#life.add(channel);
    return channel;
  }

  observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.#life.observe(observer);
  }

  /**
   * Removes the device: refuses new requests at once, tells "removed" with `reason`, waits until
   * what is in flight has settled, and gives back what the device holds. Idempotent.
   */
  close(reason = "its owner closed the device"): Promise<void> {
    return this.#life.close(reason);
  }

  /** For its channels: why it takes no more requests; `undefined` while it does. */
  get closed(): string | undefined {
    return this.#life.closed;
  }

  /** For its channels. */
  channelEnded(channel: LocalChannel): void {
    this.#life.ended(channel);
  }
}

/** Raises `RangeError` unless a device may have this size. */
export function checkGeometry(blockBytes: number, blockCount: number): void {
  const isPowerOfTwo = Number.isInteger(blockBytes) && (blockBytes & (blockBytes - 1)) === 0;
  if (!isPowerOfTwo || blockBytes < 512 || blockBytes > 65_536) {
    throw new RangeError(`blockBytes must be a power of two, 512 to 65536, not ${blockBytes}`);
  }
  const countMax = Math.floor(Number.MAX_SAFE_INTEGER / blockBytes);
  if (!Number.isSafeInteger(blockCount) || blockCount < 1 || blockCount > countMax) {
    throw new RangeError(`blockCount must be a whole number, 1 to ${countMax}, not ${blockCount}`);
  }
}
