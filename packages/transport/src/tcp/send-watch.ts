// A peer that takes nothing of what we send is noticed: otherwise it holds our buffers for good.
// Read first: ../byte-stream.ts for the contract; connection.ts, which writes one write at a time.

import type { ByteStream } from "../byte-stream.ts";
import type { Clock, Timer } from "../clock.ts";

/** Looks in each period: one that finds nothing under way is the last until the next write. */
const LOOKS = 4;

/** A look that comes this late says that our process stood still, not that the peer did, ms. */
const STALL_MS = 1_000;

/**
 * A stream whose writes are watched. `stuck` is called once, when a write has been under way for
 * `timeoutMs`, or up to a quarter longer: no clock is read, and no timer armed, for every write.
 */
export class SendWatch implements ByteStream {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #stuck: () => void;
  #busy = false;
  #drains = 0;
  /** As of the last look: how often the stream had drained, and since when it has not. */
  #seenDrains = 0;
  #sinceMs = 0;
  #timer: Timer | undefined;
  #dueMs = 0;
  #phase: "watching" | "over" = "watching";

  constructor(stream: ByteStream, clock: Clock, timeoutMs: number, stuck: () => void) {
    this.#stream = stream;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#stuck = stuck;
  }

  get remote(): string {
    return this.#stream.remote;
  }

  write(pieces: readonly Uint8Array[]): void {
    this.#wrote();
    this.#stream.write(pieces);
  }

  writeNow(pieces: readonly Uint8Array[]): boolean {
    const isOut = this.#stream.writeNow?.(pieces);
    if (isOut === undefined) this.write(pieces);
    else if (!isOut) this.#wrote();
    return isOut === true;
  }

  /** To be called with the stream's event of that name. */
  drained(): void {
    this.#busy = false;
    this.#drains++;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(lingerMs?: number): void {
    this.stop();
    this.#stream.close(lingerMs);
  }

  reset(): void {
    this.stop();
    this.#stream.reset();
  }

  /** The stream is over, or of no interest any more. */
  stop(): void {
    this.#phase = "over";
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wrote(): void {
    this.#busy = true;
    if (this.#timer === undefined && this.#phase === "watching") this.#begin();
  }

  #begin(): void {
    this.#sinceMs = this.#clock.nowMs();
    this.#seenDrains = this.#drains;
    this.#arm(this.#sinceMs);
  }

  #arm(nowMs: number): void {
    this.#dueMs = nowMs + this.#timeoutMs / LOOKS;
    this.#timer = this.#clock.at(this.#dueMs, this.#look);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    if (!this.#busy) return;
    const nowMs = this.#clock.nowMs();
    if (this.#seenDrains !== this.#drains || nowMs > this.#dueMs + STALL_MS) {
      this.#seenDrains = this.#drains;
      this.#sinceMs = nowMs;
    }
    if (nowMs < this.#sinceMs + this.#timeoutMs) this.#arm(nowMs);
    else this.#stuck();
  };
}
