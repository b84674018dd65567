// What every client of a benchmark counts alike: when it begins and ends, I/Os, latency, its own CPU.
// Read first: README.md "How a round goes"; side.ts hears what is said here.

import { createInterface } from "node:readline";

/** What a client is told: the one argument of its program, as JSON. */
export interface LoadOptions {
  readonly port: number;
  readonly op: "read" | "write";
  /** Bytes of each I/O, a multiple of 4,096. */
  readonly bytes: number;
  /** I/Os in flight, over all queues. */
  readonly depth: number;
  /** I/O queues that they are spread over. Default 1. */
  readonly queues?: number;
  /** Namespaces that they are spread over. Default 1. */
  readonly namespaces?: number;
  /** Blocks that a bare client reads and writes, a power of two. Default: all that there are. */
  readonly blocks?: number;
  /** Both digests, of headers and data. */
  readonly digests: boolean;
  /** Our host: which of its interfaces. Default `channel`. */
  readonly api?: "channel" | "namespace" | "disk";
}

/** A slice of the load: a client hears one from its stdin, as a line of JSON, and runs it. */
export interface SliceOptions {
  /** Before anything is counted, ms; and I/Os, since what is rarely called is not compiled. */
  readonly warmMs: number;
  readonly warmIos?: number;
  /** How long I/Os are counted, ms. */
  readonly measureMs: number;
}

/** What a client says at the end of a slice, when all that it submitted has completed. */
export interface SliceResult {
  /** I/Os that completed within the time measured. */
  readonly ios: number;
  readonly elapsedMs: number;
  /** Latency, us: one I/O of `depth` is timed. */
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU of the client while it was measured, us per I/O. */
  readonly userUs: number;
  readonly systemUs: number;
  readonly rssBytes: number;
  /** Since the client began: both are equal, or I/Os were lost. */
  readonly submitted: number;
  readonly completed: number;
  /** I/Os that ended with an error. */
  readonly failed: number;
}

/** The byte that all data holds at an offset: it repeats within a block, so that blocks are alike. */
export const patternByte = (offset: number): number => (offset * 31) & 0xff;

/** A buffer of such data. */
export const patternOf = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => patternByte(i));

export const isPattern = (data: Uint8Array): boolean =>
  data.every((byte, i) => byte === patternByte(i));

export const loadOptions = (): LoadOptions => JSON.parse(process.argv[2] ?? "{}") as LoadOptions;

/** One line of JSON to who started us. */
export const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const SAMPLES_MAX = 1 << 20;

/**
 * Counts I/Os. Only those of lane 0 are timed, and only they look at the clock: the cost is the same
 * for everybody, and next to nothing.
 */
export class Meter {
  submitted = 0;
  completed = 0;
  failed = 0;
  /** The slice has ended: submit no more. */
  isOver = true;
  readonly #samples = new Float32Array(SAMPLES_MAX);
  #sampled = 0;
  #slice: SliceOptions = { warmMs: 0, warmIos: 0, measureMs: 0 };
  #phase: "warm-up" | "measured" | "over" = "over";
  #sinceMs = 0;
  #sinceCompleted = 0;
  #sinceCpu = process.cpuUsage();
  /** When the I/O under way on lane 0 was submitted. */
  #submittedMs = 0;
  #elapsedMs = 0;
  #ios = 0;
  #cpu = process.cpuUsage();

  /** A slice begins: all lanes are about to submit. */
  begin(slice: SliceOptions): void {
    this.#slice = slice;
    this.#phase = "warm-up";
    this.isOver = false;
    this.#sampled = 0;
    this.#sinceCompleted = this.completed;
    this.#sinceMs = performance.now();
    this.#submittedMs = this.#sinceMs;
  }

  /** The I/O of lane 0 has completed, and the next one is about to go out. */
  tick(): void {
    const nowMs = performance.now();
    if (this.#phase === "measured") {
      this.#samples[this.#sampled++ % SAMPLES_MAX] = nowMs - this.#submittedMs;
      if (nowMs - this.#sinceMs >= this.#slice.measureMs) this.#endMeasure(nowMs);
    } else if (this.#phase === "warm-up" && this.#isWarm(nowMs)) {
      this.#beginMeasure();
    }
    this.#submittedMs = nowMs;
  }

  /** What the slice has shown, once all that was submitted has completed. */
  result(): SliceResult {
    const samples = this.#samples.subarray(0, Math.min(this.#sampled, SAMPLES_MAX)).sort();
    const us = (part: number): number => (samples[Math.floor(samples.length * part)] ?? 0) * 1000;
    const sumMs = samples.reduce((sum, each) => sum + each, 0);
    return {
      ios: this.#ios,
      elapsedMs: this.#elapsedMs,
      meanUs: (sumMs * 1000) / samples.length,
      p50Us: us(0.5),
      p99Us: us(0.99),
      userUs: this.#cpu.user / this.#ios,
      systemUs: this.#cpu.system / this.#ios,
      rssBytes: process.memoryUsage.rss(),
      submitted: this.submitted,
      completed: this.completed,
      failed: this.failed,
    };
  }

  #isWarm(nowMs: number): boolean {
    const { warmMs, warmIos = 0 } = this.#slice;
    if (nowMs - this.#sinceMs < warmMs) return false;
    return this.completed - this.#sinceCompleted >= warmIos;
  }

  #beginMeasure(): void {
    this.#phase = "measured";
    this.#sinceCompleted = this.completed;
    this.#sinceCpu = process.cpuUsage();
    this.#sinceMs = performance.now();
  }

  #endMeasure(nowMs: number): void {
    this.#cpu = process.cpuUsage(this.#sinceCpu);
    this.#ios = this.completed - this.#sinceCompleted;
    this.#elapsedMs = nowMs - this.#sinceMs;
    this.#phase = "over";
    this.isOver = true;
  }
}

/**
 * Runs a slice for every line of stdin, until there are no more.
 *
 * @param run submits on every lane, and resolves when all has completed.
 */
export async function runSlices(meter: Meter, run: () => Promise<void>): Promise<void> {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    meter.begin(JSON.parse(line) as SliceOptions);
    await run();
    say(meter.result());
  }
}

/** Chance as cheap as it gets: places for a load that is to be random, not for secrets. */
export class Places {
  #state = 0x2545_f491;
  readonly #mask: number;
  readonly #blocksEach: number;

  /** @param blocks how many there are, a power of two. */
  constructor(blocks: number, blocksEach: number) {
    this.#mask = blocks / blocksEach - 1;
    this.#blocksEach = blocksEach;
  }

  /** The first block of the next I/O. */
  next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return ((this.#state >>> 9) & this.#mask) * this.#blocksEach;
  }
}

/** Bytes of a block of every namespace here, and how many blocks it has. */
export const BLOCK_BYTES = 4096;
export const BLOCK_COUNT = 16_384;
export const NQN = "nqn.2026-01.dev.nvmeof:bench";
