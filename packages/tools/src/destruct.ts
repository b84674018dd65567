// The scenario the project began with: a device is deleted while its target has gone silent.
// Read first: DESIGN.md §1 (the two field reports), §4 "Close". What must hold: every read settles,
// once, and the close ends within its bound.

import type { BlockDevice } from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import type { Random } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
import { RandomReads } from "./random-reads.ts";
import { Timeline, type TimelineEntry } from "./timeline.ts";

/** What to delete, and how to make its target silent. */
export interface DestructOptions {
  readonly device: BlockDevice;
  readonly clock: Clock;
  readonly random: Random;
  /** Reads that are to be outstanding. Default 64. */
  readonly outstanding?: number | undefined;
  /** Bytes of one read. Default 4 KiB. */
  readonly readBytes?: number | undefined;
  /** The target is taken to be silent when nothing was answered for so long, ms. Default 200. */
  readonly silenceMs?: number | undefined;
  /** Makes the target silent: connections stay, answers end. */
  readonly freeze: () => void;
  /** Deletes the device. What it resolves with goes into the report as it is. */
  readonly close: () => Promise<unknown>;
  readonly timeline?: Timeline | undefined;
}

/** Reads that settled after the delete, by the code of their error; "success" for none. */
export type SettledReads = Readonly<Record<string, number>>;

/** What happened. */
export interface DestructReport {
  /** Reads that the silent target owed an answer. */
  readonly outstanding: number;
  /** How many of them have settled. */
  readonly settled: number;
  /** What they settled with. */
  readonly settledWith: SettledReads;
  /** From the delete to the last of them, ms. */
  readonly settledMs: number;
  /** From the delete to the end of the close, ms. */
  readonly closedMs: number;
  readonly timeline: readonly TimelineEntry[];
}

const OUTSTANDING = 64;
const READ_BYTES = 4096;
const SILENCE_MS = 200;

/** What is known of the reads while the scenario goes on. */
class Reads {
  readonly load: RandomReads;
  /** When the last one settled. */
  lastMs: number;
  answers = 0;
  /** When the device was deleted; what settles from then on is what the scenario is about. */
  deletedMs: number | undefined;
  settled = 0;
  settledMs = 0;
  readonly settledWith: Record<string, number> = {};
  readonly #clock: Clock;
  readonly #timeline: Timeline;
  #warm: { readonly answers: number; readonly done: () => void } | undefined;

  constructor(options: DestructOptions, timeline: Timeline) {
    this.#clock = options.clock;
    this.#timeline = timeline;
    this.lastMs = options.clock.nowMs();
    this.load = new RandomReads({
      ...options,
      queueDepth: options.outstanding ?? OUTSTANDING,
      readBytes: options.readBytes ?? READ_BYTES,
      settled: (_latencyMs, error) => this.#settledOne(error),
    });
  }

  /** Resolves after so many answers, or when all have failed: then there is nothing to freeze. */
  async warmUp(answers: number): Promise<void> {
    const warm = new Promise<void>((done) => (this.#warm = { answers, done }));
    this.load.start();
    await Promise.race([warm, this.load.whenIdle()]);
  }

  /** Resolves when nothing was answered for `silenceMs`. */
  async silence(silenceMs: number): Promise<void> {
    this.lastMs = this.#clock.nowMs();
    while (this.#clock.nowMs() < this.lastMs + silenceMs) {
      const dueMs = this.lastMs + silenceMs;
      await new Promise<void>((resolve) => void this.#clock.at(dueMs, resolve));
    }
  }

  #settledOne(error: NvmeofError | undefined): void {
    this.lastMs = this.#clock.nowMs();
    if (this.deletedMs === undefined) {
      this.answers++;
      if (this.answers === this.#warm?.answers) this.#warm.done();
      return;
    }
    const code = error?.code ?? "success";
    this.settledWith[code] = (this.settledWith[code] ?? 0) + 1;
    this.settled++;
    this.settledMs = this.lastMs - this.deletedMs;
    if (this.settled === 1) {
      this.#timeline.note(`the first read settles: ${error?.message ?? "success"}`);
    }
  }
}

/**
 * Reads, freezes the target under the reads, deletes the device, and waits for what comes of it.
 * Every wait has a bound if that of `close` has one: what did not settle until then, did not settle.
 */
export async function runDestruct(options: DestructOptions): Promise<DestructReport> {
  const { clock, freeze, close, silenceMs = SILENCE_MS } = options;
  const timeline = options.timeline ?? new Timeline(clock);
  const reads = new Reads(options, timeline);
  await reads.warmUp(4 * (options.outstanding ?? OUTSTANDING));
  timeline.note(`${reads.answers} reads answered, ${reads.load.inflight} in flight`);
  freeze();
  timeline.note("the target is frozen: its connections stay, its answers end");
  await reads.silence(silenceMs);
  const outstanding = reads.load.inflight;
  timeline.note(`${outstanding} reads outstanding, none answered for ${silenceMs} ms`);

  reads.deletedMs = clock.nowMs();
  timeline.note("the device is deleted");
  void reads.load.stop();
  await close();
  const closedMs = clock.nowMs() - reads.deletedMs;
  timeline.note(`${reads.settled} of ${outstanding} reads have settled`);
  timeline.note("closed");
  const { settled, settledWith, settledMs } = reads;
  return { outstanding, settled, settledWith, settledMs, closedMs, timeline: timeline.entries };
}
