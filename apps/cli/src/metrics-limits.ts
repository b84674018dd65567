// What bounds the endpoint of --metrics. The numbers are no options: a Prometheus never meets them.
// Read first: metrics.ts, which sets them. docs/limits.md is made of this.

import type { LimitFact } from "@nvmeof/target";

/** Bounds of the endpoint. */
export const metricsLimits = {
  connectionsMax: 16,
  headerBytesMax: 8_192,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
} as const;

/** What each bounds, and what follows. */
export const metricsLimitFacts: Readonly<Record<keyof typeof metricsLimits, LimitFact>> = {
  connectionsMax: { unit: "count", bounds: "connections", follows: "a new one is closed unread" },
  headerBytesMax: { unit: "bytes", bounds: "headers of a request", follows: "431, then closed" },
  headersTimeoutMs: { unit: "ms", bounds: "headers of a request", follows: "408, then closed" },
  requestTimeoutMs: { unit: "ms", bounds: "a request, all of it", follows: "408, then closed" },
  idleTimeoutMs: { unit: "ms", bounds: "silence between two requests", follows: "closed" },
};
