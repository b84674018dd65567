// The controller's end of NVMe/TCP: takes the connections of a listener, one queue each.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment"; queue-link.ts for the contract.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, ProvenNames } from "../byte-stream.ts";
import type { Clock } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { CloseHow, ControllerEvents, ControllerLink, DataSource } from "../queue-link.ts";
import { Connection } from "./connection.ts";
import { ControllerSession } from "./controller-session.ts";
import { COPY_BYTES_MAX } from "./send-queue.ts";
import { SendWatch } from "./send-watch.ts";

/** What a controller offers on its connections. */
export interface ControllerTransportOptions {
  readonly clock: Clock;
  /** Allow a digest of each header. Default true. */
  readonly headerDigest?: boolean;
  /** Allow a digest of all data. Default true. */
  readonly dataDigest?: boolean;
  /** CPDA: data to us aligned to 4 × (pda + 1) bytes. Default 0. */
  readonly pda?: number;
  /** MAXH2CDATA, bytes; a multiple of 4, at least 4096. Default 128 KiB. */
  readonly h2cDataBytesMax?: number;
  /** Time from the connection to the whole ICReq, ms. Default 5 s. */
  readonly initializeTimeoutMs?: number;
  /** Time from the first byte of a PDU to its last, ms. Default 10 s. */
  readonly partialPduTimeoutMs?: number;
  /** Time from an R2T to all of its data, ms. Default 30 s. */
  readonly r2tTimeoutMs?: number;
  /** Time that a host may take for one write of ours, ms; it is up to a quarter longer. Default 60 s. */
  readonly sendTimeoutMs?: number;
  /** Beyond this many bytes queued to a host, nothing is read from it. Default 4 MiB. */
  readonly queuedBytesMax?: number;
  /** Called each time that the reading stops for that reason. */
  readonly onPaused?: (remote: string) => void;
}

const H2C_DATA_BYTES_MAX = 128 * 1024;
const INITIALIZE_TIMEOUT_MS = 5_000;
const SEND_TIMEOUT_MS = 60_000;
/** Admin and Fabrics commands may carry this much in their capsule, whatever IOCCSZ says. */
export const ADMIN_CAPSULE_BYTES = 8192;

/** Without those that are not given. */
const timersOf = ({ partialPduTimeoutMs, r2tTimeoutMs }: ControllerTransportOptions) => ({
  ...(partialPduTimeoutMs === undefined ? {} : { partialPduTimeoutMs }),
  ...(r2tTimeoutMs === undefined ? {} : { r2tTimeoutMs }),
});

class TcpControllerLink implements ControllerLink {
  readonly remote: string;
  readonly #stream: ByteStream;
  readonly inCapsuleBytesMax = Infinity;
  readonly #session: ControllerSession;
  readonly #connection: Connection;
  readonly #watch: SendWatch;
  readonly #clock: Clock;
  /** Given when all else is in place: `accept` may well configure or close the link. */
  readonly #events: ControllerEvents;
  /** Buffers in use by the write under way, and by what is staged after it. */
  #held: { data: Uint8Array; release: (data: Uint8Array) => void }[] = [];
  #staged: { data: Uint8Array; release: (data: Uint8Array) => void }[] = [];

