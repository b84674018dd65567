// A block device as people use it: promises, signals, any size, disposal.
// Read first: disk-channel.ts, which has the calls.

import type { Clock } from "@nvmeof/transport";
import type {
  BlockDevice,
  BlockDeviceEvent,
  BlockFeatures,
  BlockIdentity,
} from "./block-device.ts";
import {
  type CallOptions,
  DiskChannel,
  type DiskShared,
  type WriteOptions,
} from "./disk-channel.ts";
import { RangeLock } from "./range-lock.ts";
import { SignalListeners } from "./signal-listeners.ts";
import { splitting } from "./split.ts";

/** How a disk is opened. */
export interface DiskOptions {
  /** Closing the disk closes the device as well: for who hands the device over. Default false. */
  readonly closeDevice?: boolean | undefined;
  /** Calls that may wait on one channel, beyond those the device takes at a time. Default 4096. */
  readonly queueMax?: number | undefined;
}

const QUEUE_MAX = 4096;

/** The turn after the current one, without a clock: this is the promise edge. */
const microtasks: Pick<Clock, "defer"> = { defer: (task) => void Promise.resolve().then(task) };

/** Opens a block device for calls with promises. */
export const openDisk = (device: BlockDevice, options: DiskOptions = {}): Disk =>
  new Disk(device, options);

/**
 * A block device as people use it. Requests of any size are split as the device needs it. Disposing
 * waits for all calls, then closes the channels, and the device if it was handed over.
 */
export class Disk implements AsyncDisposable {
  readonly #device: BlockDevice;
  readonly #options: DiskOptions;
  readonly #shared: DiskShared;
  readonly #channels = new Set<DiskChannel>();
  #main: DiskChannel | undefined;
  #closed: Promise<void> | undefined;

  constructor(device: BlockDevice, options: DiskOptions = {}) {
    this.#device = device;
    this.#options = options;
    this.#shared = {
      lock: new RangeLock(),
      signals: new SignalListeners(),
      queueMax: options.queueMax ?? QUEUE_MAX,
      channelClosed: (channel) => this.#channels.delete(channel),
      anySize: splitting(device, {
        clock: microtasks,
        transferBlocksMax: Number.MAX_SAFE_INTEGER,
        inflightMax: device.limits.inflightMax,
      }),
    };
  }

  get name(): string {
    return this.#device.name;
  }
  /** Size of a block, bytes. */
  get blockBytes(): number {
    return this.#device.blockBytes;
  }
  /** Number of blocks now. */
  get blockCount(): number {
    return this.#device.blockCount;
  }
  /** Size of the disk now, bytes. */
  get sizeBytes(): number {
    return this.blockCount * this.blockBytes;
  }
  get features(): BlockFeatures {
    return this.#device.features;
  }
  get identity(): BlockIdentity {
    return this.#device.identity;
  }

  /** Opens a channel of its own: for users that shall not wait for each other. */
  openChannel(): DiskChannel {
    const channel = new DiskChannel(this.#device, this.#shared);
    this.#channels.add(channel);
    // A closed disk gives closed channels, so that there is one way to learn of it.
    if (this.#closed !== undefined) void channel.close();
    return channel;
  }

  /** Tells `observer` of events from now on, until the returned function is called. */
  observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.#device.observe(observer);
  }

  /** See {@link DiskChannel.read}; this and the others go through a channel of the disk's own. */
  read(lba: number, into: Uint8Array | number, options?: CallOptions): Promise<Uint8Array> {
    return this.#own().read(lba, into, options);
  }

  /** See {@link DiskChannel.write}. */
  write(lba: number, data: Uint8Array, options?: WriteOptions): Promise<void> {
    return this.#own().write(lba, data, options);
  }

  /** See {@link DiskChannel.flush}. */
  flush(options?: CallOptions): Promise<void> {
    return this.#own().flush(options);
  }

  /** See {@link DiskChannel.writeZeroes}. */
  writeZeroes(lba: number, blockCount: number, options?: WriteOptions): Promise<void> {
    return this.#own().writeZeroes(lba, blockCount, options);
  }

  /** See {@link DiskChannel.deallocate}. */
  deallocate(lba: number, blockCount: number, options?: CallOptions): Promise<void> {
    return this.#own().deallocate(lba, blockCount, options);
  }

  /** See {@link DiskChannel.compare}. */
  compare(lba: number, data: Uint8Array, options?: CallOptions): Promise<void> {
    return this.#own().compare(lba, data, options);
  }

  /** See {@link DiskChannel.verify}. */
  verify(lba: number, blockCount: number, options?: CallOptions): Promise<void> {
    return this.#own().verify(lba, blockCount, options);
  }

  /** See {@link DiskChannel.readBytes}. */
  readBytes(offset: number, into: Uint8Array | number, options?: CallOptions): Promise<Uint8Array> {
    return this.#own().readBytes(offset, into, options);
  }

  /** See {@link DiskChannel.writeBytes}. */
  writeBytes(offset: number, data: Uint8Array, options?: WriteOptions): Promise<void> {
    return this.#own().writeBytes(offset, data, options);
  }

  /** See {@link DiskChannel.bufferReleased}; of calls on the disk itself. */
  bufferReleased(buffer: Uint8Array): Promise<void> {
    return this.#own().bufferReleased(buffer);
  }

  /** Takes no more calls; resolves when all have settled and what is its own is closed. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    if (this.#options.closeDevice === true) await this.#device.close();
  }

  #own(): DiskChannel {
    this.#main ??= this.openChannel();
    return this.#main;
  }
}
