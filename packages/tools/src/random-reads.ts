// The load generator: random reads in a closed loop. As many are in flight as the queue depth says;
// each that settles is followed by the next.
// Read first: @nvmeof/bdev's block-device.ts. No promise, closure or timer per read.

import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import type { Random } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import type { LatencyHistogram, LatencySummary } from "./latency.ts";
import { Places } from "./perf/places.ts";

/** Which reads, and how many at a time. */
export interface RandomReadOptions {
  readonly device: BlockDevice;
  readonly clock: Clock;
  readonly random: Random;
  /** Reads in flight. */
  readonly queueDepth: number;
  /** Bytes of one read, a multiple of the block size; it begins at a multiple of itself. */
  readonly readBytes: number;
  /** A read settled: how long it took, ms, and its error if it has one. */
  readonly settled: (latencyMs: number, error: NvmeofError | undefined) => void;
}

/** One read after another: its request, its buffer and its settle are used again. */
class Lane {
  readonly request: BlockRequest;
  startedMs = 0;
  readonly settle: BlockSettle;

  constructor(blockCount: number, bytes: number, settled: (lane: Lane, e?: NvmeofError) => void) {
    this.request = { op: BlockOp.Read, lba: 0, blockCount, data: new Uint8Array(bytes) };
    this.settle = (error) => settled(this, error);
  }
}

/** Random reads, from `start` until `stop`. A lane whose read fails submits no further one. */
export class RandomReads {
  readonly #options: RandomReadOptions;
  readonly #channel: BlockChannel;
  readonly #readBlocks: number;
  /** Places at which a read can begin. */
  readonly #places: Places;
  #inflight = 0;
  #state: "idle" | "running" | "stopped" = "idle";
  #idle: (() => void) | undefined;

  /** @throws RangeError for reads that the device cannot do. */
  constructor(options: RandomReadOptions) {
    const { device, queueDepth, readBytes } = options;
    this.#readBlocks = readBytes / device.blockBytes;
    const places = Math.floor(device.blockCount / this.#readBlocks);
    const whole = Number.isInteger(this.#readBlocks) && this.#readBlocks >= 1;
    if (!whole || places < 1 || this.#readBlocks > device.limits.transferBlocksMax) {
      const { name, blockBytes, blockCount } = device;
      const size = `${blockCount} blocks of ${blockBytes} bytes`;
      throw new RangeError(`reads of ${readBytes} bytes do not suit ${name}: ${size}`);
    }
    if (!Number.isInteger(queueDepth) || queueDepth < 1 || queueDepth > device.limits.inflightMax) {
      const most = device.limits.inflightMax;
      throw new RangeError(`the queue depth is ${queueDepth}; it must be 1 to ${most}`);
    }
    this.#options = options;
    this.#places = new Places(places, options.random);
    this.#channel = device.openChannel();
  }

  /** Reads in flight now. */
  get inflight(): number {
    return this.#inflight;
  }

  start(): void {
    if (this.#state !== "idle") throw new Error("started twice");
    this.#state = "running";
    const { queueDepth, readBytes } = this.#options;
    for (let i = 0; i < queueDepth; i++) {
      this.#submit(new Lane(this.#readBlocks, readBytes, this.#settled));
    }
  }

  /** Submits no more. Resolves when what is in flight has settled. */
  stop(): Promise<void> {
    this.#state = "stopped";
    return this.whenIdle();
  }

  /** Resolves when nothing is in flight: after `stop`, or when every lane has failed. */
  async whenIdle(): Promise<void> {
    if (this.#inflight > 0) {
      await new Promise<void>((resolve) => {
        const others = this.#idle;
        this.#idle = () => {
          others?.();
          resolve();
        };
      });
    }
    this.#channel.close();
  }

  #submit(lane: Lane): void {
    const { clock } = this.#options;
    lane.request.lba = this.#places.next() * this.#readBlocks;
    lane.startedMs = clock.nowMs();
    this.#inflight++;
    this.#channel.submit(lane.request, lane.settle);
  }

  readonly #settled = (lane: Lane, error?: NvmeofError): void => {
    const { clock, settled } = this.#options;
    this.#inflight--;
    settled(clock.nowMs() - lane.startedMs, error);
    // A device that is gone refuses at once: to ask again would never end.
    if (this.#state === "running" && error === undefined) this.#submit(lane);
    if (this.#inflight === 0) this.#idle?.();
  };
}

/** How to measure. */
export interface LoadOptions extends Omit<RandomReadOptions, "settled"> {
  readonly durationMs: number;
  readonly histogram: LatencyHistogram;
  /** Ends the measurement early when it aborts; what is in flight settles first. */
  readonly signal?: AbortSignal | undefined;
}

/** What was measured. */
export interface LoadReport {
  readonly reads: number;
  readonly errors: number;
  readonly firstError: NvmeofError | undefined;
  readonly elapsedMs: number;
  /** Reads per second that succeeded. */
  readonly iops: number;
  readonly bytesPerSecond: number;
  readonly latency: LatencySummary;
}

/**
 * Reads at random for `durationMs`. Errors are counted, and end the lane that they hit.
 *
 * Rejects with the signal's reason. @throws RangeError for reads that the device cannot do.
 */
export async function measureRandomReads(options: LoadOptions): Promise<LoadReport> {
  const { clock, durationMs, histogram, readBytes, signal } = options;
  let reads = 0;
  let errors = 0;
  let firstError: NvmeofError | undefined;
  const startedMs = clock.nowMs();
  const endMs = startedMs + durationMs;
  const load = new RandomReads({
    ...options,
    settled(latencyMs, error) {
      if (error === undefined) {
        reads++;
        histogram.record(latencyMs);
      } else {
        errors++;
        firstError ??= error;
      }
      // Beside the timer: a device of this process may settle without ever letting a timer run.
      if (clock.nowMs() >= endMs) void load.stop();
    },
  });
  signal?.throwIfAborted();
  const stop = (): void => void load.stop();
  const timer = clock.at(endMs, stop);
  signal?.addEventListener("abort", stop, { once: true });
  load.start();
  await load.whenIdle();
  timer.cancel();
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();
  const elapsedMs = clock.nowMs() - startedMs;
  const iops = elapsedMs > 0 ? reads / (elapsedMs / 1000) : 0;
  return {
    reads,
    errors,
    firstError,
    elapsedMs,
    iops,
    bytesPerSecond: iops * readBytes,
    latency: histogram.summary(),
  };
}
