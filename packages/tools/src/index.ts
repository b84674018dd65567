// @nvmeof/tools: what is run against a block device. Everything the package exports, by name.

export {
  type DestructOptions,
  type DestructReport,
  type SettledReads,
  runDestruct,
} from "./destruct.ts";
export { type FencingOptions, type FencingReport, runFencing } from "./fencing.ts";
export { LateDevice } from "./late-device.ts";
export { runLanes } from "./lanes.ts";
export type { LatencyHistogram, LatencySummary } from "./latency.ts";
export {
  type FailoverOptions,
  type FailoverReport,
  type ReconnectOptions,
  type ReconnectReport,
  runFailover,
  runReconnect,
} from "./outage.ts";
export { PATTERN_WORD_BYTES, checkPattern, fillPattern } from "./pattern.ts";
export {
  type LoadOptions,
  type LoadReport,
  type RandomReadOptions,
  RandomReads,
  measureRandomReads,
} from "./random-reads.ts";
export type { Bucket } from "./perf/buckets.ts";
export { type PerfComparison, comparePerf, workloadDifferences } from "./perf/compare.ts";
export type { PerfVerify } from "./perf/content.ts";
export type { PerfEnd } from "./perf/load.ts";
export type { MeterReading, PerfMeter } from "./perf/meter.ts";
export { perfResultOf } from "./perf/parse.ts";
export { type ReportOptions, perfReport } from "./perf/report.ts";
export {
  PERF_VERSION,
  type PerfDirection,
  type PerfPaths,
  type PerfPlatform,
  type PerfResult,
  type PerfSchedule,
} from "./perf/result.ts";
export { type PerfOptions, type PerfOutcome, type PerfProgress, runPerf } from "./perf/run.ts";
export type { PerfError } from "./perf/tally.ts";
export { perfText, workloadText } from "./perf/text.ts";
export type { PerfTimeline } from "./perf/throughput.ts";
export {
  type DecidedWorkload,
  type PerfKind,
  type PerfWorkload,
  perfKinds,
  writesData,
} from "./perf/workload.ts";
export { SilentConnector } from "./silent-connector.ts";
export {
  type Mismatch,
  type SweepOptions,
  type VerifyReport,
  verifyPattern,
  writePattern,
} from "./sweep.ts";
export { Timeline, type TimelineEntry } from "./timeline.ts";
export {
  VerifiedLoad,
  type VerifiedLoadOptions,
  type VerifiedLoadReport,
} from "./verified-load.ts";
export type { Way } from "./way.ts";
