// Two results side by side: the ratio of each figure that both have. Read first: result.ts.

import type { PerfDirection, PerfResult } from "./result.ts";

/** A figure of two measurements. */
export interface PerfComparison {
  /** "read iops", "write p99", "cpu per request", … */
  readonly figure: string;
  readonly unit: "1/s" | "B/s" | "us" | "ms" | "";
  readonly better: "higher" | "lower";
  readonly a: number;
  readonly b: number;
  /** b / a; null where a is 0. */
  readonly ratio: number | null;
  /** By how much b is worse than a, as a share: 0.1 for a tenth; 0 where it is not. */
  readonly worse: number;
}

type Figure = Pick<PerfComparison, "figure" | "unit" | "better"> & {
  readonly of: (result: PerfResult) => number | undefined;
};

function figuresOf(name: "read" | "write"): Figure[] {
  const figure = (
    what: string,
    unit: PerfComparison["unit"],
    better: PerfComparison["better"],
    value: (direction: PerfDirection) => number,
  ): Figure => ({
    figure: `${name} ${what}`,
    unit,
    better,
    of: (result) => (result[name].count > 0 ? value(result[name]) : undefined),
  });
  return [
    figure("iops", "1/s", "higher", ({ iops }) => iops),
    figure("bandwidth", "B/s", "higher", ({ bytesPerSecond }) => bytesPerSecond),
    figure("latency mean", "us", "lower", ({ latency }) => latency.meanUs),
    figure("latency p50", "us", "lower", ({ latency }) => latency.p50Us),
    figure("latency p90", "us", "lower", ({ latency }) => latency.p90Us),
    figure("latency p99", "us", "lower", ({ latency }) => latency.p99Us),
    figure("latency p99.9", "us", "lower", ({ latency }) => latency.p999Us),
    figure("latency max", "us", "lower", ({ latency }) => latency.maxUs),
  ];
}

const errorsOf = ({ read, write }: PerfResult): number => read.errors + write.errors;

const figures: readonly Figure[] = [
  ...figuresOf("read"),
  ...figuresOf("write"),
  { figure: "errors", unit: "", better: "lower", of: errorsOf },
  { figure: "retries", unit: "", better: "lower", of: ({ paths }) => paths?.retries },
  {
    figure: "cpu per request",
    unit: "us",
    better: "lower",
    of: ({ platform }) => platform?.cpuUsPerRequest,
  },
  {
    figure: "event loop delay p99",
    unit: "ms",
    better: "lower",
    of: ({ platform }) => platform?.loopDelay.p99Ms,
  },
];

/** All figures that both results have. */
export function comparePerf(a: PerfResult, b: PerfResult): PerfComparison[] {
  return figures.flatMap(({ of, ...what }) => {
    const [one, other] = [of(a), of(b)];
    if (one === undefined || other === undefined) return [];
    const ratio = one === 0 ? null : other / one;
    return [{ ...what, a: one, b: other, ratio, worse: worseBy(what.better, one, other) }];
  });
}

function worseBy(better: PerfComparison["better"], a: number, b: number): number {
  const loss = better === "higher" ? a - b : b - a;
  if (loss <= 0) return 0;
  return a === 0 ? Infinity : loss / a;
}

/** Parts of the workload in which two results differ: their ratio says less then. */
export function workloadDifferences(a: PerfResult, b: PerfResult): string[] {
  const keys = ["rw", "readPercent", "requestBytes", "queueDepth", "queues", "ratePerSecond"];
  const rest = ["verify", "workers"];
  // A result of an earlier version may not have it.
  const of = (result: PerfResult, key: string): unknown =>
    (result.workload as unknown as Record<string, unknown>)[key] ?? null;
  return [...keys, ...rest]
    .filter((key) => of(a, key) !== of(b, key))
    .map((key) => `${key}: ${String(of(a, key))} and ${String(of(b, key))}`);
}
