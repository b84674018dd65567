// A channel as promises: what people call. The one place where a request becomes a promise.
// Read first: block-device.ts for the contract below. An abort ends the wait, not the request.

import { type NvmeofError, Status } from "@nvmeof/codec";
import { type BlockChannel, type BlockDevice, BlockOp } from "./block-device.ts";
import { type BlockPart, blockParts } from "./byte-range.ts";
import { CallPhase, DiskCall } from "./disk-call.ts";
import { BlockError } from "./errors.ts";
import type { RangeLock, RangeTicket } from "./range-lock.ts";
import { CHANNEL_CLOSED, closedError } from "./request-check.ts";
import type { SignalListeners } from "./signal-listeners.ts";
import { firstPieceBlocks } from "./split.ts";

/** What every call takes. */
export interface CallOptions {
  /**
   * Ends the wait: the call rejects at once with the signal's reason. A request that was not
   * submitted never will be; one that was goes on, and its buffer is in use until it settles, see
   * `bufferReleased`. Whether an aborted write was done is unknown until then.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What calls take that change blocks. */
export interface WriteOptions extends CallOptions {
  /** On stable media when it resolves (Force Unit Access). Default false. */
  readonly fua?: boolean | undefined;
}

const NO_OPTIONS: WriteOptions = {};

/** What the channels of a disk have in common. */
export interface DiskShared {
  readonly lock: RangeLock;
  readonly signals: SignalListeners;
  /** The same device, with any size of request. */
  readonly anySize: BlockDevice;
  /** Calls that may wait on one channel. */
  readonly queueMax: number;
  channelClosed(channel: DiskChannel): void;
}

/**
 * A user's way to a disk. Calls go out in order, as many at a time as the disk takes; those beyond
 * wait, and beyond `queueMax` reject with NVME_ERR_QUEUE_FULL.
 *
 * Every call raises `TypeError` or `RangeError` at once for arguments that cannot be right for any
 * disk, and rejects with the device's error (`code`, `status`, `outcome`) for what failed.
 */
export class DiskChannel implements AsyncDisposable {
  readonly #channel: BlockChannel;
  /** For requests that are too large for the device; opened for the first of them. */
  #splitter: BlockChannel | undefined;
  readonly #device: BlockDevice;
  readonly #shared: DiskShared;
  /** Places for calls: as many as there were at a time, and those of them that are free. */
  readonly #calls: DiskCall[] = [];
  readonly #idle: DiskCall[] = [];
  /** Calls that are not submitted, oldest first. */
  readonly #waiting: DiskCall[] = [];
  /** Number of calls that are submitted and not settled. */
  #submitted = 0;
  /** Byte writes under way: they go on making calls when the channel is closed. */
  #byteWrites = 0;
  #closed: Promise<void> | undefined;
  /** Set while a close waits for calls. */
  #ended: (() => void) | undefined;

  /** Opened by `Disk`. */
  constructor(device: BlockDevice, shared: DiskShared) {
    this.#channel = device.openChannel();
    this.#device = device;
    this.#shared = shared;
  }

  /** Calls that have not settled, those included that were aborted when they were submitted. */
  get inflight(): number {
    return this.#waiting.length + this.#submitted;
  }

  /**
   * Reads blocks from `lba` on, as many as `into` holds, or as `into` says as a number. Resolves with
   * the buffer.
   */
  read(
    lba: number,
    into: Uint8Array | number,
    { signal }: CallOptions = NO_OPTIONS,
  ): Promise<Uint8Array> {
    const data = typeof into === "number" ? this.#allocate(into) : into;
    const blockCount = this.#blocksIn(data);
    // A read resolves with its data.
    return this.#run(BlockOp.Read, lba, blockCount, data, false, signal) as Promise<Uint8Array>;
  }

  /** Writes whole blocks from `lba` on. `data` must not change until it settles. */
  write(
    lba: number,
    data: Uint8Array,
    { fua = false, signal }: WriteOptions = NO_OPTIONS,
  ): Promise<void> {
    const blockCount = this.#blocksIn(data);
    return this.#run(BlockOp.Write, lba, blockCount, data, fua, signal) as Promise<void>;
  }

  /** Puts on stable media what was written by calls that resolved before this one. */
  flush({ signal }: CallOptions = NO_OPTIONS): Promise<void> {
    return this.#run(BlockOp.Flush, 0, 0, undefined, false, signal) as Promise<void>;
  }

  /** Makes blocks read as zeroes. */
  writeZeroes(
    lba: number,
    blockCount: number,
    { fua = false, signal }: WriteOptions = NO_OPTIONS,
  ): Promise<void> {
    const { WriteZeroes } = BlockOp;
    return this.#run(WriteZeroes, lba, blockCount, undefined, fua, signal) as Promise<void>;
  }

