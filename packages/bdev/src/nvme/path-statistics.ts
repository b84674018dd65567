// What a path has carried, and how it did: counted for every command, without a clock for each.
// Read first: multipath-channel.ts, which counts; DESIGN.md §5 "Speed".

import { type Clock, TurnClock } from "@nvmeof/transport";
import { BlockOp } from "../block-device.ts";

/** Counters of a path at one moment. */
export interface PathStatistics {
  /** Commands that were sent. */
  readonly requests: number;
  /** Reads and writes that were done. */
  readonly reads: number;
  readonly writes: number;
  /** Bytes that were read, and written, with success. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  /**
   * Sums of the times that these reads and writes took, ms; divided by their number, the average. To a
   * turn of the event loop: what is sent and answered in one took no time.
   */
  readonly readMs: number;
  readonly writeMs: number;
  /** Time in which there were commands in flight, ms. */
  readonly busyMs: number;
  /** Commands that ended with an error. */
  readonly errors: number;
  /** Of those, how many were to be tried again here. */
  readonly retries: number;
  /** Of those, how many were given to another path, or had to wait for one. */
  readonly switches: number;
  /** Longest time in which commands were in flight and none of them ended, ms. */
  readonly longestStallMs: number;
}

/** Counts. Fields are public, since each is one addition on the hot path. */
export class PathCounters {
  readonly #clock: Clock;
  /** Nothing stalls within a turn. */
  readonly #turns: TurnClock;
  requests = 0;
  reads = 0;
  writes = 0;
  readBytes = 0;
  writtenBytes = 0;
  readMs = 0;
  writeMs = 0;
  errors = 0;
  retries = 0;
  switches = 0;
  #longestStallMs = 0;
  #busyMs = 0;
  /** Since when there are commands in flight; Infinity while there are none. */
  #busySinceMs = Infinity;
  /** Since when commands are in flight and none has ended. */
  #quietSinceMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turns = TurnClock.of(clock);
  }

  /** A command is being sent; `inflight` were there before. Returns the time. */
  sent(inflight: number): number {
    const nowMs = this.#turns.nowMs();
    this.requests++;
    if (inflight === 0) {
      this.#quietSinceMs = nowMs;
      this.#busySinceMs = nowMs;
    }
    return nowMs;
  }

  /** It could not be sent after all; `inflight` are left. */
  unsent(inflight: number): void {
    this.requests--;
    if (inflight === 0) this.#idle(this.#turns.nowMs());
  }

  /** A command has ended; `inflight` are left. */
  ended(inflight: number): void {
    const nowMs = this.#turns.nowMs();
    if (nowMs !== this.#quietSinceMs) {
      const stallMs = nowMs - this.#quietSinceMs;
      if (stallMs > this.#longestStallMs) this.#longestStallMs = stallMs;
      this.#quietSinceMs = nowMs;
    }
    if (inflight === 0) this.#idle(nowMs);
  }

  /** A command that was sent at `sentMs` is done. */
  moved(op: BlockOp, bytes: number, sentMs: number): void {
    if (op === BlockOp.Read) {
      this.reads++;
      this.readBytes += bytes;
      this.readMs += this.#turns.nowMs() - sentMs;
    } else if (op === BlockOp.Write) {
      this.writes++;
      this.writtenBytes += bytes;
      this.writeMs += this.#turns.nowMs() - sentMs;
    }
  }

  snapshot(): PathStatistics {
    const { requests, errors, retries, switches } = this;
    const { reads, writes, readBytes, writtenBytes, readMs, writeMs } = this;
    const nowMs = this.#clock.nowMs();
    return {
      requests,
      reads,
      writes,
      readBytes,
      writtenBytes,
      readMs,
      writeMs,
      // What is not over counts as well.
      busyMs: this.#busyMs + Math.max(0, nowMs - this.#busySinceMs),
      errors,
      retries,
      switches,
      longestStallMs: Math.max(this.#longestStallMs, nowMs - this.#quietSinceMs),
    };
  }

  #idle(nowMs: number): void {
    this.#busyMs += nowMs - this.#busySinceMs;
    this.#busySinceMs = Infinity;
    this.#quietSinceMs = Infinity;
  }
}
