// Names of the diagnostics channels of a host, and the messages on them.
// Read first: @nvmeof/transport diagnostics.ts; `node:diagnostics_channel` for how to listen.

import type { AnaState, NvmeofError } from "@nvmeof/codec";
import type { TransportAddress } from "@nvmeof/transport";
import type { Event, State } from "./lifecycle.ts";

/** The channels of a host. Names and messages are API: they change as versions say. */
export const hostChannels = {
  commandStart: "nvmeof:command:start",
  commandComplete: "nvmeof:command:complete",
  commandError: "nvmeof:command:error",
  pathConnecting: "nvmeof:path:connecting",
  pathLive: "nvmeof:path:live",
  pathLost: "nvmeof:path:lost",
  pathRemoved: "nvmeof:path:removed",
  resetStart: "nvmeof:controller:reset:start",
  resetEnd: "nvmeof:controller:reset:end",
  protocolViolation: "nvmeof:protocol:violation",
  keepAliveOk: "nvmeof:keepalive:ok",
  keepAliveLate: "nvmeof:keepalive:late",
  keepAliveExpired: "nvmeof:keepalive:expired",
  anaChange: "nvmeof:ana:change",
} as const;

/** Which controller a message is about. */
export interface ControllerName {
  /** Where it is connected, or is to be next. */
  readonly address: TransportAddress;
  readonly subsystemNqn: string;
  readonly hostNqn: string;
  /** CNTLID; undefined before it was first live. */
  readonly cntlid: number | undefined;
}

/** On `nvmeof:path:*`: a controller is a path to its subsystem. */
export interface PathMessage extends ControllerName {
  readonly state: State;
  /** What has moved it there; undefined on `connecting`. */
  readonly cause: Event | undefined;
  /** The error that did, if one did. */
  readonly reason: NvmeofError | undefined;
}

/** On `nvmeof:controller:reset:*`: from the teardown of a live controller until it is live again, or given up. */
export interface ResetMessage extends ControllerName {
  /** What began it, or what ended it: "lost", "reset", "connected", "close". */
  readonly cause: Event;
  readonly reason: NvmeofError | undefined;
  /** At its end: whether the controller is live again, and how long it was not, ms. */
  readonly result: { readonly isLive: boolean; readonly tookMs: number } | undefined;
}

/** On `nvmeof:protocol:violation`: what the controller sent is against the specification. */
export interface ViolationMessage extends ControllerName {
  readonly error: NvmeofError;
}

/** On `nvmeof:keepalive:*`. Late: the answer took more than half of the time that it had. */
export interface KeepAliveMessage extends ControllerName {
  /** From sending to the answer, ms; undefined on `expired`. */
  readonly roundTripMs: number | undefined;
  /** KATO, ms. */
  readonly keepAliveTimeoutMs: number;
}

/** On `nvmeof:ana:change`: a path to a namespace is as good as another state says, from now on. */
export interface AnaMessage extends ControllerName {
  readonly nsid: number;
  /** ANAGRPID. */
  readonly anaGroup: number;
  /** Undefined: not known, as after a reconnect. */
  readonly from: AnaState | undefined;
  readonly to: AnaState | undefined;
}

/**
 * On `nvmeof:command:*`. One object for one command: who keeps something with it at its start finds it at
 * its end. Exactly one of `complete` and `error` follows each `start`.
 */
export interface CommandMessage extends ControllerName {
  /** 0 for the admin queue. */
  readonly qid: number;
  readonly cid: number;
  readonly opcode: number;
  /** What the specification calls it: "Read", "Identify", "Connect". */
  readonly operation: string;
  readonly nsid: number;
  /** First block; undefined for commands that have none. */
  readonly lba: number | undefined;
  /** Number of blocks; undefined for commands that have none. */
  readonly blockCount: number | undefined;
  /** Bytes that it may transfer. */
  readonly dataBytes: number;
  /** From sending to the end, ms; undefined at the start. */
  readonly durationMs: number | undefined;
  /** On `error`: why it ended, with `status` and `outcome`. */
  readonly error: NvmeofError | undefined;
}
