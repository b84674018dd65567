// The clock of a host among others: counts the timers of the host alone, and can stand still.
// Read first: @nvmeof/transport clock.ts for the contract.

import type { Clock, Timer } from "@nvmeof/transport";

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A host's view of a clock that the network and the targets live by as well. */
export class HostClock implements Clock {
  readonly #clock: Clock;
  readonly #armed = new Set<Task>();
  #order = 0;
  /** Timers that went off while the host stood still, and what was deferred. */
  #missed: Task[] = [];
  #deferred: (() => void)[] = [];
  #phase: "running" | "stalled" = "running";
  #timerTask: "none" | "running" = "none";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers of this host that are armed and not cancelled. */
  get armed(): number {
    return this.#armed.size;
  }

  /** Whether a timer of this host is being served just now. */
  get isInTimer(): boolean {
    return this.#timerTask === "running";
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  at(atMs: number, run: () => void): Timer {
    const task: Task = { atMs, order: this.#order++, run };
    this.#armed.add(task);
    const timer = this.#clock.at(atMs, () => this.#due(task));
    return {
      cancel: () => {
        this.#armed.delete(task);
        timer.cancel();
      },
    };
  }

  defer(run: () => void): void {
    if (this.#phase === "running") this.#clock.defer(run);
    else this.#deferred.push(run);
  }

  /** The event loop of the host stands still: neither its timers nor anything else runs. */
  stall(): void {
    this.#phase = "stalled";
  }

  /** It goes on: first the timers that are overdue, as event loops have it. */
  resume(): void {
    this.#phase = "running";
    for (const run of this.#deferred.splice(0)) this.#clock.defer(run);
    const missed = this.#missed.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    this.#missed = [];
    for (const task of missed) this.#due(task);
  }

  #due(task: Task): void {
    if (this.#phase === "stalled") this.#missed.push(task);
    // Cancelled in between, it does not run.
    else if (this.#armed.delete(task)) this.#run(task);
  }
  #run(task: Task): void {
    this.#timerTask = "running";
    try {
      task.run();
    } finally {
      this.#timerTask = "none";
    }
  }
}
