// @nvmeof/core: queues into a controller. Everything the package exports, by name.

export { type AddressRemoval, addressText } from "./addresses.ts";
export {
  type AdminCommand,
  type GetFeatureOptions,
  type IdentifyParameters,
  type LogPageRequest,
  type SetFeatureOptions,
  abortCommand,
  getFeatureCommand,
  identifyBuffer,
  identifyCommand,
  logPageCommand,
  propertyGetCommand,
  propertySetCommand,
  rawCommand,
  sendAdmin,
  setFeatureCommand,
} from "./admin.ts";
export { Association, type ControllerFacts } from "./association.ts";
export { type AuthFailureKind, AuthenticationError } from "./auth/errors.ts";
export type { AuthResult } from "./auth/host-exchange.ts";
export type { AuthAlgorithms, Authentication, ResolvedAuthentication } from "./auth/options.ts";
export {
  type AnaMessage,
  type CommandMessage,
  type ControllerName,
  type KeepAliveMessage,
  type PathMessage,
  type ResetMessage,
  type ViolationMessage,
  hostChannels,
} from "./channels.ts";
export type { CloseOptions, ClosePhase, CloseReport } from "./close.ts";
export { type CommandSettle, CommandTable, NO_CID } from "./command-table.ts";
export type { CommandWatcher, QueueWatcher } from "./command-watch.ts";
export { Controller, type RequestDone } from "./controller.ts";
export { type DiagnosticsSource, controllerName } from "./diagnostics.ts";
export {
  type DiscoverOptions,
  type Discovered,
  discover,
  discoverAll,
  entryAddress,
  readDiscoveryLog,
  unprotected,
} from "./discovery.ts";
export {
  type AbortReason,
  AbortedError,
  AddressesError,
  IoQueueError,
  ConnectRejectedError,
  type FailedAddress,
  KeepAliveError,
  NvmeStatusError,
  StateError,
  TimeoutError,
  UnsupportedError,
  hostAborted,
  hostPathError,
} from "./errors.ts";
export { type IoCommand, sendIo } from "./io-command.ts";
export { KeepAlive, type KeepAliveInput, type KeepAliveOutput } from "./keep-alive.ts";
export {
  type Cell,
  type Effect,
  type Event,
  type Lifecycle,
  type State,
  type Transition,
  events,
  lifecycle,
  states,
} from "./lifecycle.ts";
export {
  type AcquireRequest,
  type FormatRequest,
  type NamespaceRequest,
  type RegisterRequest,
  type ReleaseRequest,
  type SanitizeRequest,
  attachNamespaceCommand,
  copyCommand,
  createNamespaceCommand,
  deleteNamespaceCommand,
  formatCommand,
  reservationAcquireCommand,
  reservationRegisterCommand,
  reservationReleaseCommand,
  reservationReportCommand,
  sanitizeCommand,
  selfTestCommand,
} from "./management.ts";
export {
  type NamespaceFacts,
  decodeNamespace,
  describesNamespace,
  noNamespace,
} from "./namespace-facts.ts";
export type { ControllerEvent } from "./observers.ts";
export {
  type CommandResult,
  ControllerHandle,
  type OpenControllerOptions,
  closed,
  openController,
} from "./open-controller.ts";
export { checkNames, nearestName } from "./option-names.ts";
export { type AddressScope, outOfScope, scopeOf } from "./referral-scope.ts";
export type {
  ControllerOptions,
  FencePort,
  HostIdentity,
  ResolvedOptions,
  TimeoutAction,
} from "./options.ts";
export { FOREVER, QueuePair, type QueuePairEvents, type QueuePairOptions } from "./queue-pair.ts";
export { type Random, seededRandom } from "./random.ts";
export {
  type ReconnectPolicy,
  checkReconnectPolicy,
  defaultReconnectPolicy,
  delayBefore,
  resiliencyFault,
} from "./reconnect.ts";
export {
  type RunningSequence,
  type Sequence,
  type Step,
  type StepDone,
  type StepEnd,
  pause,
  runSequence,
  step,
} from "./sequence.ts";
