// What each bound of a control socket is counted in, bounds, and means to the client that meets it.
// Read first: protocol.ts for the bounds themselves. docs/limits.md is made of this.

import type { LimitFact } from "@nvmeof/target";
import type { ControlLimits } from "./protocol.ts";

const count = (bounds: string, follows: string): LimitFact => ({ unit: "count", bounds, follows });
const bytes = (bounds: string, follows: string): LimitFact => ({ unit: "bytes", bounds, follows });
const time = (bounds: string, follows: string): LimitFact => ({ unit: "ms", bounds, follows });

/** A row for every bound, in the order in which clients meet them. */
export const controlLimitFacts: Readonly<Record<keyof ControlLimits, LimitFact>> = {
  clientsMax: count("clients at the same time", "the one silent longest gives way"),
  requestBytesMax: bytes("a request, its line end included", "told so, and cut off"),
  snapshotIntervalMs: time("time between two snapshots", "who asks sooner gets the one there is"),
  rowsMax: count(
    "controllers, namespaces, paths and queues in a snapshot",
    "the others are counted",
  ),
  stallTimeoutMs: time("a reply that the client does not read", "cut off"),
};
