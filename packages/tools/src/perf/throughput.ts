// What was done when: requests, errors and the longest latency of each interval. The number of intervals
// is bounded: when there are too many, two become one.

import { BlockOp } from "@nvmeof/bdev";

const INTERVALS_MAX = 400;
const FIRST_INTERVAL_MS = 50;

/** Intervals of equal length, of which the last one may have ended early. */
export interface PerfTimeline {
  readonly intervalMs: number;
  /** Reads, writes and errors that settled in each. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  readonly errors: readonly number[];
  /** The longest latency of those that succeeded in each, ms. */
  readonly latencyMaxMs: readonly number[];
}

export class Throughput {
  readonly #startMs: number;
  #intervalMs = FIRST_INTERVAL_MS;
  readonly #reads = new Float64Array(INTERVALS_MAX);
  readonly #writes = new Float64Array(INTERVALS_MAX);
  readonly #errors = new Float64Array(INTERVALS_MAX);
  readonly #latencyMaxMs = new Float64Array(INTERVALS_MAX);

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  /** A request succeeded. Allocates nothing. */
  add(op: BlockOp, latencyMs: number, nowMs: number): void {
    const at = this.#intervalAt(nowMs);
    const counts = op === BlockOp.Read ? this.#reads : this.#writes;
    counts[at]! += 1;
    if (latencyMs > this.#latencyMaxMs[at]!) this.#latencyMaxMs[at] = latencyMs;
  }

  /** A request failed. */
  addError(nowMs: number): void {
    this.#errors[this.#intervalAt(nowMs)]! += 1;
  }

  /** All intervals up to now, those without any request included. */
  timeline(nowMs: number): PerfTimeline {
    const count = nowMs > this.#startMs ? this.#intervalAt(nowMs) + 1 : 0;
    const part = (values: Float64Array): number[] => Array.from(values.subarray(0, count));
    return {
      intervalMs: this.#intervalMs,
      reads: part(this.#reads),
      writes: part(this.#writes),
      errors: part(this.#errors),
      latencyMaxMs: part(this.#latencyMaxMs),
    };
  }

  #intervalAt(nowMs: number): number {
    const elapsedMs = nowMs - this.#startMs;
    while (elapsedMs >= this.#intervalMs * INTERVALS_MAX) this.#join();
    return Math.floor(elapsedMs / this.#intervalMs);
  }

  #join(): void {
    for (const counts of [this.#reads, this.#writes, this.#errors]) {
      joinPairs(counts, (a, b) => a + b);
    }
    joinPairs(this.#latencyMaxMs, Math.max);
    this.#intervalMs *= 2;
  }
}

/** Timelines of loads that ran side by side as one: intervals are those of the longest. */
export function mergedTimeline(timelines: readonly PerfTimeline[]): PerfTimeline {
  const intervalMs = Math.max(...timelines.map((each) => each.intervalMs));
  const counts = timelines.map(({ reads }) => reads.length);
  const lengths = timelines.map((each, i) =>
    Math.ceil((counts[i]! * each.intervalMs) / intervalMs),
  );
  const length = Math.max(0, ...lengths);
  const merged = (
    of: (timeline: PerfTimeline) => readonly number[],
    join: (a: number, b: number) => number,
  ): number[] => {
    const values = Array.from({ length }, () => 0);
    for (const timeline of timelines) {
      for (const [i, value] of of(timeline).entries()) {
        const at = Math.floor((i * timeline.intervalMs) / intervalMs);
        values[at] = join(values[at]!, value);
      }
    }
    return values;
  };
  const plus = (a: number, b: number): number => a + b;
  return {
    intervalMs,
    reads: merged(({ reads }) => reads, plus),
    writes: merged(({ writes }) => writes, plus),
    errors: merged(({ errors }) => errors, plus),
    latencyMaxMs: merged(({ latencyMaxMs }) => latencyMaxMs, Math.max),
  };
}

function joinPairs(values: Float64Array, join: (a: number, b: number) => number): void {
  const half = values.length / 2;
  for (let i = 0; i < half; i++) values[i] = join(values[2 * i]!, values[2 * i + 1]!);
  values.fill(0, half);
}
