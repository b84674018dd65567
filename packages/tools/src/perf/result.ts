// What a measurement came to, in one shape for people, files and comparisons.
// Read first: workload.ts; run.ts makes one. Fields are only added within a version.

import type { LatencySummary } from "../latency.ts";
import type { Bucket } from "./buckets.ts";
import type { PerfVerify } from "./content.ts";
import type { PerfEnd } from "./load.ts";
import type { MeterReading } from "./meter.ts";
import type { PerfError } from "./tally.ts";
import type { PerfTimeline } from "./throughput.ts";
import type { DecidedWorkload } from "./workload.ts";

/** Version of the shape. */
export const PERF_VERSION = 1;

/** Reads, or writes. */
export interface PerfDirection {
  /** Requests that succeeded, and those that failed. */
  readonly count: number;
  readonly errors: number;
  readonly bytes: number;
  /** Requests per second that succeeded. */
  readonly iops: number;
  readonly bytesPerSecond: number;
  /** Of requests that succeeded. In an open loop it counts from when they were due. */
  readonly latency: LatencySummary;
  /** How the latencies are distributed. */
  readonly buckets: readonly Bucket[];
}

/** How well an open loop kept to its schedule. */
export interface PerfSchedule {
  readonly ratePerSecond: number;
  /** The longest that a request waited for a free lane after it was due, ms; part of its latency. */
  readonly latestMs: number;
  /** Requests that were due and never started: no latency tells of them. */
  readonly unstarted: number;
}

/** What the paths to the device did meanwhile. */
export interface PerfPaths {
  readonly count: number;
  /** Commands that were sent once more by the same path. */
  readonly retries: number;
  /** Commands that were given to another path, or had to wait for one. */
  readonly switches: number;
  /** Longest time in which commands were in flight and none ended, ms, since the path is there. */
  readonly longestStallMs: number;
}

/** What the program itself took. */
export interface PerfPlatform extends MeterReading {
  /** User and system time by request, µs. In an open loop it contains waiting for the next one. */
  readonly cpuUsPerRequest: number;
}

/** What one of several threads has done. */
export interface PerfWorker {
  readonly name: string;
  readonly end: PerfEnd;
  readonly elapsedMs: number;
  readonly abandoned: number;
  readonly read: Omit<PerfDirection, "buckets">;
  readonly write: Omit<PerfDirection, "buckets">;
  /** Most frequent first. */
  readonly errors: readonly PerfError[];
  /** Delays of its event loop; null where nobody measures that. */
  readonly loopDelay: MeterReading["loopDelay"] | null;
}

/**
 * What a measurement found, as it is kept in a file: workload, figures, and where they were taken.
 */
export interface PerfResult {
  readonly version: typeof PERF_VERSION;
  readonly device: {
    readonly name: string;
    readonly blockBytes: number;
    readonly blockCount: number;
  };
  readonly workload: DecidedWorkload;
  readonly end: PerfEnd;
  /** Requests that had no chance to succeed, since the measurement was ended. */
  readonly abandoned: number;
  readonly elapsedMs: number;
  readonly read: PerfDirection;
  readonly write: PerfDirection;
  /** Most frequent first. */
  readonly errors: readonly PerfError[];
  /** null for a closed loop. */
  readonly schedule: PerfSchedule | null;
  /** null unless it was asked for. */
  readonly verify: PerfVerify | null;
  /** null for a device that has no paths. */
  readonly paths: PerfPaths | null;
  /** null where nobody measures that. */
  readonly platform: PerfPlatform | null;
  readonly timeline: PerfTimeline;
  /** One for each thread; null for a load of the thread that was asked for it. */
  readonly workers: readonly PerfWorker[] | null;
}
