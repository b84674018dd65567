// The real clock of Node: monotonic time, timers and microtasks.
// Read first: ../clock.ts for the contract.

import type { Clock, Timer } from "../clock.ts";

/** Longest delay that `setTimeout` takes. */
const DELAY_MAX_MS = 0x7fff_ffff;

class NodeTimer implements Timer {
  readonly #atMs: number;
  readonly #task: () => void;
  #timer: NodeJS.Timeout;

  constructor(atMs: number, task: () => void) {
    this.#atMs = atMs;
    this.#task = task;
    this.#timer = this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    const delayMs = Math.max(0, Math.ceil(this.#atMs - performance.now()));
    return setTimeout(this.#fire, Math.min(delayMs, DELAY_MAX_MS));
  }

  // Node counts whole milliseconds from the start of a turn: a timer may come a fraction early.
  readonly #fire = (): void => {
    if (performance.now() < this.#atMs) this.#timer = this.#arm();
    else this.#task();
  };
}

/** The system's monotonic clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  at: (atMs, task) => new NodeTimer(atMs, task),
  defer: (task) => queueMicrotask(task),
};
