// @nvmeof/target: block devices into an NVMe over Fabrics subsystem. All public names, by hand.

export type { Referral } from "./discovery.ts";
export { TargetError, type TargetFailure } from "./errors.ts";
export type { ControllerEnd, TargetEvent } from "./events.ts";
export { type TargetLimits, defaultLimits } from "./limits.ts";
export type { Counters, Namespace, NamespaceOptions } from "./namespace.ts";
export type { ListenOptions, TargetPort } from "./port.ts";
export type { AnaChange, Subsystem, SubsystemOptions } from "./subsystem.ts";
export { Target, type TargetCloseReport, type TargetOptions, type TargetStatus } from "./target.ts";
