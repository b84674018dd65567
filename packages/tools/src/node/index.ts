// Entry point of @nvmeof/tools/node: what the tools need of Node.

export { latencyHistogram } from "./histogram.ts";
export { type ServeNbdOptions, type ServedNbd, serveNbd } from "./nbd.ts";
export { type NbdListenOptions, type NbdListener, nbdListen } from "./nbd-listener.ts";
export { perfMeter, soon } from "./perf-meter.ts";
