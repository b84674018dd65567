// Joins a session to a stream, a clock and the device behind the export that its client has chosen.
// Read first: session.ts for the machine; @nvmeof/transport byte-stream.ts for the stream.

import type { NvmeofError } from "@nvmeof/codec";
import type { BufferPool } from "@nvmeof/target";
import {
  type ByteStream,
  type ByteStreamHandler,
  type Clock,
  type Region,
  SendWatch,
  type Timer,
} from "@nvmeof/transport";
import { ByteChannel } from "./byte-channel.ts";
import type { ExportDirectory, NbdExport } from "./export.ts";
import type { TlsMode } from "./handshake.ts";
import type { NbdLimits } from "./limits.ts";
import type { NbdErrno } from "./protocol.ts";
import type { NbdRequest } from "./request.ts";
import { type NbdEnd, NbdSession } from "./session.ts";

/** A stream that can go on encrypted from some moment on. */
export interface NbdStream extends ByteStream {
  /**
   * Goes on as a TLS server: all that is sent and received from now on is encrypted. `ready` is told when
   * the client agrees, or why it is not to be. To be called while nothing is being sent.
   */
  readonly startTls?: ((ready: (error: NvmeofError | undefined) => void) => void) | undefined;
}

/** What a connection needs of its server. */
export interface ConnectionOwner {
  readonly clock: Clock;
  readonly limits: NbdLimits;
  readonly directory: ExportDirectory;
  readonly pool: BufferPool;
  readonly tls: TlsMode;
  /** The client has chosen an export. */
  entered(connection: NbdConnection, to: NbdExport): void;
  /** A request goes to the device; and is done with by it, whoever still waits for that. */
  begun(request: NbdRequest): void;
  settled(request: NbdRequest, error: NvmeofError | undefined): void;
  failed(connection: NbdConnection, request: NbdRequest, errno: NbdErrno, error: NvmeofError): void;
  met(limit: keyof NbdLimits): void;
  ended(connection: NbdConnection, end: NbdEnd): void;
}

/** A timer that runs this late says that our process stood still, not that the client is silent. */
const STALL_MS = 1_000;

/** Time to read what came meanwhile, before a deadline is judged. */
const READ_FIRST_MS = 100;

/** A client. */
export class NbdConnection implements ByteStreamHandler {
  readonly remote: string;
  readonly #owner: ConnectionOwner;
  readonly #raw: NbdStream;
  readonly #stream: SendWatch;
  readonly #session: NbdSession;
  #channel: ByteChannel | undefined;
  #phase: "connecting" | "open" | "over" = "connecting";
  #reading: "on" | "paused" = "on";
  #tls: "none" | "wanted" | "underway" = "none";
  /** A flush is deferred, or a callback is running that will flush at its end. */
  #flush: "none" | "coming" = "none";
  #waitsForBuffers: "no" | "yes" = "no";
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  readonly #overTasks: (() => void)[] = [];

  constructor(stream: NbdStream, owner: ConnectionOwner) {
    const { clock, limits, directory, pool } = owner;
    this.remote = stream.remote;
    this.#owner = owner;
    this.#raw = stream;
    this.#stream = new SendWatch(stream, clock, limits.sendTimeoutMs, () => this.#stuck());
    const tls = stream.startTls === undefined ? "off" : owner.tls;
    this.#session = new NbdSession(
      { limits, pool, exports: directory, tls },
      {
        entered: (to) => this.#entered(to),
        command: (request) => this.#command(request),
        failed: (request, errno, error) => owner.failed(this, request, errno, error),
        held: (limit) => owner.met(limit),
        starved: () => this.#starved(),
        startTls: () => (this.#tls = "wanted"),
        ended: (end) => this.#ended(end),
      },
    );
  }

  /** The export that the client has chosen. */
  get to(): NbdExport | undefined {
    return this.#session.to;
  }

  /** See `NbdSession.leave`. */
  leave(end: NbdEnd): void {
    this.#session.leave(end);
    this.#flushSoon();
  }

