// The state-space check: the lifecycle table, walked on the production controller.
// Read first: walk.ts.

export type { Stimulus } from "./alphabet.ts";
export {
  type Coverage,
  type PairCount,
  type Unmet,
  CountingTable,
  formatCoverage,
  unmet,
} from "./coverage.ts";
export { type Profile, profiles } from "./profile.ts";
export { formatWalk, isWhole } from "./report.ts";
export {
  type Decision,
  type Pair,
  INITIAL_STATE,
  reachablePairs,
  reachableStates,
} from "./table.ts";
export { type WalkFailure, type WalkOptions, type WalkReport, walk, walkInSteps } from "./walk.ts";
