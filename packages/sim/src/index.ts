// The simulator: a seed in, a verdict out.
// Read first: README.md; DESIGN.md §6; docs/invariants.md.

export { SimRandom } from "./random.ts";
export { Trace, type TraceEvent, type TraceValue } from "./trace.ts";
export type { Complain, Violation } from "./violation.ts";
