// Latencies as a port: whoever measures brings the histogram of the platform.
// Read first: node/histogram.ts for the one of Node.

/** A distribution of latencies, microseconds. All zero where nothing was recorded. */
export interface LatencySummary {
  readonly count: number;
  readonly minUs: number;
  readonly meanUs: number;
  /** Standard deviation. */
  readonly stdevUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p95Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly p9999Us: number;
  readonly maxUs: number;
}

/** Takes latencies, one per command, and gives their distribution. */
export interface LatencyHistogram {
  /** Milliseconds, with fractions. */
  record(latencyMs: number): void;
  summary(): LatencySummary;
  /** What another thread can be given of it: for `add`. */
  readonly data: unknown;
  /** Adds what another one has recorded: its `data`. */
  add(data: unknown): void;
}
