// The narrow interfaces of a port, host's and target's: hardware could stand behind them as well.
// Read first: linux-nvme-recovery.md §3.6 and §3.7, the interfaces that these are the essence of.
//
// Rules that every port keeps, and every user may rely on:
// - What was accepted is done exactly once, and never inside the call that submitted it.
// - An abort completes nothing by itself: `done` follows, later, within a bounded time.
// - When a remote port is lost, all that was under way to it is done first, with `Lost`.
// - Driver callbacks never wait: who is told something notes it, and returns.

import type { NvmeofError } from "@nvmeof/codec";
import type { PortNames } from "./names.ts";

/** What became of an exchange. A status of the link, not of NVMe. */
export const FcStatus = {
  Success: 0,
  /** It was aborted, by either side. */
  Aborted: 1,
  /** The remote port is gone. */
  Lost: 2,
  /** No answer in time. */
  TimedOut: 3,
  /** The other side broke the protocol: see `error`. */
  Broken: 4,
} as const;
export type FcStatus = (typeof FcStatus)[keyof typeof FcStatus];

/** A port at the other side of the link, while it is logged in and afterwards. */
export interface RemotePort extends PortNames {
  readonly portId: number;
  /** Its address as a person writes it. */
  readonly text: string;
  readonly state: "present" | "gone";
}

/** A link service that this side asks for. */
export interface LsCall {
  readonly remote: RemotePort;
  readonly request: Uint8Array;
  readonly timeoutMs: number;
  /** With `Success`: what came back, an ACC or an RJT. */
  done(status: FcStatus, response: Uint8Array | undefined): void;
}

/** A link service that the other side asks for. Each is to be answered, once. */
export interface ReceivedLs {
  readonly remote: RemotePort;
  readonly request: Uint8Array;
}

/** What both kinds of port can do. */
export interface CommonPort {
  readonly names: PortNames;
  /** Sends a link service. False: not accepted now, and `done` will not be called. */
  callLs(call: LsCall): boolean;
  /** Gives up a link service; `done` still follows. */
  abortLs(call: LsCall): void;
  /** Answers a received link service. Nothing is sent when the other side has given it up. */
  answerLs(ls: ReceivedLs, response: Uint8Array): void;
}

/** One command of a host. The transport owns it; the port has it from `submit` to `done`. */
export interface FcpRequest {
  remote: RemotePort;
  /** The CMD IU, 96 bytes. */
  readonly command: Uint8Array;
  /** What the command reads into or writes from; may be taken away at any time, and is then not touched. */
  data: Uint8Array | undefined;
  /** Bytes that the command transfers. */
  transferBytes: number;
  isWrite: boolean;

  // What the port says when it is done.
  status: FcStatus;
  error: NvmeofError | undefined;
  /** Bytes that were read, or that the target asked for. */
  transferredBytes: number;
  readonly response: DataView;
  responseBytes: number;
  /** The port's own note: which exchange it is. */
  exchange: object | undefined;
}

/** What a host's port tells its transport. */
export interface HostPortEvents {
  /** The port that was asked for by this name is logged in. */
  remoteUp(portName: bigint, remote: RemotePort): void;
  /** A login came to nothing. */
  loginFailed(portName: bigint, error: NvmeofError): void;
  /** A remote port is gone; all that was under way to it has been done. */
  remoteGone(remote: RemotePort, error: NvmeofError): void;
  /** Something changed in the fabric: a port that was looked for may be there now. */
  changed(): void;
  fcpDone(request: FcpRequest): void;
  /** There is room again for what `submit` refused, without anything being done. */
  room(): void;
  lsReceived(ls: ReceivedLs): void;
}

/** A host's port: an HBA, or what stands for one. */
export interface HostPort extends CommonPort {
  /** Whose port it is; called once, before anything else. */
  attach(events: HostPortEvents): void;
  /** Logs in to a port; `remoteUp` or `loginFailed` follows, within `timeoutMs`. */
  login(portName: bigint, timeoutMs: number): void;
  /** Begins a command. False: busy, try again when another one is done, or `room` says so. */
  submit(request: FcpRequest): boolean;
  /** Aborts a command; `fcpDone` still follows. */
  abort(request: FcpRequest): void;
  /** Nobody needs any remote port now: a link that exists for one may be ended. */
  rest(): void;
}

/** What a target asks of its port for one command, one after the other. */
export const FcpOp = {
  /** Data to the host. */
  ReadData: 1,
  /** Data from the host. */
  WriteData: 2,
  /** Data to the host, then the response. */
  ReadDataResponse: 3,
  Response: 4,
} as const;
export type FcpOp = (typeof FcpOp)[keyof typeof FcpOp];

/** One command at a target's port. The port owns it, and takes it back with `release`. */
export interface TargetExchange {
  readonly remote: RemotePort;
  /** The CMD IU as it came; valid until `release`. */
  readonly command: DataView;
  readonly commandBytes: number;
  /** The operation under way, and its data: `dataBytes` of `data`, at `offset` of the transfer. */
  op: FcpOp;
  data: Uint8Array | undefined;
  offset: number;
  dataBytes: number;
  /** The response to send: an RSP of 12 bytes, or an ERSP of 32. */
  readonly response: Uint8Array;
  responseBytes: number;

  // What the port says when the operation is done.
  status: FcStatus;
  /** For the transport: which of its commands it is. */
  owner: object | undefined;
  tag: number;
}

/** What a target's port tells its transport. */
export interface TargetPortEvents {
  /** A command arrived. False: not accepted, the port aborts it and takes it back. */
  fcpReceived(exchange: TargetExchange): boolean;
  /** The host gave a command up. An operation under way is still done; `release` is still due. */
  fcpAborted(exchange: TargetExchange): void;
  opDone(exchange: TargetExchange): void;
  lsReceived(ls: ReceivedLs): void;
  /** A host is gone; its commands were aborted and are still to be released. */
  hostGone(remote: RemotePort, error: NvmeofError): void;
}

/** A target's port. */
export interface TargetPort extends CommonPort {
  attach(events: TargetPortEvents): void;
  /** Begins the operation that the exchange describes; `opDone` follows. */
  operate(exchange: TargetExchange): void;
  /** Aborts a command towards the host. Cannot fail; an operation under way is still done. */
  abort(exchange: TargetExchange): void;
  /** The command is over: the exchange goes back to the port, and nobody touches it any more. */
  release(exchange: TargetExchange): void;
  /** Takes no more hosts; those that are logged in go on. */
  retire(): void;
  /** Ends the port for good; no event follows. */
  close(): void;
}
