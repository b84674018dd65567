// Whether the target takes commands and answers them: the one place that can make it a silent peer.
// Read first: queue.ts, which asks for every command and every answer.

import type { Clock, Timer } from "@nvmeof/transport";

/** What passes: everything, nothing, or only the answers to what was taken before. */
export const GateMode = { Open: 0, Frozen: 1, Draining: 2 } as const;
export type GateMode = (typeof GateMode)[keyof typeof GateMode];

/** The gate of a target. */
export class Gate {
  mode: GateMode = GateMode.Open;
  #waiting: (() => void)[] = [];

  /** Runs `task` when the gate opens after a freeze. */
  whenThawed(task: () => void): void {
    this.#waiting.push(task);
  }

  freeze(): void {
    if (this.mode === GateMode.Open) this.mode = GateMode.Frozen;
  }

  /** What was held goes on, oldest first. */
  thaw(): void {
    if (this.mode !== GateMode.Frozen) return;
    this.mode = GateMode.Open;
    this.#release();
  }

  /** No more commands; for good. */
  drain(): void {
    this.mode = GateMode.Draining;
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const task of waiting) task();
  }
}

/** A time by which something must have happened. Stands still while the target is frozen. */
export class Deadline {
  readonly #clock: Clock;
  readonly #gate: Gate;
  readonly #task: () => void;
  #periodMs = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, gate: Gate, task: () => void) {
    this.#clock = clock;
    this.#gate = gate;
    this.#task = task;
  }

  /** Whether the task is to run. */
  get isSet(): boolean {
    return this.#periodMs > 0;
  }

  /** Runs the task `periodMs` from now, in place of whatever was set before. */
  set(periodMs: number): void {
    this.clear();
    this.#periodMs = periodMs;
    this.#timer = this.#clock.at(this.#clock.nowMs() + periodMs, this.#fire);
  }

  /** The task will not run. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#periodMs = 0;
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    if (this.#gate.mode !== GateMode.Frozen) {
      this.#periodMs = 0;
      this.#task();
      return;
    }
    // Whoever is silent cannot hold a silence against its peer: the whole period begins anew.
    this.#gate.whenThawed(() => {
      if (this.#timer === undefined && this.#periodMs > 0) this.set(this.#periodMs);
    });
  };
}
