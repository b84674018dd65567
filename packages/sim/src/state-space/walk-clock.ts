// Virtual time that can be looked into: when each timer that is armed is due.
// Read first: clock.ts in @nvmeof/transport for the contract.

import type { Clock, Timer } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";

export class WalkClock implements Clock {
  readonly #clock = new VirtualClock();
  readonly #dueMs = new Map<object, number>();

  nowMs(): number {
    return this.#clock.nowMs();
  }

  at(atMs: number, task: () => void): Timer {
    const key = {};
    this.#dueMs.set(key, Math.max(atMs, this.nowMs()));
    const timer = this.#clock.at(atMs, () => {
      this.#dueMs.delete(key);
      task();
    });
    return {
      cancel: () => {
        this.#dueMs.delete(key);
        timer.cancel();
      },
    };
  }

  defer(task: () => void): void {
    this.#clock.defer(task);
  }

  /** Timers that are armed and not cancelled. */
  get armed(): number {
    return this.#dueMs.size;
  }

  /** From now until each timer is due, ms, in the order in which they were armed. */
  get dueInMs(): number[] {
    const nowMs = this.nowMs();
    return [...this.#dueMs.values()].map((atMs) => atMs - nowMs);
  }

  /** Runs what is deferred, and what that defers, without time passing. */
  settle(): void {
    this.#clock.settle();
  }

  /** Goes to the next timer and runs what is due then; says whether there was one. */
  step(): boolean {
    return this.#clock.step();
  }

  /** Lets `ms` pass, running each task at its moment. */
  advance(ms: number): void {
    this.#clock.advance(ms);
  }
}
