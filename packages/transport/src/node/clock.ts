// The real clock of Node: monotonic time, timers and microtasks.
// Read first: ../clock.ts for the contract.

import type { Clock, Timer } from "../clock.ts";

class NodeTimer implements Timer {
  run: (() => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  constructor(delayMs: number, run: () => void) {
    this.run = run;
    this.#timer = setTimeout(() => {
      const task = this.run;
      this.run = undefined;
      task?.();
    }, delayMs);
  }
  cancel(): void {
    this.run = undefined;
    clearTimeout(this.#timer);
  }
}

/** The system's monotonic clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  // setTimeout may fire a fraction early against performance.now(); rounding up avoids a re-arm.
  at: (atMs, task) => {
    const delay = Math.max(0, Math.ceil(atMs - performance.now()));
    return new NodeTimer(Math.min(delay, 0x7fff_ffff), task);
  },
  defer: (task) => queueMicrotask(task),
};
