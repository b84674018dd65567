// @nvmeof/transport: a byte stream or an FC port into a queue that takes commands and gives completions.

export type {
  ByteStream,
  ByteStreamHandler,
  Connector,
  Listener,
  ProvenNames,
  StreamOptions,
  StreamSecurity,
} from "./byte-stream.ts";
export type { Clock, Timer } from "./clock.ts";
export { Region } from "./copy.ts";
export type { Diagnostics, DiagnosticsChannel } from "./diagnostics.ts";
export {
  ClosedError,
  PeerTerminatedError,
  TransportError,
  type TransportFailure,
} from "./errors.ts";
export { hostPort } from "./host-port.ts";
export { type MemoryLinkOptions, MemoryPort } from "./memory.ts";
export type {
  CloseHow,
  ControllerEvents,
  ControllerLink,
  DataSource,
  LinkListener,
  QueueEvents,
  QueueLink,
  QueueOptions,
  QueueOwner,
  Transport,
  TransportAddress,
  TransportRecipe,
} from "./queue-link.ts";
export {
  ADMIN_CAPSULE_BYTES,
  type ControllerTransportOptions,
  acceptQueue,
} from "./tcp/controller-link.ts";
// For servers of other protocols over the same streams.
export { COPY_BYTES_MAX, SendQueue } from "./tcp/send-queue.ts";
export { SendWatch } from "./tcp/send-watch.ts";
export { type HostTransportOptions, hostTransport } from "./tcp/host-link.ts";
export { TlsError, type TlsErrorDetails, type TlsFailure } from "./tls-error.ts";
export type { Agreement, SessionOptions } from "./tcp/initialize.ts";
// The machines themselves: for those who drive them with bytes and time of their own.
export { ControllerSession, type ControllerSessionOptions } from "./tcp/controller-session.ts";
export { HostSession, type HostSessionOptions } from "./tcp/host-session.ts";
export { TurnClock } from "./turn-clock.ts";
