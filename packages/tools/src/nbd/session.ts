// The server's end of an NBD connection as a machine: bytes and time in, replies and requests out.
// Read first: the NBD protocol, "Protocol phases"; handshake.ts and transmission.ts, which do the work.

import { BufferAccount, type BufferPool } from "@nvmeof/target";
import type { NvmeofError } from "@nvmeof/codec";
import type { Region } from "@nvmeof/transport";
import type { ExportDirectory, NbdExport } from "./export.ts";
import { Handshake, type OptionOutcome, type TlsMode } from "./handshake.ts";
import type { NbdLimits } from "./limits.ts";
import { HandshakeFlag, type NbdErrno, OPTION_MAGIC, OptionHeader } from "./protocol.ts";
import { sayHello } from "./replies.ts";
import { ReplyQueue } from "./reply-queue.ts";
import type { NbdRequest } from "./request.ts";
import { type CutterSink, StreamCutter } from "./stream-cutter.ts";
import { type HeldLimit, Transmission } from "./transmission.ts";

/** Why a connection ended. */
export type NbdEndReason =
  | "client-done" // it said goodbye
  | "client-left" // it closed the connection without a word, or the network did
  | "protocol" // it broke the protocol, asked for what there is not, or TLS failed
  | "limit" // it met a bound; `limit` names it
  | "export-removed"
  | "server-closed";

/** How a connection ended. */
export interface NbdEnd {
  readonly reason: NbdEndReason;
  /** What there is to say beside the reason, or "". What the client has said may be in it as it came. */
  readonly message: string;
  readonly limit?: keyof NbdLimits | undefined;
}

/** What a session tells. Nothing follows `ended`. */
export interface NbdSessionEvents {
  /** The client has chosen an export. Requests follow. */
  entered(to: NbdExport): void;
  /** A request is whole: to be done by a `ByteChannel`, and then given to `settled`. */
  command(request: NbdRequest): void;
  /** The device could not do a request. */
  failed(request: NbdRequest, errno: NbdErrno, error: NvmeofError): void;
  /** A bound is met: from now on nothing is read (`isHeld`). */
  held(limit: HeldLimit): void;
  /** `resume` is to be called when the pool has buffers again. Comes again if that was in vain. */
  starved(): void;
  /** `out` is to be sent; then TLS is to be set up, and `secured` called. Nothing is read meanwhile. */
  startTls(): void;
  /** `out` is to be sent, and the connection closed. */
  ended(end: NbdEnd): void;
}

/** What a session is made of. */
export interface NbdSessionOptions {
  readonly limits: NbdLimits;
  readonly exports: ExportDirectory;
  readonly tls: TlsMode;
  readonly pool: BufferPool;
}

const Stage = { ClientFlags: 0, OptionHeader: 1, OptionData: 2, Tls: 3, Transmission: 4, Ended: 5 };

/** A window of `requestTimeoutMs` is well used when this much has arrived in it. */
const PROGRESS_BYTES = 64 * 1024;

/** More than this is not skipped for the sake of an answer. */
const SKIPPED_BYTES_MAX = 1024 * 1024;

/**
 * A machine: it knows no socket, clock or timer. Bytes may come in pieces of any size, with the same
 * result; while `isHeld` whoever brings them is to wait, and what comes all the same is kept.
 */
export class NbdSession implements CutterSink {
  /** What is to be sent; the driver empties it after each call into the session. */
  readonly out = new ReplyQueue();
  readonly #options: NbdSessionOptions;
  readonly #events: NbdSessionEvents;
  readonly #cutter: StreamCutter;
  readonly #handshake: Handshake;
  readonly #account: BufferAccount;
  #transmission: Transmission | undefined;
  #stage = Stage.ClientFlags;
  #option = 0;
  #optionBytes = 0;
  /** The news of `leave`, told when nothing is under way any more. */
  #leaving: NbdEnd | undefined;
  #handshakeByMs = Infinity;
  /** The window in which something of a request has to arrive; `Infinity` between requests. */
  #windowEndsMs = Infinity;
  #windowBytes = 0;
  #windowPieces = 0;
  /** Since when the client has asked for nothing; `Infinity` while something is under way. */
  #quietSinceMs = Infinity;

  constructor(options: NbdSessionOptions, events: NbdSessionEvents) {
    const { limits, exports, tls } = options;
    this.#options = options;
    this.#events = events;
    this.#cutter = new StreamCutter(this, limits.optionBytesMax);
    this.#handshake = new Handshake(this.out, exports, limits, tls);
    this.#account = new BufferAccount(limits.connectionBufferBytesMax);
  }

