// Joins a session to a stream and a clock: feeds bytes and time in, and writes once a turn.
// Read first: session.ts for the machine; node-ceilings.md §6.1 for why writes are gathered.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler } from "../byte-stream.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Region } from "../copy.ts";
import { TransportError } from "../errors.ts";
import type { CloseHow } from "../queue-link.ts";
import type { Session } from "./session.ts";

/** Time that a peer has to close after we sent it a TermReq, ms. Nobody waits for it. */
const TERM_LINGER_MS = 1_000;

const QUEUED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * This much is sent at once and not with the rest of its turn: it is still in the cache then, and the
 * peer begins while we go on. Many commands, so that writes stay few.
 */
const EARLY_BYTES = 128 * 1024;

/** A timer that runs this late says that our process stood still, not that the peer is silent. */
const STALL_MS = 1_000;

/** Time to read what came meanwhile, before a deadline is judged. */
const READ_FIRST_MS = 100;

/** A session at work on a stream. */
export class Connection implements ByteStreamHandler {
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #onOpened: () => void;
  readonly #queuedBytesMax: number;
  #stream: ByteStream | undefined;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  /** A flush is deferred, or a receive callback is running that will flush at its end. */
  #flushComing = false;
  #connected = false;
  /** Since when we do not read, because the peer does not. */
  #pausedAtMs = Infinity;
  #over = false;

  /** Called each time that what was written is out. */
  onDrained: (() => void) | undefined;
  /** Called each time that we stop reading from a peer that does not take what we send. */
  onPaused: (() => void) | undefined;

  /**
   * @param onOpened called when the stream is connected, before anything is read.
   * @param queuedBytesMax beyond this many bytes queued to a peer, we stop reading from it until it has
   * taken them.
   */
  constructor(
    session: Session,
    clock: Clock,
    onOpened: () => void,
    queuedBytesMax: number = QUEUED_BYTES_MAX,
  ) {
    this.#queuedBytesMax = queuedBytesMax;
    this.#session = session;
    this.#clock = clock;
    this.#onOpened = onOpened;
  }

  attach(stream: ByteStream): void {
    this.#stream = stream;
    this.#watch();
  }

  /** Something was staged: it leaves with all else of this turn. */
  flushSoon(): void {
    if (this.#session.out.stagedBytes >= EARLY_BYTES) this.#send();
    if (this.#flushComing || this.#over) return;
    this.#flushComing = true;
    this.#clock.defer(this.#deferredFlush);
  }

  /** No event follows this call. */
  close(how: CloseHow, lingerMs?: number): void {
    if (this.#over) return;
    if (how === "orderly" && this.#connected) {
      // Behind the write under way, if there is one: nobody will be there to see it end.
      const { out } = this.#session;
      if (!out.isEmpty) this.#stream!.write(out.take());
      this.#end();
      this.#stream?.close(lingerMs);
    } else {
      this.#end();
      this.#stream?.reset();
    }
    this.#session.end();
  }

  opened(): void {
    if (this.#over) return;
    this.#connected = true;
    this.#onOpened();
    this.#flush();
    this.#watch();
  }

  received(buffer: Region, start: number, end: number): void {
    if (this.#over) return;
    const outer = this.#flushComing;
    this.#flushComing = true;
    try {
      this.#session.receive(buffer, start, end, this.#clock.nowMs());
    } finally {
      this.#flushComing = outer;
    }
    if (this.#over) return;
    this.#flush();
    this.#watch();
  }

  drained(): void {
    if (this.#over) return;
    this.#out();
    this.#flush();
    if (this.#pausedAtMs === Infinity) return;
    if (this.#session.out.queuedBytes > this.#queuedBytesMax) return;
    this.#session.postpone(this.#clock.nowMs() - this.#pausedAtMs);
    this.#pausedAtMs = Infinity;
    this.#stream?.resume();
    this.#watch();
  }

  ended(error: NvmeofError | undefined): void {
    const wasOver = this.#over;
    this.#end();
    if (wasOver) return;
    this.#session.streamEnded(error);
  }

  /**
   * The session failed by itself. What it had to say, a TermReq, is sent without waiting for it;
   * the stream then ends, by the peer or by the linger time.
   */
  sessionFailed(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    const stream = this.#stream;
    if (stream === undefined) return;
    const { out } = this.#session;
    if (out.isEmpty || !this.#connected) {
      stream.reset();
      return;
    }
    // The peer closes when it has read this; a close of ours could overtake it.
    stream.write(out.take());
    this.#timer = this.#clock.at(this.#clock.nowMs() + TERM_LINGER_MS, () => stream.reset());
  }

  readonly #deferredFlush = (): void => {
    this.#flushComing = false;
    this.#flush();
    // What was staged from outside a callback of the stream may have set a deadline.
    if (!this.#over) this.#watch();
  };

  /** One write at a time: what is staged while one is under way leaves with the next. */
  #flush(): void {
    const { out } = this.#session;
    if (this.#over || !this.#connected) return;
    do this.#session.pump();
    while (this.#send() && this.#session.pumps);
    if (this.#pausedAtMs === Infinity && out.queuedBytes > this.#queuedBytesMax) {
      this.#pausedAtMs = this.#clock.nowMs();
      this.#stream!.pause();
      this.onPaused?.();
    }
  }

  /** Sends what is staged, if nothing is under way. True where it is out, and there is room for more. */
  #send(): boolean {
    const { out } = this.#session;
    if (out.isEmpty || out.busy || this.#over || !this.#connected) return false;
    const stream = this.#stream!;
    const pieces = out.take();
    if (stream.writeNow === undefined) stream.write(pieces);
    else if (stream.writeNow(pieces)) {
      this.#out();
      return true;
    }
    return false;
  }

  #out(): void {
    this.#session.out.drained();
    this.onDrained?.();
  }

  /** One timer for the connection, armed for the earliest deadline. Armed early is harmless. */
  #watch(): void {
    // A later deadline needs no new timer: the old one finds nothing due and arms again.
    const deadline = this.#session.deadlineMs();
    if (deadline < this.#timerAtMs) this.#arm(deadline);
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.at(atMs, this.#tick);
  }

  readonly #tick = (): void => {
    const dueMs = this.#timerAtMs;
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    if (this.#over) return;
    const nowMs = this.#clock.nowMs();
    if (nowMs > dueMs + STALL_MS) {
      this.#arm(nowMs + READ_FIRST_MS);
      return;
    }
    // While we do not read, the peer owes us nothing; what it owed is postponed when we do again.
    if (this.#pausedAtMs !== Infinity) return;
    if (!this.#connected && nowMs >= this.#session.deadlineMs()) {
      this.#session.fail(new TransportError("connect-timeout", "no connection in time"));
      return;
    }
    this.#session.tick(nowMs);
    if (!this.#over) this.#watch();
  };

  #end(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
