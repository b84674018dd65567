// The transmission phase of an NBD connection: requests in, replies out, bounded in all that it holds.
// Read first: the NBD protocol, "Transmission"; request.ts for the rules, session.ts for what is around.

import type { NvmeofError } from "@nvmeof/codec";
import type { BufferAccount, BufferPool } from "@nvmeof/target";
import { errnoOf } from "./errors.ts";
import type { NbdExport } from "./export.ts";
import { extentsOf, isHole, sendRead } from "./extents.ts";
import { ALLOCATION_ID } from "./handshake.ts";
import type { NbdLimits } from "./limits.ts";
import {
  CommandFlag,
  NbdCommand,
  NbdErrno,
  REQUEST_MAGIC,
  RequestHeader,
  commandName,
} from "./protocol.ts";
import { replySimply, sendError, sendExtents, sendHole, sendNone } from "./replies.ts";
import type { ReplyQueue } from "./reply-queue.ts";
import { type Agreement, NbdRequest, RequestPhase, refusalOf } from "./request.ts";
import type { StreamCutter } from "./stream-cutter.ts";

/** A bound for which a client has to wait. */
export type HeldLimit = "inflightMax" | "connectionBufferBytesMax" | "outputBytesMax";

/** What a transmission tells. Never called for what has ended. */
export interface TransmissionEvents {
  /** The request is whole: it is to be done, and then given to `settled`. May be done at once. */
  command(request: NbdRequest): void;
  /** The device could not do a request, which is answered with `errno`. */
  failed(request: NbdRequest, errno: NbdErrno, error: NvmeofError): void;
  /** A bound is met: from now on nothing is read. */
  held(limit: HeldLimit): void;
  /** A buffer is wanted: `resume` is to be called when there are any. Comes again if that was in vain. */
  starved(): void;
  /** The client broke the protocol. */
  violated(why: string): void;
  /** Nothing is under way any more: after the client's goodbye, or after `leave`. */
  finished(why: "goodbye" | "leaving"): void;
}

/** What a transmission works with. */
export interface TransmissionParts {
  readonly out: ReplyQueue;
  readonly cutter: StreamCutter;
  readonly limits: NbdLimits;
  readonly pool: BufferPool;
  readonly account: BufferAccount;
  readonly to: NbdExport;
  /** Size of the export as the client was told. */
  readonly sizeBytes: number;
  readonly agreement: Agreement;
}

export class Transmission {
  readonly #parts: TransmissionParts;
  readonly #events: TransmissionEvents;
  readonly #requests: NbdRequest[] = [];
  readonly #idle: NbdRequest[] = [];
  /** Its payload is arriving, or is skipped: then `#refusal` is its answer. */
  #arriving: NbdRequest | undefined;
  #refusal: NbdErrno | undefined;
  /** It waits for a buffer. */
  #starved: NbdRequest | undefined;
  #running = 0;
  #mood: "open" | "goodbye" | "leaving" | "over" = "open";

