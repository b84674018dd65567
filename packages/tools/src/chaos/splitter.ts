// One direction of a stream into whole PDUs, as they pass.
// Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)"; pdu.ts.
//
// What it cannot hold whole it passes on as it comes, and so it does with all that follows a header that
// makes no sense: a proxy must not stand in the way of what it does not understand.

import {
  NvmeofError,
  type PduContext,
  PduHeader,
  type ProtocolError,
  checkPduHeader,
  viewOf,
} from "@nvmeof/codec";
import type { ChaosDirection } from "./plan.ts";

/** Who takes the pieces, in their order. They are its own. */
export interface SplitterSink {
  pdu(bytes: Uint8Array, dataBytes: number): void;
  /** Bytes of a PDU that is too long, or of what is no PDU. */
  raw(bytes: Uint8Array): void;
  /** A PDU that is too long begins: it comes as raw bytes. */
  oversized(bytes: number): void;
  /** No PDU is told any more. `first`: not one was. */
  lost(error: ProtocolError, first: boolean): void;
}

// Stages are integers: an optimised `switch` over strings has been seen to miss a case on Node 20.20.
const HEADER = 0;
const BODY = 1;
const LONG = 2;
const LOST = 3;

export class PduSplitter {
  /** What the receiver knows of the connection; digests once they are agreed. */
  readonly context: PduContext;
  readonly #sink: SplitterSink;
  readonly #pduBytesMax: number;
  #stage = HEADER;
  #header = new Uint8Array(PduHeader.size);
  #body: Uint8Array | undefined;
  #filled = 0;
  #left = 0;
  #dataBytes = 0;
  #pdus = 0;

  constructor(direction: ChaosDirection, pduBytesMax: number, sink: SplitterSink) {
    this.#sink = sink;
    this.#pduBytesMax = pduBytesMax;
    this.context = {
      toHost: direction === "downstream",
      headerDigest: false,
      dataDigest: false,
      alignment: 4,
      dataBytesMax: Infinity,
    };
  }

  /** Whether nothing may be put in here: bytes of one PDU are before and behind. */
  get isInside(): boolean {
    return this.#stage === LONG;
  }

  /** PDUs that passed whole. */
  get pdus(): number {
    return this.#pdus;
  }

  /** Passes on all that comes from here on, unread. */
  giveUp(): void {
    this.#stage = LOST;
    this.flush();
  }

  /** Passes on what has come of a PDU. */
  flush(): void {
    const from = this.#body ?? this.#header;
    if (this.#filled > 0) this.#sink.raw(from.slice(0, this.#filled));
    this.#filled = 0;
    this.#body = undefined;
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#stage === HEADER) at = this.#readHeader(bytes, at, end);
      else if (this.#stage === BODY) at = this.#readBody(bytes, at, end);
      else at = this.#pass(bytes, at, end);
    }
  }

  #readHeader(bytes: Uint8Array, at: number, end: number): number {
    const count = Math.min(PduHeader.size - this.#filled, end - at);
    this.#header.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    if (this.#filled === PduHeader.size) this.#begin();
    return at + count;
  }

  #begin(): void {
    const view = viewOf(this.#header);
    try {
      this.#dataBytes = checkPduHeader(view, 0, this.context);
    } catch (error) {
      if (!(error instanceof NvmeofError)) throw error;
      this.#sink.lost(error as ProtocolError, this.#pdus === 0);
      this.giveUp();
      return;
    }
    const plen = PduHeader.plen.get(view);
    if (plen > this.#pduBytesMax) {
      this.#sink.oversized(plen);
      this.#stage = LONG;
      this.#left = plen - this.#filled;
      this.flush();
      return;
    }
    this.#body = new Uint8Array(plen);
    this.#body.set(this.#header);
    this.#stage = BODY;
    if (plen === this.#filled) this.#complete();
  }

  #readBody(bytes: Uint8Array, at: number, end: number): number {
    const body = this.#body!;
    const count = Math.min(body.length - this.#filled, end - at);
    body.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    if (this.#filled === body.length) this.#complete();
    return at + count;
  }

  #complete(): void {
    const body = this.#body!;
    this.#body = undefined;
    this.#filled = 0;
    this.#stage = HEADER;
    this.#pdus++;
    this.#sink.pdu(body, this.#dataBytes);
  }

  #pass(bytes: Uint8Array, at: number, end: number): number {
    const count = this.#stage === LONG ? Math.min(this.#left, end - at) : end - at;
    if (this.#stage === LONG) {
      this.#left -= count;
      if (this.#left === 0) this.#stage = HEADER;
    }
    this.#sink.raw(bytes.slice(at, at + count));
    return at + count;
  }
}
