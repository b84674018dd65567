// Entry point of @nvmeof/bdev/nvme: namespaces as block devices, over one path or many.

export {
  type NoPathDecision,
  type NoPathReason,
  type PathOutlook,
  decideNoPath,
} from "./availability.ts";
export { ControllerPath, type NvmLimits } from "./controller-path.ts";
export type { ControllerStatistics } from "./controller-statistics.ts";
export type { DeviceEnd } from "./device-end.ts";
export type { Fence, FenceRelease, FenceState, FenceWaiter, Incarnation } from "./fence.ts";
export { type FenceLimits, type FenceReport, type Fencing, defaultFenceLimits } from "./fences.ts";
export {
  DiscoveryService,
  type DiscoveryServiceEvent,
  type DiscoveryServiceOptions,
  type ReferralOptions,
} from "./discovery-service.ts";
export { type GroupEvent, type GroupOptions, NvmeGroup } from "./group.ts";
export { type ConnectOptions, type HostCloseReport, NvmeHost, connect } from "./host.ts";
export {
  type NamespaceIdentity,
  identityDifference,
  identityOf,
  identityText,
} from "./identity.ts";
export { MultipathChannel } from "./multipath-channel.ts";
export { type DeviceCounters, MultipathDevice } from "./multipath-device.ts";
export { NamespacePath } from "./namespace-path.ts";
export type { PathStatistics } from "./path-statistics.ts";
export {
  NO_PATH,
  type PathCandidate,
  type PathPolicy,
  PathSelector,
  Rank,
  checkPathPolicy,
  nextPath,
} from "./path-policy.ts";
export {
  type FailureFacts,
  type GiveUpReason,
  type RetryDecision,
  type RetryHistory,
  type RetryLimits,
  decideRetry,
  defaultRetryLimits,
} from "./retry.ts";
// A namespace that threads share; the threads of Node are in @nvmeof/bdev/node.
export type { WorkerCloseReport, WorkerView } from "../shared/attached-worker.ts";
export type { AuthenticationRecipe } from "../shared/authentication-recipe.ts";
export { type ErrorData, errorData, errorOf } from "../shared/error-data.ts";
export { WorkerError, type WorkerFailure } from "../shared/errors.ts";
export { MemoryLink } from "../shared/memory-link.ts";
export type { MessageHandler, MessageLink } from "../shared/message-link.ts";
export type { WorkerController, WorkerStatus } from "../shared/messages.ts";
export {
  type AskOptions,
  type Channel,
  type HandleOptions,
  type ShareLimits,
  type ShareOptions,
  type SharedCloseReport,
  type SharedHandle,
  SharedNamespace,
  type WorkerAnswer,
} from "../shared/shared-namespace.ts";
export type { ControllerRecipe, Whereabouts } from "../shared/whereabouts.ts";
export {
  type OpenSharedOptions,
  WorkerDevice,
  type WorkerPorts,
  openSharedOver,
} from "../shared/worker-device.ts";
export type { WorkerEnd, WorkerState } from "../shared/worker-states.ts";
