// What each bound of a target is counted in, bounds, and means to the host that meets it: one row each.
// Read first: limits.ts for the bounds themselves. docs/limits.md and `serve --limit` are made of this.

import type { TargetLimits } from "./limits.ts";

/** A row about a bound. */
export interface LimitFact {
  /** What its value is counted in. */
  readonly unit: "count" | "bytes" | "ms";
  /** What is bounded, as a phrase. */
  readonly bounds: string;
  /** What happens at the bound. */
  readonly follows: string;
}

const count = (bounds: string, follows: string): LimitFact => ({ unit: "count", bounds, follows });
const bytes = (bounds: string, follows: string): LimitFact => ({ unit: "bytes", bounds, follows });
const time = (bounds: string, follows: string): LimitFact => ({ unit: "ms", bounds, follows });

/** A row for every bound, in the order in which hosts meet them. */
export const limitFacts: Readonly<Record<keyof TargetLimits, LimitFact>> = {
  connectionsMax: count("connections", "a new one is closed unread"),
  connectionsPerAddressMax: count("connections from one address", "a new one is closed unread"),
  connectingMax: count(
    "connections without a successful Connect",
    "the one that has waited longest is reset",
  ),
  handshakeTimeoutMs: time("connection to the end of the TLS handshake", "reset"),
  initializeTimeoutMs: time("connection to the whole ICReq", "reset"),
  connectTimeoutMs: time("ICReq to a Connect that succeeds", "reset"),
  refusedCommandsMax: count("commands before a good Connect", "closed"),
  controllersMax: count("controllers of a subsystem", "Connect: Controller Busy"),
  controllersPerHostMax: count("of these, of one host NQN", "Connect: Controller Busy"),
  ioQueuesMax: count("I/O queues of a controller", "granted no more; Connect Invalid Parameters"),
  queueDepthMax: count("entries of an I/O queue (MQES)", "Connect Invalid Parameters"),
  adminQueueDepthMax: count("entries of an admin queue (ASQSZ)", "Connect Invalid Parameters"),
  unauthenticatedMax: count(
    "queues whose host has yet to prove who it is",
    "the one that has waited longest is reset",
  ),
  authenticateTimeoutMs: time("Connect, or a new exchange, to the host's proof", "reset"),
  authenticationFailuresMax: count(
    "failed proofs from one address in a minute",
    "Connect: Controller Busy",
  ),
  enableTimeoutMs: time("Connect of an admin queue to CC.EN", "the controller is removed"),
  keepAliveTimeoutMsMax: time("Keep Alive Timeout", "Keep Alive Timeout Invalid"),
  keepAliveGranularityMs: time("what a Keep Alive Timeout is a multiple of", "rounded up"),
  discoveryKeepAliveTimeoutMs: time(
    "silence of a host of discovery that named no timeout",
    "the controller is removed",
  ),
  partialPduTimeoutMs: time("first byte of a PDU to its last", "reset"),
  r2tTimeoutMs: time("R2T to all of its data", "reset; the buffer is back"),
  sendTimeoutMs: time("one write that the host has to take", "reset; the buffers are back"),
  inCapsuleBytes: bytes("data in a capsule of an I/O queue (IOCCSZ)", "TermReq, FES 5"),
  h2cDataBytesMax: bytes("data in one H2CData (MAXH2CDATA)", "TermReq, FES 5"),
  transferBytesMax: bytes("data of one command (MDTS)", "Invalid Field"),
  connectionBufferBytesMax: bytes(
    "buffers of the commands of one connection",
    "commands wait, in order; no R2T is sent before there is a buffer",
  ),
  bufferBytesMax: bytes("buffers of all commands", "commands wait, in order"),
  idleBufferBytesMax: bytes("buffers kept for later use", "the rest is given up"),
  queuedBytesMax: bytes(
    "what waits to be sent on one connection",
    "nothing is read from it until some of it is taken",
  ),
  asyncEventRequestsMax: count(
    "Asynchronous Event Requests of a controller (AERL)",
    "Asynchronous Event Request Limit Exceeded",
  ),
  abortsMax: count("Abort commands of a controller (ACL)", "announced; each ends at once"),
  commandQuiesceTimeMs: time("promise of how soon devices end requests (CQT)", "announced"),
  crossControllerResetsMax: count("Cross-Controller Resets in progress", "CCR Limit Exceeded"),
  crossControllerResetEntriesMax: count("entries of their log", "CCR Log Page Full"),
  crossControllerResetTimeoutMs: time("wait of one of them for devices", "it has failed"),
  errorLogEntriesMax: count("entries of the Error Information log", "the oldest is forgotten"),
  namespacesMax: count("namespaces of a subsystem: the highest NSID", "`addNamespace` is refused"),
  anaGroupsMax: count("ANA groups (ANAGRPMAX)", "refused where one is named"),
  discoveryRecordsMax: count("records of the discovery log", "the rest is not told"),
  lingerMs: time("orderly end of a connection to the host's own close", "reset"),
  closeTimeoutMs: time("`close`, for devices to end", "reported as `abandonedRequests`"),
};
