// What a path has carried, and how it did: counted for every command, without a clock for each.
// Read first: multipath-channel.ts, which counts; DESIGN.md §5 "Speed".

import { type Clock, TurnClock } from "@nvmeof/transport";
import { BlockOp } from "../block-device.ts";

/** Counters of a path at one moment. */
export interface PathStatistics {
  /** Commands that were sent. */
  readonly requests: number;
  /** Bytes that were read, and written, with success. */
  readonly readBytes: number;
  readonly writtenBytes: number;
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
  readBytes = 0;
  writtenBytes = 0;
  errors = 0;
  retries = 0;
  switches = 0;
  #longestStallMs = 0;
  /** Since when commands are in flight and none has ended. */
  #quietSinceMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turns = TurnClock.of(clock);
  }

  /** A command was sent; `inflight` were there before. */
  sent(inflight: number): void {
    this.requests++;
    if (inflight === 0) this.#quietSinceMs = this.#turns.nowMs();
  }

  /** A command has ended; `inflight` are left. */
  ended(inflight: number): void {
    const nowMs = this.#turns.nowMs();
    if (nowMs !== this.#quietSinceMs) {
      const stallMs = nowMs - this.#quietSinceMs;
      if (stallMs > this.#longestStallMs) this.#longestStallMs = stallMs;
      this.#quietSinceMs = nowMs;
    }
    if (inflight === 0) this.#quietSinceMs = Infinity;
  }

  /** Data has been moved. */
  moved(op: BlockOp, bytes: number): void {
    if (op === BlockOp.Read) this.readBytes += bytes;
    else if (op === BlockOp.Write) this.writtenBytes += bytes;
  }

  snapshot(): PathStatistics {
    const { requests, readBytes, writtenBytes, errors, retries, switches } = this;
    // A stall that is not over counts as well.
    const stallMs = Math.max(this.#longestStallMs, this.#clock.nowMs() - this.#quietSinceMs);
    return {
      requests,
      readBytes,
      writtenBytes,
      errors,
      retries,
      switches,
      longestStallMs: stallMs,
    };
  }
}
