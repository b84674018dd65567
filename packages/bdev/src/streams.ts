// A disk as Web Streams: a range of it to read with read-ahead, or to write with write-behind.
// Read first: promises.ts. For Node's streams: Readable.fromWeb(readable(disk)).

import type { DiskChannel } from "./disk-channel.ts";
import type { Disk } from "./promises.ts";

/** What both kinds of stream take. */
export interface RangeOptions {
  /** First block. Default 0. */
  readonly lba?: number | undefined;
  /** Number of blocks. Default: to the end of the disk as it is now. */
  readonly blockCount?: number | undefined;
  /** Blocks of one request. Default: 256 KiB of them. */
  readonly chunkBlocks?: number | undefined;
  /** Ends the stream with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How a range is read. */
export interface ReadableOptions extends RangeOptions {
  /** Chunks that are requested ahead of the reader, 1 or more. Default 4. */
  readonly readAhead?: number | undefined;
}

/** How a range is written. */
export interface WritableOptions extends RangeOptions {
  /** Chunks that are written while more are taken, 1 or more. Default 4. */
  readonly writeBehind?: number | undefined;
  /** Flushes the disk before the stream is closed. Default true. */
  readonly flush?: boolean | undefined;
}

const CHUNK_BYTES = 256 * 1024;
const CHUNKS_AHEAD = 4;

/**
 * Reads a range as a stream of chunks, each in a buffer of its own. Nothing is read before the first
 * chunk is asked for. Cancelling ends the requests' wait and resolves when none is in flight.
 *
 * Raises `RangeError` for a range that the disk does not have.
 */
export function readable(disk: Disk, options: ReadableOptions = {}): ReadableStream<Uint8Array> {
  const source = new ReadAhead(disk, options);
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => source.session.endWith(options.signal, (why) => controller.error(why)),
      pull: (controller) => source.pull(controller),
      cancel: (reason) => source.session.end(reason),
    },
    // The read-ahead is our own queue: a second one would only hide how much is held.
    { highWaterMark: 0 },
  );
}

/**
 * Writes a range from a stream of bytes in chunks of any size; the disk's blocks need not fit. A last
 * block that is not filled keeps the rest of what it holds. Closing resolves when all is written, and
 * flushed unless told otherwise; more bytes than the range has are an error (`RangeError`) after all
 * before them are written. What the stream's producer gave is copied: it may use its buffers again.
 *
 * Raises `RangeError` for a range that the disk does not have.
 */
export function writable(disk: Disk, options: WritableOptions = {}): WritableStream<Uint8Array> {
  const sink = new WriteBehind(disk, options);
  return new WritableStream<Uint8Array>({
    start: (controller) => {
      sink.session.endWith(options.signal, (why) => controller.error(why));
      sink.failed = (why) => controller.error(why);
    },
    write: (bytes) => sink.write(bytes),
    close: () => sink.close(),
    abort: (reason) => sink.session.end(reason),
  });
}

/** A channel for one stream, and the one way the stream ends early. */
class Session {
  readonly channel: DiskChannel;
  readonly #abort = new AbortController();
  #forget: () => void = () => undefined;

  constructor(disk: Disk) {
    this.channel = disk.openChannel();
  }

  /** Of all requests of the stream. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends with `signal`, and tells `failed`. */
  endWith(signal: AbortSignal | undefined, failed: (why: unknown) => void): void {
    if (signal === undefined) return;
    const onAbort = (): void => {
      failed(signal.reason);
      void this.end(signal.reason);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    this.#forget = () => signal.removeEventListener("abort", onAbort);
  }

  /** Gives up what is in flight; resolves when none of it is any more. Idempotent. */
  end(reason: unknown): Promise<void> {
    this.#abort.abort(reason);
    return this.close();
  }

  /** The end without giving anything up. Idempotent. */
  close(): Promise<void> {
    this.#forget();
    return this.channel.close();
  }
}

class ReadAhead {
  readonly session: Session;
  readonly #readAhead: number;
  readonly #chunkBlocks: number;
  #nextLba: number;
  readonly #endLba: number;
  /** Reads in flight or done, in order. */
  readonly #ahead: Promise<Uint8Array>[] = [];

