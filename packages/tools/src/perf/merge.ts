// Parts as one result. Counts are added and distributions as well; nothing is an average of averages.
// Read first: part.ts, result.ts.

import type { LatencyHistogram, LatencySummary } from "../latency.ts";
import type { Bucket } from "./buckets.ts";
import type { PerfVerify } from "./content.ts";
import type { PerfEnd } from "./load.ts";
import type { MeterReading } from "./meter.ts";
import type { PartDirection, PerfPart } from "./part.ts";
import {
  PERF_VERSION,
  type PerfDirection,
  type PerfPaths,
  type PerfPlatform,
  type PerfResult,
  type PerfSchedule,
  type PerfWorker,
} from "./result.ts";
import type { PerfError } from "./tally.ts";
import { mergedTimeline } from "./throughput.ts";

/** What else a result is made of. */
export interface MergeOptions {
  readonly histogram: () => LatencyHistogram;
  /** Of the whole process, where the parts are of several threads. Default: that of the part. */
  readonly reading?: MeterReading | undefined;
  /** Names of the workers that the parts are of, one for each. Default: they are of none. */
  readonly names?: readonly string[] | undefined;
}

/** What matters more stands first: who is ended because another one failed is not the reason. */
const ends: readonly PerfEnd[] = ["removed", "errors", "interrupted", "size", "time"];

/** @param parts one or more. */
export function mergedResult(parts: readonly PerfPart[], options: MergeOptions): PerfResult {
  const { histogram, names } = options;
  const { device, workload } = parts[0]!;
  const elapsedMs = Math.max(...parts.map((part) => part.elapsedMs));
  const direction = (name: "read" | "write"): PerfDirection =>
    mergedDirection(
      parts.map((part) => part[name]),
      { requestBytes: workload.requestBytes, elapsedMs, histogram },
    );
  const [read, write] = [direction("read"), direction("write")];
  return {
    version: PERF_VERSION,
    device,
    workload,
    end: ends.find((end) => parts.some((part) => part.end === end))!,
    abandoned: sum(parts, ({ abandoned }) => abandoned),
    elapsedMs,
    read,
    write,
    errors: mergedErrors(parts.flatMap(({ errors }) => errors)),
    schedule: mergedSchedule(given(parts, ({ schedule }) => schedule)),
    verify: mergedVerify(given(parts, ({ verify }) => verify)),
    paths: mergedPaths(given(parts, ({ paths }) => paths)),
    platform: platformOf(parts, options.reading, read.count + write.count),
    timeline: mergedTimeline(parts.map(({ timeline }) => timeline)),
    workers:
      names === undefined ? null : parts.map((part, i) => workerOf(part, names[i]!, histogram)),
  };
}

const sum = <T>(of: readonly T[], what: (each: T) => number): number =>
  of.reduce((total, each) => total + what(each), 0);

/** What parts have that have it. */
const given = <T>(
  parts: readonly PerfPart[],
  what: (part: PerfPart) => T | null,
): readonly [T, ...T[]] | undefined => {
  const [first, ...rest] = parts.map(what).filter((each) => each !== null);
  return first === undefined ? undefined : [first, ...rest];
};

interface Measure {
  readonly requestBytes: number;
  readonly elapsedMs: number;
  readonly histogram: () => LatencyHistogram;
}

function mergedDirection(
  directions: readonly PartDirection[],
  { requestBytes, elapsedMs, histogram }: Measure,
): PerfDirection {
  const count = sum(directions, (each) => each.count);
  const iops = elapsedMs > 0 ? (count / elapsedMs) * 1000 : 0;
  return {
    count,
    errors: sum(directions, ({ errors }) => errors),
    bytes: count * requestBytes,
    iops,
    bytesPerSecond: iops * requestBytes,
    latency: mergedLatency(directions, histogram),
    buckets: mergedBuckets(directions.flatMap(({ buckets }) => buckets)),
  };
}