  /** The connection is there: says the first words. */
  begin(nowMs: number): void {
    this.#handshakeByMs = nowMs + this.#options.limits.handshakeTimeoutMs;
    sayHello(this.out);
    this.#cutter.gather(4);
  }

  /** The export that the client has chosen. */
  get to(): NbdExport | undefined {
    return this.#transmission?.to;
  }

  /** Whether nothing more should be brought until `resume` was called. */
  get isHeld(): boolean {
    return this.#cutter.isHeld;
  }

  get ended(): boolean {
    return this.#stage === Stage.Ended;
  }

  /** Takes bytes `start` to `end` of `buffer`. Never throws because of the client. */
  receive(buffer: Region, start: number, end: number, nowMs: number): void {
    this.#cutter.receive(buffer, start, end);
    this.#watch(nowMs);
  }

  /** Bounds that held it may be met no more: something was sent, or buffers have come back. */
  resume(nowMs: number): void {
    if (!this.#cutter.isHeld || this.ended) return;
    if (this.#stage === Stage.Transmission) this.#transmission!.resume();
    else if (this.#stage === Stage.OptionHeader) {
      this.#nextOption();
      this.#cutter.pump();
    }
    this.#watch(nowMs);
  }

  /** A request of `command` is over. */
  settled(request: NbdRequest, error: NvmeofError | undefined, nowMs: number): void {
    this.#transmission!.settled(request, error);
    this.#watch(nowMs);
  }

  /** TLS is there: the negotiation begins anew. */
  secured(): void {
    if (this.#stage !== Stage.Tls) return;
    this.#handshake.secured();
    this.#nextOption();
  }

  /**
   * The server or the export is to go: what is under way is still answered, what comes is refused, and
   * then `ended` follows with `end`; at once when nothing is under way.
   */
  leave(end: NbdEnd): void {
    if (this.ended || this.#leaving !== undefined) return;
    this.#leaving = end;
    if (this.#transmission === undefined) this.#end(end);
    else this.#transmission.leave();
  }

  /** Answers what the device has, without waiting for it any more, and ends. Gives how many those were. */
  abandon(end: NbdEnd): number {
    const count = this.#transmission?.abandon() ?? 0;
    this.#end(end);
    return count;
  }

  /** The connection is gone. Replies that are not out have no reader. */
  gone(message: string): void {
    this.out.discard();
    this.#end({ reason: "client-left", message });
  }

  /** The client did what no client may, outside of the stream. */
  refuse(message: string): void {
    this.#violated(message);
  }

  /** The client has met a bound, outside of the stream. */
  giveUp(limit: keyof NbdLimits, message: string): void {
    this.#late(limit, message);
  }

  /** Nothing that was lent to `out` will be told to be out: those buffers are nobody's any more. */
  writeOff(): void {
    this.#options.pool.writeOff(this.#account);
  }

  /** When `tick` is next due. */
  deadlineMs(): number {
    if (this.ended) return Infinity;
    const { idleTimeoutMs } = this.#options.limits;
    const idleMs = idleTimeoutMs === 0 ? Infinity : this.#quietSinceMs + idleTimeoutMs;
    return Math.min(this.#handshakeByMs, this.#windowEndsMs, idleMs);
  }

  /** Time has passed. An early tick is harmless. */
  tick(nowMs: number): void {
    if (nowMs < this.deadlineMs()) return;
    if (nowMs >= this.#handshakeByMs) {
      this.#late("handshakeTimeoutMs", "the client has not chosen an export in time");
    } else if (nowMs < this.#windowEndsMs) {
      this.#late("idleTimeoutMs", "the client has asked for nothing for too long");
    } else if (this.#cutter.cutBytes - this.#windowBytes < PROGRESS_BYTES) {
      this.#late("requestTimeoutMs", "a part of a request came, and then too little of the rest");
    } else this.#openWindow(nowMs);
  }

  gathered(view: DataView, base: number): void {
    switch (this.#stage) {
      case Stage.ClientFlags:
        this.#clientFlags(view.getUint32(base));
        break;
      case Stage.OptionHeader:
        this.#optionHeader(view, base);
        break;
      case Stage.OptionData:
        this.#answer(this.#handshake.option(this.#option, view, base, this.#optionBytes));
        break;
      default:
        this.#transmission!.gathered(view, base);
    }
  }

  placed(): void {
    this.#transmission!.placed();
  }

  skipped(): void {
    if (this.#stage === Stage.Transmission) this.#transmission!.skipped();
    else this.#answer(this.#handshake.tooBig(this.#option));
  }

  #clientFlags(flags: number): void {
    const { FixedNewstyle, NoZeroes } = HandshakeFlag;
    if ((flags & ~(FixedNewstyle | NoZeroes)) !== 0) {
      this.#violated(`unknown client flags ${(flags >>> 0).toString(16)}h`);
      return;
    }
    this.#handshake.fixed = (flags & FixedNewstyle) !== 0;
    this.#handshake.zeroes = (flags & NoZeroes) === 0;
    this.#nextOption();
  }

  #nextOption(): void {
    this.#stage = Stage.OptionHeader;
    if (this.out.queuedBytes > this.#options.limits.outputBytesMax) {
      if (!this.#cutter.isHeld) this.#events.held("outputBytesMax");
      this.#cutter.hold();
    } else this.#cutter.gather(OptionHeader.size);
  }

  #optionHeader(view: DataView, base: number): void {
    const isOption =
      OptionHeader.magicHigh.get(view, base) === OPTION_MAGIC.high &&
      OptionHeader.magicLow.get(view, base) === OPTION_MAGIC.low;
    if (!isOption) {
      this.#violated("what came is no option");
      return;
    }
    this.#option = OptionHeader.option.get(view, base);
    this.#optionBytes = OptionHeader.length.get(view, base);
    if (this.#optionBytes <= this.#options.limits.optionBytesMax) {
      this.#stage = Stage.OptionData;
      this.#cutter.gather(this.#optionBytes);
    } else if (this.#optionBytes <= SKIPPED_BYTES_MAX) this.#cutter.skip(this.#optionBytes);
    else {
      const message = `an option with ${this.#optionBytes} bytes`;
      this.#end({ reason: "limit", limit: "optionBytesMax", message });
    }
  }

  #answer(outcome: OptionOutcome): void {
    switch (outcome.do) {
      case "continue":
        this.#nextOption();
        break;
      case "abort":
        this.#end({ reason: "client-done", message: "" });
        break;
      case "start-tls":
        this.#startTls();
        break;
      case "close": {
        const { why, limit } = outcome;
        this.#end({ reason: limit === undefined ? "protocol" : "limit", message: why, limit });
        break;
      }
      case "enter":
        this.#enter(outcome.to, outcome.sizeBytes);
        break;
    }
  }

  #startTls(): void {
    this.#stage = Stage.Tls;
    this.#cutter.hold();
    this.#events.startTls();
  }

  #enter(to: NbdExport, sizeBytes: number): void {
    this.#stage = Stage.Transmission;
    this.#handshakeByMs = Infinity;
    const { structured, chosen } = this.#handshake;
    const allocation = this.#handshake.hasAllocation(chosen);
    const { limits, pool } = this.#options;
    const agreement = { structured, allocation };
    const [out, cutter, account] = [this.out, this.#cutter, this.#account];
    this.#transmission = new Transmission(
      { out, cutter, limits, pool, account, to, sizeBytes, agreement },
      {
        command: (request) => this.#events.command(request),
        failed: (request, errno, error) => this.#events.failed(request, errno, error),
        held: (limit) => this.#events.held(limit),
        starved: () => this.#events.starved(),
        violated: (why) => this.#violated(why),
        finished: (why) =>
          this.#end(why === "goodbye" ? { reason: "client-done", message: "" } : this.#leaving!),
      },
    );
    this.#events.entered(to);
    this.#transmission.next();
  }

  #violated(message: string): void {
    this.#end({ reason: "protocol", message });
  }

  #late(limit: keyof NbdLimits, message: string): void {
    this.#end({ reason: "limit", limit, message });
  }

  #end(end: NbdEnd): void {
    if (this.ended) return;
    this.#stage = Stage.Ended;
    this.#cutter.stop();
    this.#transmission?.end();
    this.#events.ended(end);
  }

  #openWindow(nowMs: number): void {
    this.#windowEndsMs = nowMs + this.#options.limits.requestTimeoutMs;
    this.#windowBytes = this.#cutter.cutBytes;
    this.#windowPieces = this.#cutter.pieces;
  }

  /** Something has come, or has been done. While we do not read, the client owes us nothing. */
  #watch(nowMs: number): void {
    const cutter = this.#cutter;
    if (this.#stage === Stage.Tls && cutter.backlogBytes > 0) {
      // Not encrypted, whoever it is from: it must not count as if it were.
      this.#violated("bytes between STARTTLS and TLS");
    }
    if (this.#stage !== Stage.Transmission) return;
    if (!cutter.midPiece) this.#windowEndsMs = Infinity;
    else if (this.#windowEndsMs === Infinity || cutter.pieces !== this.#windowPieces) {
      this.#openWindow(nowMs);
    }
    const isQuiet = this.#transmission!.running === 0 && this.#windowEndsMs === Infinity;
    this.#quietSinceMs = isQuiet ? nowMs : Infinity;
  }
}
