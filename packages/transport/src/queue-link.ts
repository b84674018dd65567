// The narrow waist: a transport turns a connection into a queue of commands and completions.
// Read first: DESIGN.md §3; Fabrics 1.1 §2.2 "Capsules"; conformance/ holds the suite each one passes.

import type { DataDirection, NvmeofError } from "@nvmeof/codec";
import type { ProvenNames, StreamSecurity } from "./byte-stream.ts";
import type { Clock } from "./clock.ts";
import type { Diagnostics } from "./diagnostics.ts";

/** An address in the words of the discovery log page. */
export interface TransportAddress {
  /** Transport: "tcp", "fc" or "loop". */
  readonly trtype: string;
  /** Address of the port: an IP address or host name, or nn-…:pn-… */
  readonly traddr: string;
  /** Service: the TCP port. */
  readonly trsvcid: string;
}

/**
 * The controller that a queue belongs to. All queues of one association give the same object, and a
 * new association brings another: transports that bind queues together (FC) go by it.
 */
export interface QueueOwner {
  readonly hostNqn: string;
  /** Host Identifier: a UUID. */
  readonly hostId: string;
  readonly subsystemNqn: string;
}

/** What a host asks for when it opens a queue. */
export interface QueueOptions {
  /** Queue identifier: 0 for the admin queue. */
  readonly qid: number;
  /** Number of CIDs that may be in use: 0 to `slots` - 1. */
  readonly slots: number;
  /** Most bytes of data that a capsule of this queue may carry. */
  readonly inCapsuleBytes: number;
  /** Time to connect and initialise, ms. */
  readonly timeoutMs: number;
  /** Default: the queue has no sisters. */
  readonly owner?: QueueOwner | undefined;
}

/** What a queue tells its host. Never called inside a call that submits, opens or closes. */
export interface QueueEvents {
  /** The connection is initialised; commands may be submitted. Comes first, once. */
  opened(): void;
  /** A command ended; its CQE lies at `base` in `view` during this call. */
  completed(cid: number, view: DataView, base: number): void;
  /** The queue is gone with all its commands. Comes last, once; not after `close`. */
  lost(error: NvmeofError): void;
}

/** A host's end of one queue. */
export interface QueueLink {
  /**
   * Sends a command. CID and data pointer of `sqe` (64 bytes) are filled in here; the rest is taken
   * as it is and copied. `data` belongs to the command until it completes or is detached.
   */
  submit(
    cid: number,
    sqe: Uint8Array,
    direction: DataDirection,
    data: Uint8Array | undefined,
  ): void;
  /**
   * Gives the data buffer of a command back to its owner while the command itself goes on: late
   * read data is dropped, and a write goes on from a private copy.
   */
  detach(cid: number): void;
  /** Ends the queue at once; no event follows. Commands in flight are the caller's to settle. */
  close(how: CloseHow): void;
}

/** `orderly` delivers what was submitted, for an idle queue; `reset` stops every byte it can. */
export type CloseHow = "orderly" | "reset";

/** What a transport is made of: plain data, which another thread can be given. */
export interface TransportRecipe {
  /** Which kind of transport: "tcp", "fc". */
  readonly trtype: string;
  /** What that kind is made with. It may hold secrets: it is not for logs. */
  readonly options: object;
}

/** Opens queues to one port of a subsystem. */
export interface Transport {
  readonly address: TransportAddress;
  /** The time that its queues live by; who uses the transport lives by the same. */
  readonly clock: Clock;
  /** How its connections are protected. Default: not at all. */
  readonly security?: StreamSecurity | undefined;
  /** Where its platform lets people listen to what happens. Default: nowhere. */
  readonly diagnostics?: Diagnostics | undefined;
  /** What another thread makes the same transport of. Not there for one that this thread alone has. */
  readonly recipe?: () => TransportRecipe;
  openQueue(options: QueueOptions, events: QueueEvents): QueueLink;
}

/**
 * Takes the queues that hosts open where no byte stream is seen, as with FC. `accept` gives the
 * events of each, or refuses with undefined; it is called before any event.
 */
export interface LinkListener {
  /** What tells it from a `Listener` of byte streams. */
  readonly yields: "links";
  /** Where it listens, as a person writes it. */
  readonly local: string;
  /** Begins to take queues. */
  listen(accept: (link: ControllerLink) => ControllerEvents | undefined): void;
  /** Takes no more queues; those that exist go on. */
  close(): void;
}

/** What a queue tells its controller. Never called inside a call to the link. */
export interface ControllerEvents {
  /** The connection is initialised. Comes first, once. */
  opened(): void;
  /** A command arrived in slot `tag`, with its in-capsule data if it has any. */
  command(tag: number): void;
  /** What `fetch` asked for has arrived (status 0), or did not arrive whole (an NVMe status). */
  fetched(tag: number, status: number): void;
  /** The queue is gone with all its commands. Comes last, once; not after `close`. */
  lost(error: NvmeofError): void;
}

/** Where read data comes from when a link says where it goes. */
export interface DataSource {
  /** Writes the data to `into`, from its byte `at` on. */
  fill(into: Uint8Array, at: number): void;
}

/** A controller's end of one queue. Commands are named by the slot (`tag`) they arrived in. */
export interface ControllerLink {
  /** The host's address as a person writes it. */
  readonly remote: string;
  /** Whom the host has proven to be, from `opened` on; `undefined` where nothing is proven. */
  readonly proven?: ProvenNames | undefined;
  /** Most bytes of data that its capsules can carry, whatever is configured; 0 where they carry none. */
  readonly inCapsuleBytesMax: number;
  /** The command in slot `tag`: its SQE at offset 0. Valid until `respond`. */
  sqe(tag: number): DataView;
  /** Bytes that the command transfers, as its SGL says. */
  transferBytes(tag: number): number;
  /** The data that came in the capsule; valid until `respond`. */
  capsuleData(tag: number): Uint8Array | undefined;
  /**
   * The bytes in which the data of the capsule was received, from byte `arrivedAt` on: no copy was
   * made of it yet. Only inside `command`, and not for data that came in several parts.
   */
  arrivedIn?(tag: number): Uint8Array | undefined;
  arrivedAt?(tag: number): number;
  /**
   * Takes the command's data from the host into `buffer`, as much as it has room for; `fetched`
   * follows. The buffer is the link's until then, or until `respond`.
   */
  fetch(tag: number, buffer: Uint8Array): void;
  /**
   * Completes a command: read data first if there is any, then the completion. `data` must stay as
   * it is until the link is drained; `release` is called then, or at once where `data` was copied.
   * Before `fetched`, the completion follows the data that was asked for, which is dropped.
   */
  respond(
    tag: number,
    status: number,
    dw0: number,
    dw1: number,
    data?: Uint8Array,
    release?: (data: Uint8Array) => void,
  ): void;
  /**
   * As `respond` with status 0 and `bytes` of read data, which `source` writes to its place during the
   * call. False, and nothing done, where the link has no such place now.
   */
  respondFrom?(tag: number, bytes: number, source: DataSource): boolean;
  /** Takes `slots` commands from now on, with or without SQ flow control (then SQHD is FFFFh). */
  configure(slots: number, flowControl: boolean, inCapsuleBytes: number): void;
  /**
   * Ends the queue at once; no event follows. A host that leaves its end open after an orderly close
   * has it reset after `lingerMs`; the default is the transport's.
   */
  close(how: CloseHow, lingerMs?: number): void;
}