function mergedLatency(
  directions: readonly PartDirection[],
  histogram: () => LatencyHistogram,
): LatencySummary {
  const all = histogram();
  for (const { count, latency } of directions) if (count > 0) all.add(latency);
  return all.summary();
}

/** All loads have the same buckets: those with the same beginning are one. */
function mergedBuckets(buckets: readonly Bucket[]): Bucket[] {
  const byFrom = new Map<number, Bucket>();
  for (const [from, to, count] of buckets) {
    byFrom.set(from, [from, to, count + (byFrom.get(from)?.[2] ?? 0)]);
  }
  return [...byFrom.values()].sort(([a], [b]) => a - b);
}

function mergedErrors(errors: readonly PerfError[]): PerfError[] {
  const byKind = new Map<string, PerfError>();
  for (const error of errors) {
    const key = `${error.code} ${error.status}`;
    byKind.set(key, { ...error, count: error.count + (byKind.get(key)?.count ?? 0) });
  }
  return [...byKind.values()].sort((a, b) => b.count - a.count);
}

function mergedSchedule(all: readonly PerfSchedule[] | undefined): PerfSchedule | null {
  if (all === undefined) return null;
  return {
    ratePerSecond: sum(all, ({ ratePerSecond }) => ratePerSecond),
    latestMs: Math.max(...all.map(({ latestMs }) => latestMs)),
    unstarted: sum(all, ({ unstarted }) => unstarted),
  };
}

function mergedVerify(all: readonly [PerfVerify, ...PerfVerify[]] | undefined): PerfVerify | null {
  if (all === undefined) return null;
  const firsts = all.flatMap(({ first }) => (first === null ? [] : [first]));
  const states = new Set(all.map(({ readBack }) => readBack));
  return {
    checkedBlocks: sum(all, ({ checkedBlocks }) => checkedBlocks),
    mismatches: sum(all, ({ mismatches }) => mismatches),
    first: firsts.toSorted((a, b) => a.lba - b.lba)[0] ?? null,
    readBack: states.size === 1 ? all[0].readBack : "not done",
  };
}

function mergedPaths(all: readonly PerfPaths[] | undefined): PerfPaths | null {
  if (all === undefined) return null;
  return {
    count: sum(all, ({ count }) => count),
    retries: sum(all, ({ retries }) => retries),
    switches: sum(all, ({ switches }) => switches),
    longestStallMs: Math.max(...all.map(({ longestStallMs }) => longestStallMs)),
  };
}

/** Time is the whole process's; delays are those of the thread that had the longest. */
function platformOf(
  parts: readonly PerfPart[],
  whole: MeterReading | undefined,
  count: number,
): PerfPlatform | null {
  const readings = given(parts, ({ reading }) => reading);
  if (readings === undefined) return null;
  const { cpuUserMs, cpuSystemMs } = whole ?? readings[0];
  const longest = (name: keyof MeterReading["loopDelay"]): number =>
    Math.max(...readings.map(({ loopDelay }) => loopDelay[name]));
  return {
    cpuUserMs,
    cpuSystemMs,
    cpuUsPerRequest: count > 0 ? ((cpuUserMs + cpuSystemMs) / count) * 1000 : 0,
    loopDelay: {
      meanMs: longest("meanMs"),
      p50Ms: longest("p50Ms"),
      p99Ms: longest("p99Ms"),
      maxMs: longest("maxMs"),
    },
  };
}

function workerOf(part: PerfPart, name: string, histogram: () => LatencyHistogram): PerfWorker {
  const { end, elapsedMs, abandoned, errors, workload } = part;
  const of = (direction: PartDirection): PerfWorker["read"] => {
    const { buckets: _buckets, ...figures } = mergedDirection([direction], {
      requestBytes: workload.requestBytes,
      elapsedMs,
      histogram,
    });
    return figures;
  };
  const loopDelay = part.reading?.loopDelay ?? null;
  return {
    name,
    end,
    elapsedMs,
    abandoned,
    read: of(part.read),
    write: of(part.write),
    errors,
    loopDelay,
  };
}
