// What both ends of an NVMe/TCP connection share: its phases, its reader, how it fails and ends.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment", §3.5 "Error Handling Model".

import {
  DIGEST_BYTES,
  Fes,
  type NvmeofError,
  type PduContext,
  PduFlag,
  PduType,
  ProtocolError,
  TERM_REQ_DATA_MAX,
  pduName,
  setPduHeader,
  strangerError,
} from "@nvmeof/codec";
import { Region } from "../copy.ts";
import { TransportError } from "../errors.ts";
import type { Agreement, SessionOptions } from "./initialize.ts";
import { PduReader, type PduSink } from "./pdu-reader.ts";
import { SendQueue } from "./send-queue.ts";
import { readTermReq, sendTermReq } from "./terminate.ts";

/** Phases of a connection, in their order; integers, since they are compared for every PDU. */
export const Phase = { Initializing: 0, Running: 1, Ended: 2 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const PARTIAL_PDU_TIMEOUT_MS = 10_000;

/**
 * A session is a machine: bytes and time come in by `receive` and `tick`, bytes go out by `out`,
 * events by the methods that the two ends add. It knows no socket, clock or timer.
 */
export abstract class Session implements PduSink {
  /** What is to be sent; the driver empties it after each call into the session. */
  readonly out = new SendQueue();
  protected readonly reader: PduReader;
  protected readonly options: SessionOptions;
  protected phase: Phase = Phase.Initializing;
  protected agreement: Agreement | undefined;
  readonly #term: Region = new Region(new Uint8Array(TERM_REQ_DATA_MAX));
  #termError: { view: DataView; dataBytes: number } | undefined;
  readonly #initializeByMs: number;
  readonly #partialPduTimeoutMs: number;
  /** When the PDU under way began to arrive (a host: last grew); `Infinity` between PDUs. */
  #partialSinceMs = Infinity;
  #pdusSeen = 0;
  /** The TermReq that we send, and the one that the peer sends. */
  readonly #ourTermReq: PduType;
  readonly #peerTermReq: PduType;

  /**
   * @param initializeByMs when the peer's part of the initialisation must have arrived.
   */
  constructor(
    toHost: boolean,
    options: SessionOptions,
    dataBytesMax: number,
    initializeByMs: number,
  ) {
    this.options = options;
    const context: PduContext = {
      toHost,
      headerDigest: false,
      dataDigest: false,
      alignment: 4,
      dataBytesMax,
    };
    this.reader = new PduReader(context, this);
    this.#initializeByMs = initializeByMs;
    this.#partialPduTimeoutMs = options.partialPduTimeoutMs ?? PARTIAL_PDU_TIMEOUT_MS;
    this.#ourTermReq = toHost ? PduType.H2CTermReq : PduType.C2HTermReq;
    this.#peerTermReq = toHost ? PduType.C2HTermReq : PduType.H2CTermReq;
  }

  /** What both sides agreed on. Only once the session has told that it is open. */
  get agreed(): Agreement {
    return this.agreement!;
  }

  /** A PDU of the running phase. */
  protected abstract running(type: number, view: DataView, base: number, dataBytes: number): void;
  /** The initialisation PDU of the peer. */
  protected abstract initialize(type: number, view: DataView, base: number): Agreement;
  /** The data of the last PDU is complete. */
  protected abstract placed(intact: boolean): void;
  /** The connection is initialised. */
  protected abstract opened(): void;
  /** The connection has failed; called once, not after `end`. */
  protected abstract failed(error: NvmeofError): void;

  /** Takes bytes `start` to `end` of `buffer`. Never throws because of the peer. */
  receive(buffer: Region, start: number, end: number, nowMs: number): void {
    if (this.phase === Phase.Ended) return;
    try {
      this.reader.receive(buffer, start, end);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#terminate(error);
      return;
    }
    this.#watchPartial(nowMs);
  }

  /**
   * Stages what was held back while much was queued. To be called before `out` is emptied, and
   * again once that is out.
   */
  pump(): void {}

  /** Whether there is anything held back. */
  get pumps(): boolean {
    return false;
  }

  /** We did not read for `ms`: what the peer owes us it may have sent long ago. */
  postpone(ms: number): void {
    this.#partialSinceMs += ms;
  }

  /** Nothing is sent, received or reported any more. */
  get ended(): boolean {
    return this.phase === Phase.Ended;
  }

  /** When `tick` is next due. */
  deadlineMs(): number {
    if (this.phase === Phase.Ended) return Infinity;
    if (this.phase === Phase.Initializing) return this.#initializeByMs;
    return this.#partialSinceMs + this.#partialPduTimeoutMs;
  }

  /** Time has passed. An early tick is harmless. */
  tick(nowMs: number): void {
    if (nowMs < this.deadlineMs()) return;
    if (this.phase === Phase.Initializing) {
      const hint = "The peer accepts connections but does not speak NVMe/TCP, or is frozen.";
      this.fail(
        new TransportError("initialize-timeout", "no answer to the initialisation in time", {
          phase: "initialize",
          limit: "initializeTimeoutMs",
          hint,
        }),
      );
    } else {
      const message = "the peer sent a part of a PDU and stopped";
      this.fail(new TransportError("receive-timeout", message, { limit: "partialPduTimeoutMs" }));
    }
  }

  /** The connection is gone, or is no longer of use: nothing more is sent or reported. */
  end(): void {
    this.phase = Phase.Ended;
    this.reader.stop();
    this.out.discard();
  }

  /**
   * The stream under the session ended, for `error` if there is one. Who has said less than a header
   * before may have said what he speaks instead: that explains more than the end does.
   */
  streamEnded(error: NvmeofError | undefined): void {
    this.fail(
      this.#strangerError() ??
        error ??
        new TransportError("connection-lost", "the peer closed the connection"),
    );
  }

  #strangerError(): ProtocolError | undefined {
    const said = this.reader.partialHeader;
    if (this.phase !== Phase.Initializing || said.length < 4) return undefined;
    return strangerError(new DataView(said.buffer, said.byteOffset, said.length), 0);
  }

  /** Ends the session with an error of its own or of what is below. */
  fail(error: NvmeofError): void {
    if (this.phase === Phase.Ended) return;
    this.end();
    this.failed(error);
  }

  header(type: number, view: DataView, base: number, dataBytes: number): void {
    if (type === this.#peerTermReq) {
      this.#beginTermReq(view, base, dataBytes);
    } else if (this.phase === Phase.Running) {
      this.running(type, view, base, dataBytes);
    } else {
      this.#initialized(this.initialize(type, view, base));
    }
  }

  dataEnd(intact: boolean): void {
    if (this.#termError === undefined) this.placed(intact);
    else this.#endTermReq();
  }

  protected unexpected(type: number): ProtocolError {
    const when = this.phase === Phase.Running ? "after" : "before";
    return new ProtocolError(Fes.SequenceError, 0, `${pduName(type)} ${when} initialisation`);
  }

  /** Common header of a digested PDU with `dataBytes` of data (0 for none), at `base` in `out`. */
  protected writeHeader(
    view: DataView,
    base: number,
    type: PduType,
    flags: number,
    hlen: number,
    dataBytes: number,
  ): void {
    const agreement = this.agreement!;
    const headerEnd = hlen + (agreement.headerDigest ? 4 : 0);
    let allFlags = agreement.headerDigest ? flags | PduFlag.HeaderDigest : flags;
    if (dataBytes === 0) {
      setPduHeader(view, base, type, allFlags, hlen, 0, headerEnd);
      return;
    }
    const align = agreement.sendAlignment;
    const pdo = Math.ceil(headerEnd / align) * align;
    if (agreement.dataDigest) allFlags |= PduFlag.DataDigest;
    const plen = pdo + dataBytes + (agreement.dataDigest ? DIGEST_BYTES : 0);
    setPduHeader(view, base, type, allFlags, hlen, pdo, plen);
  }

  #initialized(agreement: Agreement): void {
    this.agreement = agreement;
    this.reader.context.headerDigest = agreement.headerDigest;
    this.reader.context.dataDigest = agreement.dataDigest;
    this.phase = Phase.Running;
    this.opened();
  }

  /**
   * A PDU began in this chunk if none was under way before, or if that one ended in it. A controller
   * counts from there: a host must not hold a slot by a byte now and then. A host counts from the
   * last byte, since a slow network may well take longer for a large read; its commands have timers.
   */
  #watchPartial(nowMs: number): void {
    const { midPdu, pdus, context } = this.reader;
    if (!midPdu) this.#partialSinceMs = Infinity;
    else if (context.toHost || this.#partialSinceMs === Infinity || pdus !== this.#pdusSeen) {
      this.#partialSinceMs = nowMs;
    }
    this.#pdusSeen = pdus;
  }

  /** Says what the peer broke, then ends. What was staged before is dropped: it has no reader. */
  #terminate(error: ProtocolError): void {
    const offending = this.reader.lastHeader();
    this.end();
    // A TermReq is never answered with another one, not even a malformed one.
    if (offending[0] !== this.#peerTermReq) {
      sendTermReq(this.out, this.#ourTermReq, error, offending);
    }
    this.failed(error);
  }

  #beginTermReq(view: DataView, base: number, dataBytes: number): void {
    const header = new Uint8Array(view.buffer, view.byteOffset + base, 24).slice();
    this.#termError = { view: new DataView(header.buffer), dataBytes };
    if (dataBytes === 0) this.#endTermReq();
    else this.reader.place(this.#term, 0);
  }

  #endTermReq(): void {
    const { view, dataBytes } = this.#termError!;
    this.fail(readTermReq(view, 0, this.#term.bytes.slice(0, dataBytes)));
  }
}
