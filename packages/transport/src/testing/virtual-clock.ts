// Virtual time: tests and the simulator decide when it passes, and nothing ever sleeps.
// Read first: clock.ts for the contract.

import type { Clock, Timer } from "../clock.ts";

interface Task {
  readonly atMs: number;
  /** Order of arming, which decides between tasks of the same moment. */
  readonly order: number;
  run: (() => void) | undefined;
}

/** A binary heap by time, then by order: thousands of timers cost what a few do. */
class TaskHeap {
  readonly #tasks: Task[] = [];

  get first(): Task | undefined {
    return this.#tasks[0];
  }

  push(task: Task): void {
    const tasks = this.#tasks;
    let at = tasks.length;
    tasks.push(task);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(task, tasks[up]!)) break;
      tasks[at] = tasks[up]!;
      at = up;
    }
    tasks[at] = task;
  }

  pop(): void {
    const tasks = this.#tasks;
    const last = tasks.pop()!;
    if (tasks.length === 0) return;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      if (down >= tasks.length) break;
      if (down + 1 < tasks.length && before(tasks[down + 1]!, tasks[down]!)) down++;
      if (!before(tasks[down]!, last)) break;
      tasks[at] = tasks[down]!;
      at = down;
    }
    tasks[at] = last;
  }
}

const before = (a: Task, b: Task): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** More deferred tasks than this without time passing is a livelock, and a bug of ours. */
const DEFERRED_MAX = 1_000_000;

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #heap = new TaskHeap();
  #deferred: (() => void)[] = [];
  #armed = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  /** Timers that are armed and not cancelled. Zero is what a closed system must come to. */
  get armed(): number {
    return this.#armed;
  }

  at(atMs: number, run: () => void): Timer {
    const task: Task = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run };
    this.#heap.push(task);
    this.#armed++;
    return {
      cancel: () => {
        if (task.run === undefined) return;
        task.run = undefined;
        this.#armed--;
      },
    };
  }

  defer(task: () => void): void {
    this.#deferred.push(task);
  }

  /** Runs what is deferred, and what that defers, without time passing. */
  settle(): void {
    for (let ran = 0; this.#deferred.length > 0;) {
      const batch = this.#deferred;
      this.#deferred = [];
      this.#runAll(batch);
      ran += batch.length;
      if (ran > DEFERRED_MAX) throw new Error(`still busy after ${ran} tasks at ${this.#nowMs} ms`);
    }
  }

  /** What throws ends the test, if nobody catches it; what stands behind it runs all the same. */
  #runAll(batch: readonly (() => void)[]): void {
    let ran = 0;
    try {
      for (; ran < batch.length; ran++) batch[ran]!();
    } finally {
      if (ran < batch.length) this.#deferred = [...batch.slice(ran + 1), ...this.#deferred];
    }
  }

  /** Lets `ms` pass, running each task at its moment. */
  advance(ms: number): void {
    this.#until(this.#nowMs + ms);
  }

  /** Goes to the next timer and runs what is due then; says whether there was one. */
  step(): boolean {
    this.settle();
    const next = this.#next();
    if (next !== undefined) this.#until(next.atMs);
    return next !== undefined;
  }

  /** Lets time pass until no timer is armed, at most `limitMs`. */
  drain(limitMs = 3_600_000): void {
    const end = this.#nowMs + limitMs;
    this.settle();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next.atMs > end)
        throw new Error(`a timer is armed for ${next.atMs} ms, beyond the limit`);
      this.#until(next.atMs);
    }
  }

  /** Lets time pass until `done`, at most `limitMs`; says whether it came to that. */
  runUntil(done: () => boolean, limitMs = 600_000): boolean {
    const end = this.#nowMs + limitMs;
    this.settle();
    while (!done()) {
      const next = this.#next();
      if (next === undefined || next.atMs > end) return false;
      this.#until(next.atMs);
    }
    return true;
  }

  #next(): Task | undefined {
    while (this.#heap.first !== undefined && this.#heap.first.run === undefined) this.#heap.pop();
    return this.#heap.first;
  }

  #until(endMs: number): void {
    this.settle();
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) {
      this.#heap.pop();
      this.#nowMs = next.atMs;
      this.#armed--;
      const { run } = next;
      next.run = undefined;
      run?.();
      this.settle();
    }
    this.#nowMs = endMs;
  }
}