  constructor(
    options: ControllerTransportOptions,
    stream: ByteStream,
    accept: (link: ControllerLink) => ControllerEvents,
  ) {
    this.remote = stream.remote;
    this.#stream = stream;
    const { clock } = options;
    this.#clock = clock;
    this.#session = new ControllerSession(
      {
        headerDigest: options.headerDigest ?? true,
        dataDigest: options.dataDigest ?? true,
        pda: options.pda ?? 0,
        h2cDataBytesMax: options.h2cDataBytesMax ?? H2C_DATA_BYTES_MAX,
        inCapsuleBytes: ADMIN_CAPSULE_BYTES,
        ...timersOf(options),
      },
      {
        opened: () => this.#events.opened(),
        command: (tag) => this.#events.command(tag),
        fetched: (tag, status) => this.#events.fetched(tag, status),
        lost: (error: NvmeofError) => {
          this.#connection.sessionFailed();
          this.#watch.stop();
          this.#forget();
          this.#events.lost(error);
        },
      },
      clock.nowMs() +
        (stream.openingMs ?? 0) +
        (options.initializeTimeoutMs ?? INITIALIZE_TIMEOUT_MS),
    );
    const { queuedBytesMax, onPaused } = options;
    this.#connection = new Connection(this.#session, clock, () => {}, queuedBytesMax);
    this.#connection.onDrained = () => this.#drained();
    if (onPaused !== undefined) this.#connection.onPaused = () => onPaused(stream.remote);
    const { sendTimeoutMs = SEND_TIMEOUT_MS } = options;
    this.#watch = new SendWatch(stream, clock, sendTimeoutMs, () => this.#stuck());
    this.#connection.attach(this.#watch);
    this.#events = accept(this);
  }

  get handler(): ByteStreamHandler {
    const connection = this.#connection;
    return {
      opened: () => connection.opened(),
      received: (buffer, start, end) => connection.received(buffer, start, end),
      drained: () => {
        this.#watch.drained();
        connection.drained();
      },
      ended: (error) => {
        this.#watch.stop();
        connection.ended(error);
      },
    };
  }

  get proven(): ProvenNames | undefined {
    return this.#stream.proven;
  }

  sqe(tag: number): DataView {
    return this.#session.slot(tag).sqe;
  }

  transferBytes(tag: number): number {
    return this.#session.slot(tag).transferBytes;
  }

  capsuleData(tag: number): Uint8Array | undefined {
    const slot = this.#session.slot(tag);
    if (slot.capsuleBytes === 0) return undefined;
    this.#session.keepCapsule(slot);
    const { capsule, capsuleBytes } = slot;
    if (slot.capsuleData.length !== capsuleBytes) {
      slot.capsuleData = capsule.bytes.subarray(0, capsuleBytes);
    }
    return slot.capsuleData;
  }

  arrivedIn(tag: number): Uint8Array | undefined {
    return this.#session.slot(tag).arrivedIn?.bytes;
  }

  arrivedAt(tag: number): number {
    return this.#session.slot(tag).arrivedAt;
  }

  respondFrom(tag: number, bytes: number, source: DataSource): boolean {
    const done = this.#session.respondFrom(tag, bytes, source);
    if (done) this.#connection.flushSoon();
    return done;
  }

  fetch(tag: number, buffer: Uint8Array): void {
    this.#session.fetch(tag, buffer, this.#clock.nowMs());
    this.#connection.flushSoon();
  }

  respond(
    tag: number,
    status: number,
    dw0: number,
    dw1: number,
    data?: Uint8Array,
    release?: (data: Uint8Array) => void,
  ): void {
    this.#session.respond(tag, status, dw0, dw1, data);
    if (data !== undefined && release !== undefined) this.#hold(data, release);
    this.#connection.flushSoon();
  }

  /** Before anything is sent: that may well be out at once. */
  #hold(data: Uint8Array, release: (data: Uint8Array) => void): void {
    if (data.length <= COPY_BYTES_MAX || this.#session.ended) release(data);
    else if (this.#session.out.busy) this.#staged.push({ data, release });
    else this.#held.push({ data, release });
  }

  configure(slots: number, flowControl: boolean, inCapsuleBytes: number): void {
    this.#session.configure(slots, flowControl, inCapsuleBytes);
  }

  close(how: CloseHow, lingerMs?: number): void {
    this.#connection.close(how, lingerMs);
    const all = [...this.#held, ...this.#staged];
    this.#forget();
    // After an orderly close the stream may still be sending from them: then they are not reused.
    if (how === "reset") for (const { data, release } of all) release(data);
  }

  #drained(): void {
    for (const { data, release } of this.#held) release(data);
    this.#held = this.#staged;
    this.#staged = [];
  }

  /** A host that does not read may hold what it was sent, and the connection, for so long only. */
  #stuck(): void {
    const message = "the host does not take what is sent to it";
    const error = new TransportError("send-timeout", message, { limit: "sendTimeoutMs" });
    this.#watch.reset();
    this.#connection.ended(error);
  }

  /** Leaves the buffers to the garbage collector instead of giving them back for use. */
  #forget(): void {
    this.#held = [];
    this.#staged = [];
  }
}

/**
 * Takes a stream that a host opened as the controller's end of a queue.
 *
 * @param accept gives the events of the queue; called once, before any event.
 * @returns what the stream is to be handled by.
 */
export function acceptQueue(
  options: ControllerTransportOptions,
  stream: ByteStream,
  accept: (link: ControllerLink) => ControllerEvents,
): ByteStreamHandler {
  return new TcpControllerLink(options, stream, accept).handler;
}
