// Entry point of @nvmeof/tools/node: what the tools need of Node.

export { latencyHistogram } from "./histogram.ts";
