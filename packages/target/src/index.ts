// @nvmeof/target: block devices into an NVMe over Fabrics subsystem. All public names, by hand.

// For servers of other protocols in front of the same devices.
export { BufferAccount, BufferPool, type Loan } from "./buffer-pool.ts";
export type { Attachment } from "./attachments.ts";
export type { AllowedHost, AllowedHosts, HostAuthentication } from "./auth/allowed-hosts.ts";
export { type MetLimit, type TargetCounters, metLimits } from "./counters.ts";
export type { Referral } from "./discovery.ts";
export type { ErasePermission } from "./erasure.ts";
export { TargetError, type TargetFailure } from "./errors.ts";
export type { ControllerEnd, TargetEvent } from "./events.ts";
export { type LimitFact, limitFacts } from "./limit-facts.ts";
export { type TargetLimits, checkLimits, defaultLimits } from "./limits.ts";
export type { Counters, Namespace, NamespaceOptions } from "./namespace.ts";
export type { DeviceProvider, DeviceRequest } from "./namespace-management.ts";
export type { ListenOptions, TargetPort } from "./port.ts";
export type { SecureChannelPolicy } from "./proven-host.ts";
export type { AnaChange, Subsystem, SubsystemOptions } from "./subsystem.ts";
export { Target, type TargetCloseReport, type TargetOptions, type TargetStatus } from "./target.ts";
