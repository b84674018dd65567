// @nvmeof/tools/chaos: faults on purpose, between any host and any target. No platform: streams come in.

export { type ChaosExample, chaosExample, chaosExampleNames, chaosExamples } from "./examples.ts";
export { planFromSeed } from "./from-seed.ts";
export {
  type ByteFaultKind,
  type FaultKind,
  type FaultValues,
  type PduFaultKind,
  type PduName,
  faultKinds,
} from "./kinds.ts";
export { type ChaosLimits, defaultChaosLimits, resolveChaosLimits } from "./limits.ts";
export { type Aside, type ChaosEvent, type FaultEvent, faultText } from "./log.ts";
export { FAULTS_MAX, parseChaosPlan } from "./parse.ts";
export { PlanError } from "./plan-error.ts";
export type {
  ByteFault,
  ChaosDirection,
  ChaosPlan,
  ChaosPlanJson,
  Fault,
  PduFault,
  Scope,
  Select,
  WantedOpcode,
} from "./plan.ts";
export { type ChaosCounters, ChaosProxy, type ChaosProxyOptions } from "./proxy.ts";
export type { ReplayDifference } from "./replay/player.ts";
export { Replay, type ReplayCounters, type ReplayOptions } from "./replay/replay.ts";
export {
  type Script,
  type ScriptConnection,
  ScriptReader,
  type ScriptOptions,
} from "./replay/script.ts";