  /** Says that blocks are not needed; what they read as afterwards is the disk's affair. */
  deallocate(lba: number, blockCount: number, { signal }: CallOptions = NO_OPTIONS): Promise<void> {
    const { Deallocate } = BlockOp;
    return this.#run(Deallocate, lba, blockCount, undefined, false, signal) as Promise<void>;
  }

  /** Resolves if the blocks from `lba` on hold `data`, rejects with NVME_ERR_COMPARE_FAILURE if not. */
  compare(lba: number, data: Uint8Array, { signal }: CallOptions = NO_OPTIONS): Promise<void> {
    const blockCount = this.#blocksIn(data);
    return this.#run(BlockOp.Compare, lba, blockCount, data, false, signal) as Promise<void>;
  }

  /** Resolves if the blocks can be read. */
  verify(lba: number, blockCount: number, { signal }: CallOptions = NO_OPTIONS): Promise<void> {
    return this.#run(BlockOp.Verify, lba, blockCount, undefined, false, signal) as Promise<void>;
  }

  /**
   * Reads bytes from byte `offset` on, aligned or not: as many as `into` holds, or as `into` says as
   * a number. Resolves with the buffer.
   */
  readBytes(
    offset: number,
    into: Uint8Array | number,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    this.#checkBytes(offset, typeof into === "number" ? into : into.length);
    return this.#readBytes(offset, typeof into === "number" ? new Uint8Array(into) : into, options);
  }

  async #readBytes(offset: number, into: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const { blockBytes } = this.#device;
    const reads = blockParts(offset, into.length, blockBytes).map(async (part) => {
      const own = into.subarray(part.start, part.end);
      const block = await this.read(part.lba, part.isWhole ? own : 1, options);
      if (!part.isWhole) own.set(block.subarray(part.skip, part.skip + own.length));
    });
    await allOrFirstError(reads);
    return into;
  }

  /**
   * Writes bytes from byte `offset` on, aligned or not: a block of which it changes only a part is
   * read, changed and written. Such calls on one disk do not interfere with each other; with `write`
   * to the same blocks at the same time they do, and with whoever else has the device open.
   */
  writeBytes(offset: number, data: Uint8Array, options: WriteOptions = {}): Promise<void> {
    this.#checkBytes(offset, data.length);
    const parts = blockParts(offset, data.length, this.#device.blockBytes);
    return this.#writeParts(parts, data, options);
  }

  async #writeParts(
    parts: readonly BlockPart[],
    data: Uint8Array,
    options: WriteOptions,
  ): Promise<void> {
    const [first, last] = [parts[0], parts.at(-1)];
    if (first === undefined || last === undefined) return;
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    this.#byteWrites++;
    const buffers: Uint8Array[] = [];
    let ticket: RangeTicket | undefined;
    try {
      ticket = await this.#locked(first.lba, last.lba + last.blockCount, options.signal);
      await this.#readModifyWrite(parts, data, buffers, options);
    } finally {
      // After an abort the requests go on, and so does the lock.
      const released = [data, ...buffers].map((each) => this.bufferReleased(each));
      void Promise.all(released).then(() => {
        ticket?.release();
        this.#byteWrites--;
        this.#checkEnded();
      });
    }
  }