  constructor(disk: Disk, options: ReadableOptions) {
    const { lba, blockCount, chunkBlocks } = rangeOf(disk, options);
    this.#readAhead = positive("readAhead", options.readAhead ?? CHUNKS_AHEAD);
    this.#chunkBlocks = chunkBlocks;
    this.#nextLba = lba;
    this.#endLba = lba + blockCount;
    this.session = new Session(disk);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#request();
    const next = this.#ahead.shift();
    if (next !== undefined) {
      try {
        controller.enqueue(await next);
      } catch (error) {
        void this.session.end(error);
        throw error;
      }
      this.#request();
    }
    if (this.#ahead.length > 0) return;
    await this.session.close();
    controller.close();
  }

  #request(): void {
    while (this.#ahead.length < this.#readAhead && this.#nextLba < this.#endLba) {
      const count = Math.min(this.#chunkBlocks, this.#endLba - this.#nextLba);
      const { channel, signal } = this.session;
      const read = channel.read(this.#nextLba, count, { signal });
      // Looked at when its turn comes; until then a failure is not unhandled.
      read.catch(() => undefined);
      this.#ahead.push(read);
      this.#nextLba += count;
    }
  }
}

class WriteBehind {
  readonly session: Session;
  /** Told of a write that fails while the stream waits for its producer. */
  failed: (why: unknown) => void = () => undefined;
  readonly #flush: boolean;
  readonly #writeBehind: number;
  readonly #chunkBytes: number;
  /** Byte of the disk where the chunk that is being filled begins. */
  #chunkStart: number;
  readonly #endByte: number;
  #chunk: Uint8Array | undefined;
  #filledBytes = 0;
  /** Buffers for reuse: at most one for each write in flight, and one that is filled. */
  readonly #idle: Uint8Array[] = [];
  readonly #inflight = new Set<Promise<void>>();
  #failure: { readonly why: unknown } | undefined;

  constructor(disk: Disk, options: WritableOptions) {
    const { lba, blockCount, chunkBlocks } = rangeOf(disk, options);
    this.#flush = options.flush ?? true;
    this.#writeBehind = positive("writeBehind", options.writeBehind ?? CHUNKS_AHEAD);
    this.#chunkBytes = chunkBlocks * disk.blockBytes;
    this.#chunkStart = lba * disk.blockBytes;
    this.#endByte = (lba + blockCount) * disk.blockBytes;
    this.session = new Session(disk);
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      if (!(bytes instanceof Uint8Array)) throw new TypeError("a chunk must be a Uint8Array");
      for (let taken = 0; taken < bytes.length;) {
        const count = this.#take(bytes.subarray(taken));
        taken += count;
        if (this.#filledBytes === this.#chunkBytes || count === 0) await this.#submit();
        if (count === 0) throw new RangeError("more bytes than the range has");
      }
    } catch (error) {
      // The stream does not come back after an error.
      await this.session.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.#submit();
      while (this.#inflight.size > 0) await Promise.race(this.#inflight);
      this.#checkFailure();
      if (this.#flush) await this.session.channel.flush({ signal: this.session.signal });
    } finally {
      await this.session.close();
    }
  }

  /** Copies what the chunk and the range have room for; says how much that was. */
  #take(bytes: Uint8Array): number {
    const start = this.#chunkStart + this.#filledBytes;
    const room = Math.min(this.#chunkBytes - this.#filledBytes, this.#endByte - start);
    if (room === 0) return 0;
    this.#chunk ??= this.#idle.pop() ?? new Uint8Array(this.#chunkBytes);
    const taken = Math.min(room, bytes.length);
    this.#chunk.set(bytes.subarray(0, taken), this.#filledBytes);
    this.#filledBytes += taken;
    return taken;
  }

  /** Begins to write what the chunk holds, when there is room for it in flight. */
  async #submit(): Promise<void> {
    if (this.#filledBytes === 0) return;
    while (this.#inflight.size >= this.#writeBehind) await Promise.race(this.#inflight);
    this.#checkFailure();
    const chunk = this.#chunk!;
    const bytes = chunk.subarray(0, this.#filledBytes);
    const { channel, signal } = this.session;
    const write = channel.writeBytes(this.#chunkStart, bytes, { signal }).then(
      () => void this.#idle.push(chunk),
      (why: unknown) => {
        this.#failure ??= { why };
        this.failed(why);
        void this.session.end(why);
      },
    );
    this.#inflight.add(write);
    void write.then(() => this.#inflight.delete(write));
    this.#chunkStart += this.#filledBytes;
    this.#filledBytes = 0;
    this.#chunk = undefined;
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.why;
  }
}

function rangeOf(disk: Disk, options: RangeOptions) {
  const { lba = 0 } = options;
  const blockCount = options.blockCount ?? disk.blockCount - lba;
  const isWithin =
    Number.isSafeInteger(lba) &&
    Number.isSafeInteger(blockCount) &&
    lba >= 0 &&
    blockCount >= 0 &&
    blockCount <= disk.blockCount &&
    lba <= disk.blockCount - blockCount;
  if (!isWithin) {
    throw new RangeError(`${blockCount} blocks at ${lba}: the disk has ${disk.blockCount}`);
  }
  const chunkBlocks = options.chunkBlocks ?? Math.max(1, CHUNK_BYTES / disk.blockBytes);
  return { lba, blockCount, chunkBlocks: positive("chunkBlocks", chunkBlocks) };
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${name} must be a whole number, 1 or more, not ${value}`);
}
