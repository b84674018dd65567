// What a controller went through: how often it was lost, reset, and connected again.
// Read first: @nvmeof/core lifecycle.ts for states and events.

import type { ControllerEvent } from "@nvmeof/core";

/** Counters of a controller at one moment. */
export interface ControllerStatistics {
  /** Times that a live controller was reset because somebody asked for it. */
  readonly resets: number;
  /** Times that a live controller was lost. */
  readonly losses: number;
  /** Attempts to connect again after a loss, or after it was disabled, those that failed included. */
  readonly reconnects: number;
}

/** Counts changes of state. */
export class ControllerCounters {
  #resets = 0;
  #losses = 0;
  #reconnects = 0;

  changed({ from, to, cause }: Extract<ControllerEvent, { readonly type: "state" }>): void {
    const isReset = cause === "reset" || cause === "resetInDoubt";
    if (from === "live" && isReset) this.#resets++;
    // Whoever disables or closes it has lost nothing.
    else if (from === "live" && to !== "disabled" && to !== "closing") this.#losses++;
    // A reset connects anew by itself; what follows when that fails is an attempt as any other.
    if (to === "recovering" && !(from === "live" && isReset)) this.#reconnects++;
  }

  snapshot(): ControllerStatistics {
    return { resets: this.#resets, losses: this.#losses, reconnects: this.#reconnects };
  }
}
