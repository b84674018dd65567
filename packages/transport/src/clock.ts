// Time as a port: everything above asks this interface and never the platform.
// Read first: DESIGN.md §2 and §3; the real clock is in node/clock.ts, virtual time in testing/.

/** A task that was scheduled and may be cancelled. */
export interface Timer {
  /** The task will not run. Harmless when it has run already. */
  cancel(): void;
}

/** Monotonic time and the two ways to run something later. Never wall time. */
export interface Clock {
  /** Milliseconds since an arbitrary moment; never decreases, may have fractions. */
  nowMs(): number;
  /** Runs `task` once, at `atMs` or as soon after as the platform can; never inside this call. */
  at(atMs: number, task: () => void): Timer;
  /** Runs `task` when the current callback has returned, in order of the calls. */
  defer(task: () => void): void;
}
