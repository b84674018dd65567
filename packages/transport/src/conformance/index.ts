// Entry point of @nvmeof/transport/conformance: whether an implementation keeps its promises.

export { byteStreamConformance } from "./byte-stream.ts";
export { type ConformanceCase, ConformanceError, type Pace } from "./case.ts";
export type { TransportWorld } from "./queue-bench.ts";
export type { ByteStreamWorld } from "./stream-bench.ts";
export { transportConformance } from "./transport.ts";
