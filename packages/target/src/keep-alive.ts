// The controller's side of the Keep Alive timer: a host that is silent for too long is gone.
// Read first: Base 2.0 §3.9 "Keep Alive", §5.27.1.12 "Keep Alive Timer (Feature Identifier 0Fh)".

import type { Clock, Timer } from "@nvmeof/transport";
import { type Gate, GateMode } from "./gate.ts";

/** A check that comes this much late says that we were stopped, ms: then read first and judge later. */
const LATE_MS = 100;
/** Time given for that. */
const GRACE_MS = 500;

/** What the watch needs of its controller. */
export interface KeepAliveOptions {
  readonly clock: Clock;
  readonly gate: Gate;
  /** Timeouts are rounded up to a multiple of this, ms. */
  readonly granularityMs: number;
  /**
   * Commands seen so far, all queues: with traffic based keep alive a host that sends commands is
   * alive. Constant where that is not wanted.
   */
  readonly commandsSeen: () => number;
  readonly expired: () => void;
}

/**
 * The watch over a host. One timer that is set again when it goes off, so that a Keep Alive costs no
 * timer; with traffic the host may be silent for up to twice the timeout.
 */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  #timeoutMs = 0;
  #heardMs = 0;
  #commandsSeen = 0;
  #timer: Timer | undefined;
  #timerAtMs = 0;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
  }

  /** The timeout in force, ms; 0 for none. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Watches with a new timeout, rounded up; 0 for not at all. */
  start(timeoutMs: number): void {
    const { granularityMs } = this.#options;
    this.#timeoutMs = Math.ceil(timeoutMs / granularityMs) * granularityMs;
    this.heard();
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#timeoutMs > 0) this.#arm(this.#heardMs + this.#timeoutMs);
  }

  /** A Keep Alive arrived. */
  heard(): void {
    this.#heardMs = this.#options.clock.nowMs();
    this.#commandsSeen = this.#options.commandsSeen();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timeoutMs = 0;
  }

  #arm(atMs: number): void {
    this.#timerAtMs = atMs;
    this.#timer = this.#options.clock.at(atMs, this.#check);
  }

  readonly #check = (): void => {
    const { clock, gate, commandsSeen, expired } = this.#options;
    this.#timer = undefined;
    const nowMs = clock.nowMs();
    if (gate.mode === GateMode.Frozen) {
      gate.whenThawed(() => {
        if (this.#timer === undefined && this.#timeoutMs > 0) this.start(this.#timeoutMs);
      });
    } else if (nowMs < this.#heardMs + this.#timeoutMs) {
      this.#arm(this.#heardMs + this.#timeoutMs);
    } else if (commandsSeen() !== this.#commandsSeen) {
      this.heard();
      this.#arm(nowMs + this.#timeoutMs);
    } else if (nowMs > this.#timerAtMs + LATE_MS) {
      // Our process stood still: what the host sent meanwhile is still to be read.
      this.#arm(nowMs + GRACE_MS);
    } else {
      this.#timeoutMs = 0;
      expired();
    }
  };
}
