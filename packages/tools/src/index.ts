// @nvmeof/tools: what is run against a block device. Everything the package exports, by name.

export {
  type ControlAnswers,
  ControlError,
  type ControlLimits,
  type ControlQuestion,
  defaultControlLimits,
} from "./control/protocol.ts";
export {
  type ControllerRates,
  type IoRates,
  type NamespaceRates,
  type PathRates,
  type ProcessRates,
  type Rated,
  type SubsystemRates,
  type Totals,
  ratesBetween,
} from "./control/rates.ts";
export {
  CONTROL_VERSION,
  type ControlHello,
  type ControlSnapshot,
  type ControllerView,
  type EventLoopView,
  type IoView,
  type LoopDelayView,
  type NamespaceView,
  type PathView,
  type ProcessView,
  type QueueView,
  type ResourcesView,
  type SubsystemRole,
  type SubsystemView,
} from "./control/snapshot.ts";
export type { ControlSource } from "./control/sources.ts";
export {
  type DestructOptions,
  type DestructReport,
  type SettledReads,
  runDestruct,
} from "./destruct.ts";
export type { NbdStream } from "./nbd/connection.ts";
export type { NbdCounters } from "./nbd/counters.ts";
export { type ExportDirectory, NbdExport, type NbdExportOptions } from "./nbd/export.ts";
export type { TlsMode } from "./nbd/handshake.ts";
export { nbdLimitFacts } from "./nbd/limit-facts.ts";
export { type NbdLimits, defaultNbdLimits, resolveNbdLimits } from "./nbd/limits.ts";
export { NBD_PORT, NbdErrno } from "./nbd/protocol.ts";
export { NbdRequest } from "./nbd/request.ts";
export {
  type NbdCloseReport,
  NbdServer,
  type NbdServerEvent,
  type NbdServerOptions,
  type NbdServerStatus,
} from "./nbd/server.ts";
// The machine itself: for those who drive it with bytes and time of their own.
export {
  type NbdEnd,
  type NbdEndReason,
  NbdSession,
  type NbdSessionEvents,
  type NbdSessionOptions,
} from "./nbd/session.ts";
export type { HeldLimit } from "./nbd/transmission.ts";
export { type NbdAddress, nbdUri } from "./nbd/uri.ts";
export { type FencingOptions, type FencingReport, runFencing } from "./fencing.ts";
export { LateDevice } from "./late-device.ts";
export { runLanes } from "./lanes.ts";
export type { LatencyHistogram, LatencySummary } from "./latency.ts";
export {
  type FailoverOptions,
  type FailoverReport,
  type OutageOptions,
  type OutageReport,
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
export { type CrewMember, type CrewOptions, runPerfCrew } from "./perf/crew.ts";
export { type MemberFacts, PerfBoard } from "./perf/crew-messages.ts";
export type { LoadShare, PerfEnd } from "./perf/load.ts";
export { type MemberDevice, type MemberOptions, runPerfMember } from "./perf/member.ts";
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
  type PerfWorker,
} from "./perf/result.ts";
export {
  type PathFigures,
  type PerfOptions,
  type PerfOutcome,
  type PerfProgress,
  runPerf,
} from "./perf/run.ts";
export type { PerfError } from "./perf/tally.ts";
export { perfText, workloadText } from "./perf/text.ts";
export type { PerfTimeline } from "./perf/throughput.ts";
export {
  type DecidedWorkload,
  PERF_WORKERS_MAX,
  type PerfKind,
  type PerfWorkload,
  decideWorkload,
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
