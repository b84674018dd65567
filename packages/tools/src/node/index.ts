// Entry point of @nvmeof/tools/node: what the tools need of Node.

export { latencyHistogram } from "./histogram.ts";
export { perfMeter, soon } from "./perf-meter.ts";
