// What one load has measured, before it becomes a result: plain data, so that it can come from another
// thread. Read first: result.ts; merge.ts makes a result of one or of many.

import type { Bucket } from "./buckets.ts";
import type { PerfVerify } from "./content.ts";
import type { PerfEnd } from "./load.ts";
import type { MeterReading } from "./meter.ts";
import type { PerfPaths, PerfSchedule } from "./result.ts";
import type { DirectionTally, PerfError } from "./tally.ts";
import type { PerfTimeline } from "./throughput.ts";
import type { DecidedWorkload } from "./workload.ts";

/** Reads, or writes, of one load. */
export interface PartDirection {
  readonly count: number;
  readonly errors: number;
  /** `data` of the histogram. */
  readonly latency: unknown;
  readonly buckets: readonly Bucket[];
}

/** What one load has measured. */
export interface PerfPart {
  readonly device: {
    readonly name: string;
    readonly blockBytes: number;
    readonly blockCount: number;
  };
  readonly workload: DecidedWorkload;
  readonly end: PerfEnd;
  readonly abandoned: number;
  readonly elapsedMs: number;
  readonly read: PartDirection;
  readonly write: PartDirection;
  readonly errors: readonly PerfError[];
  readonly schedule: PerfSchedule | null;
  readonly verify: PerfVerify | null;
  readonly paths: PerfPaths | null;
  readonly reading: MeterReading | null;
  readonly timeline: PerfTimeline;
}

export const directionPart = ({
  count,
  errors,
  latency,
  buckets,
}: DirectionTally): PartDirection => ({
  count,
  errors,
  latency: latency.data,
  buckets: buckets.list(),
});
