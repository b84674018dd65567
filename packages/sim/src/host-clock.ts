// The clock of one host: counts its timers, and can stand still while network and targets go on.
// Read first: @nvmeof/transport clock.ts for the contract; ARCHITECTURE.md "Threading", stalls.

import type { Clock, Timer } from "@nvmeof/transport";

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A host's view of a clock that the network and the targets live by as well. */
export class HostClock implements Clock {
  readonly #clock: Clock;
  #armed = 0;
  #order = 0;
  /** Timers that went off while the host stood still, and what was deferred. */
  #missed: Task[] = [];
  #deferred: (() => void)[] = [];
  #phase: "running" | "stalled" = "running";
  #stalledSinceMs = 0;
  #stalledMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers of this host that are armed and not cancelled. */
  get armed(): number {
    return this.#armed;
  }

  /** Whether the host's event loop stands still. */
  get isStalled(): boolean {
    return this.#phase === "stalled";
  }

  /** Time for which the host has stood still so far, ms. */
  get stalledMs(): number {
    const nowMs = this.#clock.nowMs();
    return this.#stalledMs + (this.isStalled ? nowMs - this.#stalledSinceMs : 0);
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  at(atMs: number, run: () => void): Timer {
    const state: { phase: "armed" | "over" } = { phase: "armed" };
    const over = (): void => {
      if (state.phase === "armed") this.#armed--;
      state.phase = "over";
    };
    const task: Task = {
      atMs,
      order: this.#order++,
      run: () => {
        // Cancelled in between, it does not run.
        if (state.phase === "over") return;
        over();
        run();
      },
    };
    this.#armed++;
    const timer = this.#clock.at(atMs, () => {
      if (this.#phase === "stalled") this.#missed.push(task);
      else task.run();
    });
    return {
      cancel: () => {
        over();
        timer.cancel();
      },
    };
  }

  defer(run: () => void): void {
    if (this.#phase === "running") {
      this.#clock.defer(() => {
        if (this.#phase === "stalled") this.#deferred.push(run);
        else run();
      });
    } else {
      this.#deferred.push(run);
    }
  }

  /** The event loop of the host stands still: neither its timers nor anything else runs. */
  stall(): void {
    if (this.#phase === "stalled") return;
    this.#phase = "stalled";
    this.#stalledSinceMs = this.#clock.nowMs();
  }

  /** It goes on: what was deferred, then the timers that are overdue, as event loops have it. */
  resume(): void {
    if (this.#phase === "running") return;
    this.#stalledMs = this.stalledMs;
    this.#phase = "running";
    for (const run of this.#deferred.splice(0)) this.#clock.defer(run);
    const missed = this.#missed.splice(0).sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    for (const { run } of missed) this.#clock.defer(run);
  }
}
