// A load that notices what an outage breaks: each lane writes blocks of its own, reads them back and
// compares, again and again. Read first: pattern.ts for the content.

import { type BlockDevice, type Disk, openDisk } from "@nvmeof/bdev";
import { type NvmeofError, isNvmeofError } from "@nvmeof/codec";
import type { Random } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import { checkPattern, fillPattern } from "./pattern.ts";

/** Which requests, and how many at a time. */
export interface VerifiedLoadOptions {
  readonly device: BlockDevice;
  readonly clock: Clock;
  readonly random: Random;
  /** Lanes: requests in flight. Default 16. */
  readonly lanes?: number | undefined;
  /** Bytes of one request, a multiple of the block size. Default 4 KiB, or a block. */
  readonly requestBytes?: number | undefined;
}

/** What came of a load so far. */
export interface VerifiedLoadReport {
  /** Reads and writes that settled, with or without an error. */
  readonly requests: number;
  readonly errors: number;
  readonly firstError: NvmeofError | undefined;
  /** Blocks that did not hold what was written last. */
  readonly mismatches: number;
  /** The longest that one request took, ms. */
  readonly longestStallMs: number;
  /** The longest time in which no request at all was answered, ms. */
  readonly longestSilenceMs: number;
}

const LANES = 16;
const REQUEST_BYTES = 4096;
/** Most reads that verify one write. */
const READS_MAX = 4;

/** One writer with blocks that nobody else writes. */
interface Lane {
  readonly firstPlace: number;
  readonly data: Uint8Array;
  readonly scratch: Uint8Array;
  pending: "none" | "write" | "read";
  startedMs: number;
}

/** Verified writes from `start` until `stop`. A lane whose request fails submits no further one. */
export class VerifiedLoad {
  readonly #options: VerifiedLoadOptions;
  readonly #requestBlocks: number;
  /** Places of one lane. */
  readonly #places: number;
  readonly #lanes: Lane[];
  readonly #disk: Disk;
  readonly #waiters = new Set<{ readonly isMet: () => boolean; readonly resolve: () => void }>();
  #state: "idle" | "running" | "stopped" = "idle";
  #running: Promise<unknown> = Promise.resolve();
  #lanesLeft = 0;
  #lastAnswerMs = 0;
  #requests = 0;
  #errors = 0;
  #firstError: NvmeofError | undefined;
  #mismatches = 0;
  #longestStallMs = 0;
  #longestSilenceMs = 0;

  /** @throws RangeError for a device that is too small for its lanes. */
  constructor(options: VerifiedLoadOptions) {
    const { device, lanes = LANES } = options;
    const { blockBytes, blockCount, name } = device;
    const bytes = options.requestBytes ?? Math.max(REQUEST_BYTES, blockBytes);
    this.#requestBlocks = bytes / blockBytes;
    this.#places = Math.floor(blockCount / this.#requestBlocks / lanes);
    if (!Number.isInteger(this.#requestBlocks) || this.#places < 1) {
      const size = `${blockCount} blocks of ${blockBytes} bytes`;
      throw new RangeError(`${lanes} writers of ${bytes} bytes do not suit ${name}: ${size}`);
    }
    this.#options = options;
    this.#lanes = Array.from({ length: lanes }, (_, i) => ({
      firstPlace: i * this.#places,
      data: new Uint8Array(bytes),
      scratch: new Uint8Array(blockBytes),
      pending: "none",
      startedMs: 0,
    }));
    this.#disk = openDisk(device);
  }

  get report(): VerifiedLoadReport {
    return {
      requests: this.#requests,
      errors: this.#errors,
      firstError: this.#firstError,
      mismatches: this.#mismatches,
      longestStallMs: this.#longestStallMs,
      longestSilenceMs: this.#longestSilenceMs,
    };
  }

  start(): void {
    if (this.#state !== "idle") throw new Error("started twice");
    this.#state = "running";
    this.#lastAnswerMs = this.#options.clock.nowMs();
    this.#lanesLeft = this.#lanes.length;
    this.#running = Promise.all(this.#lanes.map((lane) => this.#run(lane)));
  }

  /** Submits no more. Resolves when what is in flight has settled. */
  async stop(): Promise<VerifiedLoadReport> {
    this.#state = "stopped";
    await this.#running;
    await this.#disk.close();
    return this.report;
  }

  /** Writes that were submitted up to this moment and did not settle. */
  writesPending(untilMs: number): number {
    return this.#lanes.filter((lane) => lane.pending === "write" && lane.startedMs <= untilMs)
      .length;
  }

  /** Resolves after so many more answers; at once when no lane is left to get any. */
  answers(count: number): Promise<void> {
    const goal = this.#requests + count;
    return this.#when(() => this.#requests >= goal);
  }

  /** Resolves when all that was submitted up to this moment has settled. */
  settled(untilMs: number): Promise<void> {
    return this.#when(() =>
      this.#lanes.every(({ pending, startedMs }) => pending === "none" || startedMs > untilMs),
    );
  }

  #when(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.add({ isMet, resolve });
      this.#tellWaiters();
    });
  }

  #tellWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#lanesLeft > 0 && !waiter.isMet()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  async #run(lane: Lane): Promise<void> {
    const { device, random } = this.#options;
    const { blockBytes } = device;
    try {
      while (this.#state === "running") {
        const place = lane.firstPlace + (random.next32() % this.#places);
        const lba = place * this.#requestBlocks;
        const seed = random.next32();
        fillPattern(lane.data, blockBytes, lba, seed);
        await this.#timed(lane, "write", () => this.#disk.write(lba, lane.data));
        // A number that differs, so that lanes do not fall into step: writes are always under way.
        for (let reads = 1 + (random.next32() % READS_MAX); reads > 0; reads--) {
          lane.data.fill(0);
          await this.#timed(lane, "read", () => this.#disk.read(lba, lane.data));
          checkPattern(lane.data, lane.scratch, lba, seed, () => this.#mismatches++);
        }
      }
    } catch (error) {
      if (!isNvmeofError(error)) throw error;
      this.#errors++;
      this.#firstError ??= error;
    } finally {
      this.#lanesLeft--;
      this.#tellWaiters();
    }
  }

  async #timed(lane: Lane, what: "write" | "read", work: () => Promise<unknown>): Promise<void> {
    const { clock } = this.#options;
    lane.pending = what;
    lane.startedMs = clock.nowMs();
    try {
      await work();
    } finally {
      const nowMs = clock.nowMs();
      lane.pending = "none";
      this.#requests++;
      this.#longestStallMs = Math.max(this.#longestStallMs, nowMs - lane.startedMs);
      this.#longestSilenceMs = Math.max(this.#longestSilenceMs, nowMs - this.#lastAnswerMs);
      this.#lastAnswerMs = nowMs;
      this.#tellWaiters();
    }
  }
}
