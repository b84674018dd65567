// @nvmeof/telemetry/prometheus: metrics of hosts and targets in a registry of prom-client.

export { durationFact } from "./durations.ts";
export { hostRows } from "./host-rows.ts";
export { type MetricsOptions, NvmeMetrics, type WatchedHost, droppedFact } from "./metrics.ts";
export { type NbdFigures, nbdRows } from "./nbd-rows.ts";
export type { Labels, Put, Row, ShowOptions } from "./rows.ts";
export { targetRows } from "./target-rows.ts";
