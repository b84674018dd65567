// The simulator: a seed in, a verdict out.
// Read first: README.md; DESIGN.md §6; docs/invariants.md.

export type { Admission, Direction, FaultScope, NetworkFault, Side } from "./network/fault.ts";
export type { PortTransport } from "./network/ways.ts";
export type { Weather } from "./network/weather.ts";
export type {
  ControllerPlan,
  DeadPort,
  DiskPlan,
  GroupPlan,
  HostPlan,
  HostStep,
  Mix,
  NamespacePlan,
  NetworkStep,
  PathStep,
  Plan,
  Step,
  SubsystemPlan,
  TargetPlan,
  TargetStep,
  UserPlan,
} from "./plan.ts";
export { type KeptSeed, keptSeeds } from "./kept-seeds.ts";
export { planOf } from "./plan-of.ts";
export { SimRandom } from "./random.ts";
export { type RunOptions, run } from "./run.ts";
export type { SecretsOptions } from "./secrets.ts";
export {
  type Fails,
  type PlanSize,
  type ShrinkOptions,
  type ShrinkProgress,
  type Shrunk,
  planSize,
  shrink,
} from "./shrink.ts";
export {
  type Coverage,
  type Decision,
  type Pair,
  type PairCount,
  type Profile,
  type Stimulus,
  type Unmet,
  type WalkFailure,
  type WalkOptions,
  type WalkReport,
  formatCoverage,
  formatWalk,
  isWhole,
  profiles,
  reachablePairs,
  reachableStates,
  unmet,
  walk,
  walkInSteps,
} from "./state-space/index.ts";
export type { DiskErrors, DiskPace } from "./storage/disk.ts";
export { Trace, type TraceEvent, type TraceValue } from "./trace.ts";
export {
  type Figures,
  type Verdict,
  failureText,
  formatEvent,
  mergeFigures,
  noFigures,
} from "./verdict.ts";
export type { Complain, Violation } from "./violation.ts";