  /** `buffers` gets those that are made for it. */
  async #readModifyWrite(
    parts: readonly BlockPart[],
    data: Uint8Array,
    buffers: Uint8Array[],
    { signal, fua = false }: WriteOptions,
  ): Promise<void> {
    // All that has to be read is read before anything is written: a failure leaves all as it was.
    const reads = parts.map(async ({ lba, start, end, skip, isWhole }) => {
      const own = data.subarray(start, end);
      if (isWhole) return own;
      const block = new Uint8Array(this.#device.blockBytes);
      buffers.push(block);
      await this.#enqueue(BlockOp.Read, lba, 1, block, false, signal);
      block.set(own, skip);
      return block;
    });
    const blocks = await allOrFirstError(reads);
    const writes = parts.map(({ lba, blockCount }, i) =>
      this.#enqueue(BlockOp.Write, lba, blockCount, blocks[i], fua, signal),
    );
    await allOrFirstError(writes);
  }

  /** Resolves when no call of this channel uses any byte of `buffer` any more. */
  async bufferReleased(buffer: Uint8Array): Promise<void> {
    const users = this.#calls.filter((call) => call.phase !== CallPhase.Idle && call.uses(buffer));
    await Promise.all(users.map((call) => new Promise<void>((done) => call.onEnded(done))));
  }

  /** Takes no more calls; resolves when all that were made have settled. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#ended = () => {
        this.#channel.close();
        this.#splitter?.close();
        this.#shared.channelClosed(this);
        resolve();
      };
      this.#checkEnded();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run(
    op: BlockOp,
    lba: number,
    blockCount: number,
    data: Uint8Array | undefined,
    fua: boolean,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const refusal = this.#refusal();
    return refusal === undefined
      ? this.#enqueue(op, lba, blockCount, data, fua, signal)
      : Promise.reject(refusal);
  }

  #enqueue(
    op: BlockOp,
    lba: number,
    blockCount: number,
    data: Uint8Array | undefined,
    fua: boolean,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    const call = this.#idle.pop() ?? this.#newCall();
    const promise = call.begin(op, lba, blockCount, data, fua);
    if (signal !== undefined) call.listen(signal, this.#shared.signals, this.#aborted);
    // What waits is older.
    if (this.#waiting.length === 0 && this.#submitted < this.#device.limits.inflightMax) {
      this.#submit(call);
    } else {
      call.phase = CallPhase.Waiting;
      this.#waiting.push(call);
    }
    return promise;
  }

  #newCall(): DiskCall {
    const call = new DiskCall(this.#over);
    this.#calls.push(call);
    return call;
  }

  #refusal(): BlockError | undefined {
    const { name } = this.#device;
    if (this.#closed !== undefined) return closedError(name, CHANNEL_CLOSED);
    if (this.#waiting.length < this.#shared.queueMax) return undefined;
    const message = `${this.#waiting.length} calls wait for ${name} already`;
    return new BlockError("queue-full", Status.CommandInterrupted, "not-sent", message, {
      hint: "Await some of the calls before making more, or give openDisk a larger queueMax.",
    });
  }

  #submitWaiting(): void {
    while (this.#waiting.length > 0 && this.#submitted < this.#device.limits.inflightMax) {
      this.#submit(this.#waiting.shift()!);
    }
  }

  #submit(call: DiskCall): void {
    call.phase = CallPhase.Submitted;
    this.#submitted++;
    const { lba, blockCount } = call.request;
    // What moves no data is no larger for more blocks, and is never split either.
    const fits =
      call.request.data === undefined ||
      firstPieceBlocks(lba, blockCount, this.#device.limits) === blockCount;
    const channel = fits ? this.#channel : (this.#splitter ??= this.#shared.anySize.openChannel());
    channel.submit(call.request, call.settle);
  }

  readonly #over = (call: DiskCall, error: NvmeofError | undefined): void => {
    this.#submitted--;
    if (this.#waiting.length > 0) this.#submitWaiting();
    this.#end(call, error);
  };

  /** The caller was told. A call that waits is over; one that is submitted goes on without it. */
  readonly #aborted = (call: DiskCall): void => {
    if (call.phase !== CallPhase.Waiting) return;
    this.#waiting.splice(this.#waiting.indexOf(call), 1);
    this.#end(call, undefined);
  };

  #end(call: DiskCall, error: NvmeofError | undefined): void {
    call.end(error);
    this.#idle.push(call);
    if (this.#ended !== undefined) this.#checkEnded();
  }

  #checkEnded(): void {
    if (this.inflight === 0 && this.#byteWrites === 0) this.#ended?.();
  }

  #locked(first: number, end: number, signal: AbortSignal | undefined): Promise<RangeTicket> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      if (this.#shared.lock.count >= this.#shared.queueMax) {
        const message = `${this.#shared.lock.count} byte writes wait for ${this.#device.name} already`;
        const { CommandInterrupted } = Status;
        return reject(new BlockError("queue-full", CommandInterrupted, "not-sent", message));
      }
      const abort = (): void => {
        ticket.release();
        reject(signal!.reason);
      };
      const stopListening = signal && this.#shared.signals.add(signal, abort);
      const ticket = this.#shared.lock.acquire(first, end, () => {
        // Deferred by the promise: `ticket` is set when it is looked at.
        stopListening?.();
        void Promise.resolve().then(() => resolve(ticket));
      });
    });
  }

  #allocate(blockCount: number): Uint8Array {
    const most = this.#device.blockCount;
    if (!Number.isSafeInteger(blockCount) || blockCount < 1 || blockCount > most) {
      throw new RangeError(`blockCount must be 1 to ${most}, not ${blockCount}`);
    }
    return new Uint8Array(blockCount * this.#device.blockBytes);
  }

  #blocksIn(data: Uint8Array): number {
    if (!(data instanceof Uint8Array)) throw new TypeError("data must be a Uint8Array");
    const { blockBytes } = this.#device;
    if (data.length === 0 || data.length % blockBytes > 0) {
      const message = `data must be whole blocks of ${blockBytes} bytes, not ${data.length} bytes`;
      throw new RangeError(message);
    }
    return data.length / blockBytes;
  }

  #checkBytes(offset: number, length: number): void {
    const most = this.#device.blockCount * this.#device.blockBytes;
    const isWithin =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      length <= most &&
      offset <= most - length;
    if (!isWithin) throw new RangeError(`${length} bytes at ${offset}: the disk has ${most}`);
  }
}

/** Waits for all, also after one failed: they may still use the caller's buffers. */
async function allOrFirstError<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