  /** See `NbdSession.abandon`. Harmless when it is over. */
  abandon(end: NbdEnd): void {
    if (this.#phase !== "over") this.#session.abandon(end);
  }

  /** Runs `task` when it is over, at once if it is. */
  whenOver(task: () => void): void {
    if (this.#phase === "over") task();
    else this.#overTasks.push(task);
  }

  opened(): void {
    if (this.#phase !== "connecting") return;
    this.#phase = "open";
    this.#session.begin(this.#owner.clock.nowMs());
    this.#send();
    this.#watch();
  }

  received(buffer: Region, start: number, end: number): void {
    if (this.#phase !== "open") return;
    const outer = this.#flush;
    this.#flush = "coming";
    try {
      this.#session.receive(buffer, start, end, this.#owner.clock.nowMs());
    } finally {
      this.#flush = outer;
    }
    this.#goOn();
  }

  drained(): void {
    if (this.#phase !== "open") return;
    this.#stream.drained();
    this.#session.out.drained();
    this.#session.resume(this.#owner.clock.nowMs());
    this.#goOn();
  }

  ended(error: NvmeofError | undefined): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#stream.stop();
    this.#session.gone(error?.message ?? "");
  }

  #entered(to: NbdExport): void {
    this.#channel = new ByteChannel(to, (request, error) =>
      this.#settled(request as NbdRequest, error),
    );
    this.#owner.entered(this, to);
  }

  #command(request: NbdRequest): void {
    this.#owner.begun(request);
    this.#channel!.submit(request);
  }

  #settled(request: NbdRequest, error: NvmeofError | undefined): void {
    this.#owner.settled(request, error);
    this.#session.settled(request, error, this.#owner.clock.nowMs());
    this.#flushSoon();
  }

  #starved(): void {
    if (this.#waitsForBuffers === "yes") return;
    this.#waitsForBuffers = "yes";
    this.#owner.pool.whenFreed(() => {
      this.#waitsForBuffers = "no";
      if (this.#phase !== "open") return;
      this.#session.resume(this.#owner.clock.nowMs());
      this.#goOn();
    });
  }

  /** It leaves with all else of this turn. */
  #flushSoon(): void {
    if (this.#flush === "coming" || this.#phase !== "open") return;
    this.#flush = "coming";
    this.#owner.clock.defer(this.#deferred);
  }

  readonly #deferred = (): void => {
    this.#flush = "none";
    this.#goOn();
  };

  /** Something has happened: sends what there is to say, reads or not, looks at the time. */
  #goOn(): void {
    if (this.#phase !== "open") return;
    this.#send();
    this.#balance();
    this.#watch();
  }

  /** One write at a time: what is staged while one is under way leaves with the next. */
  #send(): void {
    const { out } = this.#session;
    if (!out.isEmpty && !out.busy) this.#stream.write(out.take());
    if (this.#tls === "wanted" && out.isEmpty && !out.busy) this.#startTls();
  }

  /** A client that sends more than we may hold waits; so does one that is to say nothing before TLS. */
  #balance(): void {
    const wanted = this.#session.isHeld && this.#tls !== "underway" ? "paused" : "on";
    if (wanted === this.#reading) return;
    this.#reading = wanted;
    if (wanted === "paused") this.#stream.pause();
    else this.#stream.resume();
  }

  #startTls(): void {
    this.#tls = "underway";
    this.#raw.startTls!((error) => {
      if (this.#phase !== "open") return;
      this.#tls = "none";
      if (error === undefined) this.#session.secured();
      else this.#session.refuse(`TLS was not agreed on: ${error.message}`);
      this.#goOn();
    });
  }

  /** The client takes nothing of what is sent to it. */
  #stuck(): void {
    if (this.#phase !== "open") return;
    this.#session.giveUp("sendTimeoutMs", "the client takes nothing of what is sent to it");
  }

  /** The session is over. What it had to say is sent, but to those who do not behave. */
  #ended(end: NbdEnd): void {
    const wasOpen = this.#phase !== "over";
    this.#phase = "over";
    this.#timer?.cancel();
    this.#channel?.close();
    const { out } = this.#session;
    const { lingerMs } = this.#owner.limits;
    const isRude = end.reason === "limit" || end.reason === "protocol";
    const isHopeless = out.queuedBytes === 0 || end.limit === "sendTimeoutMs";
    if (wasOpen && isRude && isHopeless) this.#stream.reset();
    else if (wasOpen) {
      if (!out.isEmpty) this.#stream.write(out.take());
      this.#stream.close(lingerMs);
    }
    this.#session.writeOff();
    if (end.limit !== undefined) this.#owner.met(end.limit);
    for (const task of this.#overTasks) task();
    this.#owner.ended(this, end);
  }

  /** One timer for the connection, armed for the earliest deadline. Armed early is harmless. */
  #watch(): void {
    const deadline = this.#session.deadlineMs();
    if (deadline < this.#timerAtMs) this.#arm(deadline);
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#owner.clock.at(atMs, this.#tick);
  }

  readonly #tick = (): void => {
    const dueMs = this.#timerAtMs;
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    if (this.#phase !== "open") return;
    const nowMs = this.#owner.clock.nowMs();
    if (nowMs > dueMs + STALL_MS) {
      this.#arm(nowMs + READ_FIRST_MS);
      return;
    }
    this.#session.tick(nowMs);
    this.#goOn();
  };
}
