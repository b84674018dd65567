// What is known of one NVMe/TCP connection: its ends, what they agreed on, which queue it is.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment"; Base 2.0 §6.3 "Connect Command".

import { type Endpoint, endpointText } from "../net/address.ts";
import type { LaneCounts } from "../net/lane.ts";
import type { QueueKind } from "./command.ts";

/** What ICReq and ICResp said. */
export interface Agreed {
  readonly pfv: number;
  /** HPDA of the host, CPDA of the controller, as alignment in bytes. */
  readonly alignmentBytes: number;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

/** What Connect said, and was told. */
export interface Connected {
  readonly qid: number;
  /** Entries of the submission queue. */
  readonly entries: number;
  readonly hostId: string | undefined;
  readonly hostNqn: string | undefined;
  readonly subsystemNqn: string | undefined;
  /** Keep-alive timeout that the admin queue asks for, ms; 0 for none. */
  readonly keepAliveTimeoutMs: number;
  /** Host does without SQ flow control. */
  readonly disablesFlowControl: boolean;
  /** Of the controller, once Connect was answered with success. */
  readonly cntlid: number | undefined;
}

/** What has passed on a connection. */
export interface ConnectionCounts {
  pdus: number;
  commands: number;
  /** Commands that were answered, and of them those with an error status. */
  answered: number;
  errors: number;
  /** Commands that were left without an answer. */
  open: number;
  violations: number;
  warnings: number;
  /** Bytes of data, in capsules and data PDUs. */
  dataToController: number;
  dataToHost: number;
  /** Places from which on no PDU could be told. */
  gaps: number;
}

/** How a connection ended. `capture-end`: it did not, as far as the capture goes. */
export type EndedBy = "fin" | "reset" | "capture-end" | "reused" | "evicted";

/** One NVMe/TCP connection: one queue of a controller. The object lives as long as it does, and changes. */
export class Connection {
  /** From 1 on, in the order in which they were recognised. */
  readonly number: number;
  readonly host: Endpoint;
  readonly controller: Endpoint;
  readonly firstFrame: number;
  readonly firstTimeMs: number;
  lastFrame: number;
  lastTimeMs: number;
  /** Whether the capture has its beginning. */
  readonly begins: "seen" | "missed";
  icReq: (Agreed & { readonly maxR2t: number }) | undefined;
  icResp: (Agreed & { readonly maxH2cDataBytes: number }) | undefined;
  connect: Connected | undefined;
  /** Told by Connect, else guessed from the commands. */
  queue: QueueKind = "unknown";
  endedBy: EndedBy | undefined;
  readonly counts: ConnectionCounts = {
    pdus: 0,
    commands: 0,
    answered: 0,
    errors: 0,
    open: 0,
    violations: 0,
    warnings: 0,
    dataToController: 0,
    dataToHost: 0,
    gaps: 0,
  };
  /** Of the TCP stream, in each direction. */
  readonly tcp: { readonly toController: LaneCounts; readonly toHost: LaneCounts };

  constructor(
    number: number,
    ends: { readonly host: Endpoint; readonly controller: Endpoint },
    begun: {
      readonly begins: "seen" | "missed";
      readonly frame: number;
      readonly timeMs: number;
    },
    tcp: Connection["tcp"],
  ) {
    this.number = number;
    this.host = ends.host;
    this.controller = ends.controller;
    this.begins = begun.begins;
    this.firstFrame = this.lastFrame = begun.frame;
    this.firstTimeMs = this.lastTimeMs = begun.timeMs;
    this.tcp = tcp;
  }

  /** "admin", "q3", or "q?" where Connect was not captured. */
  get queueText(): string {
    if (this.connect !== undefined)
      return this.connect.qid === 0 ? "admin" : `q${this.connect.qid}`;
    return this.queue === "admin" ? "admin" : "q?";
  }

  /** "192.0.2.1:50123 to 192.0.2.9:4420". */
  get endsText(): string {
    return `${endpointText(this.host)} to ${endpointText(this.controller)}`;
  }
}
