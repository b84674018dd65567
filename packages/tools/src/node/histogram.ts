// The histogram of Node (HDR, in native code) for latencies.
// Read first: ../latency.ts.

import { type RecordableHistogram, createHistogram } from "node:perf_hooks";
import type { LatencyHistogram } from "../latency.ts";

/** What it resolves, in nanoseconds: up to a minute, to three figures. */
const HIGHEST_NS = 60_000_000_000;

/** An empty histogram. A latency above a minute counts as a minute. */
export function latencyHistogram(): LatencyHistogram {
  const histogram = createHistogram({ lowest: 1, highest: HIGHEST_NS, figures: 3 });
  const us = (ns: number): number => ns / 1000;
  const percentileUs = (percentile: number): number => us(histogram.percentile(percentile));
  return {
    // Node shares it between threads: a clone has the same counts.
    data: histogram,
    add: (data) => histogram.add(data as RecordableHistogram),
    record(latencyMs) {
      histogram.record(Math.min(Math.max(1, Math.round(latencyMs * 1e6)), HIGHEST_NS));
    },
    summary() {
      const { count } = histogram;
      // An empty one has a smallest value that nobody recorded, and no mean.
      const isEmpty = count === 0;
      return {
        count,
        minUs: isEmpty ? 0 : us(histogram.min),
        meanUs: isEmpty ? 0 : us(histogram.mean),
        stdevUs: isEmpty ? 0 : us(histogram.stddev),
        p50Us: percentileUs(50),
        p90Us: percentileUs(90),
        p95Us: percentileUs(95),
        p99Us: percentileUs(99),
        p999Us: percentileUs(99.9),
        p9999Us: percentileUs(99.99),
        maxUs: us(histogram.max),
      };
    },
  };
}