  constructor(parts: TransmissionParts, events: TransmissionEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  get to(): NbdExport {
    return this.#parts.to;
  }

  /** Requests that the device has, and that somebody waits for. */
  get running(): number {
    return this.#running;
  }

  /** Says what is wanted of the stream: the next request, or nothing for now. */
  next(): void {
    if (this.#mood === "goodbye" || this.#mood === "over") return;
    const { cutter, limits, out } = this.#parts;
    if (this.#idle.length === 0 && this.#requests.length === limits.inflightMax) {
      this.#hold("inflightMax");
    } else if (out.queuedBytes > limits.outputBytesMax) this.#hold("outputBytesMax");
    else cutter.gather(RequestHeader.size);
  }

  /** What it was held for may be there now. */
  resume(): void {
    const { cutter } = this.#parts;
    if (!cutter.isHeld || this.#mood === "over") return;
    const starved = this.#starved;
    this.#starved = undefined;
    if (starved === undefined) this.next();
    else this.#start(starved);
    cutter.pump();
  }

  /** A header. */
  gathered(view: DataView, base: number): void {
    const magic = RequestHeader.magic.get(view, base);
    if (magic !== REQUEST_MAGIC) {
      this.#events.violated(`a request begins with ${magic.toString(16)}h`);
      return;
    }
    const request = this.#idle.pop() ?? this.#newRequest();
    request.read(view, base);
    if (request.type === NbdCommand.Disconnect) this.#goodbye(request);
    else this.#judge(request);
  }

  /** The payload of a write. */
  placed(): void {
    const request = this.#arriving!;
    this.#arriving = undefined;
    this.#run(request);
  }

  /** The payload of a write that is refused. */
  skipped(): void {
    const request = this.#arriving!;
    this.#arriving = undefined;
    this.#refuse(request, this.#refusal!);
    this.next();
  }

  /** A request is over. */
  settled(request: NbdRequest, error: NvmeofError | undefined): void {
    if (request.phase === RequestPhase.Abandoned) {
      this.#free(request);
      return;
    }
    this.#running--;
    if (error === undefined) this.#succeed(request);
    else {
      const errno = errnoOf(error, request.type);
      this.#events.failed(request, errno, error);
      this.#fail(request, errno, error.message);
    }
    this.#free(request);
    this.#checkFinished();
    this.resume();
  }

  /** Answers what is under way, and refuses what comes: the server or the export is to go. */
  leave(): void {
    if (this.#mood === "open") this.#mood = "leaving";
    this.#checkFinished();
  }

  /** Answers all that is under way without waiting for the device any more. Gives how many those were. */
  abandon(): number {
    const running = this.#requests.filter(({ phase }) => phase === RequestPhase.Running);
    for (const request of running) {
      this.#fail(request, NbdErrno.ESHUTDOWN, "the server is shutting down");
      request.phase = RequestPhase.Abandoned;
    }
    this.#running = 0;
    return running.length;
  }

  /** There is nobody any more to be answered. */
  end(): void {
    this.#mood = "over";
    for (const request of this.#requests) {
      if (request.phase === RequestPhase.Running) request.phase = RequestPhase.Abandoned;
      else if (request.phase === RequestPhase.Arriving) this.#free(request);
    }
    this.#running = 0;
    this.#arriving = undefined;
    this.#starved = undefined;
  }

  #hold(limit: HeldLimit): void {
    const { cutter } = this.#parts;
    if (!cutter.isHeld) this.#events.held(limit);
    cutter.hold();
  }

  #newRequest(): NbdRequest {
    const request = new NbdRequest();
    this.#requests.push(request);
    return request;
  }

  /** What is under way is still answered; nothing more is read. */
  #goodbye(request: NbdRequest): void {
    this.#idle.push(request);
    this.#mood = "goodbye";
    this.#parts.cutter.stop();
    this.#checkFinished();
  }

  #checkFinished(): void {
    if (this.#running > 0) return;
    if (this.#mood === "goodbye" || this.#mood === "leaving") this.#events.finished(this.#mood);
  }

  #judge(request: NbdRequest): void {
    const { to, agreement, sizeBytes, cutter } = this.#parts;
    const errno =
      this.#mood === "leaving" ? NbdErrno.ESHUTDOWN : refusalOf(request, to, agreement, sizeBytes);
    if (errno !== undefined) {
      if (!request.isFollowed) {
        this.#refuse(request, errno);
        this.next();
        return;
      }
      request.phase = RequestPhase.Arriving;
      this.#arriving = request;
      this.#refusal = errno;
      cutter.skip(request.length);
    } else if (this.#isDone(request)) {
      this.#succeed(request);
      this.#free(request);
      this.next();
    } else {
      request.phase = RequestPhase.Arriving;
      request.layOut(to.blockBytes);
      this.#start(request);
    }
  }

  /** Whether there is nothing to be done for it but to answer. */
  #isDone(request: NbdRequest): boolean {
    const { to, agreement } = this.#parts;
    if (request.type === NbdCommand.BlockStatus) return true;
    if (request.type === NbdCommand.Flush) return false;
    if (request.length === 0) return true;
    const mayBeHole =
      request.type === NbdCommand.Read && agreement.structured && !request.has(CommandFlag.Df);
    return mayBeHole && isHole(to, request);
  }

  #start(request: NbdRequest): void {
    const { cutter, pool, account } = this.#parts;
    if (!request.movesData) {
      this.#run(request);
      return;
    }
    const loan = pool.take(request.dataBytes, account);
    if (loan === undefined) {
      this.#starved = request;
      this.#hold("connectionBufferBytesMax");
      this.#events.starved();
      return;
    }
    request.loan = loan;
    request.data = loan.first(request.dataBytes);
    if (request.type === NbdCommand.Read) {
      this.#run(request);
      return;
    }
    this.#arriving = request;
    cutter.place(request.region, request.headBytes, request.length);
  }

  #run(request: NbdRequest): void {
    request.phase = RequestPhase.Running;
    this.#running++;
    // Said first: what is done at once goes on by itself.
    this.next();
    this.#events.command(request);
  }

  #succeed(request: NbdRequest): void {
    const { out, to, agreement, limits, pool } = this.#parts;
    const { structured } = agreement;
    if (request.type === NbdCommand.BlockStatus) {
      const { offset, length } = request;
      const most = request.has(CommandFlag.ReqOne) ? 1 : limits.extentsMax;
      sendExtents(out, request, ALLOCATION_ID, extentsOf(to, offset, length, most));
    } else if (request.type === NbdCommand.Read && request.loan !== undefined) {
      const { loan } = request;
      if (!sendRead(out, request, to, structured)) return;
      request.loan = undefined;
      pool.sending(loan);
      out.lend(loan);
    } else if (request.type === NbdCommand.Read && structured) {
      if (request.length === 0) sendNone(out, request);
      else sendHole(out, request, request.offset, request.length, true);
    } else replySimply(out, request, 0);
  }

  #refuse(request: NbdRequest, errno: NbdErrno): void {
    const { offset, length, type } = request;
    this.#fail(request, errno, `${commandName(type)} of ${length} bytes at ${offset} is refused`);
    this.#free(request);
  }

  #fail(request: NbdRequest, errno: NbdErrno, message: string): void {
    const { out, agreement } = this.#parts;
    if (agreement.structured) sendError(out, request, errno, message);
    else replySimply(out, request, errno);
  }

  #free(request: NbdRequest): void {
    if (request.loan !== undefined) this.#parts.pool.giveBack(request.loan);
    request.loan = undefined;
    request.data = undefined;
    request.phase = RequestPhase.Idle;
    this.#idle.push(request);
  }
}
