// Other people's code, run so that what it throws harms neither us nor those who are told after it.
// Read first: DESIGN.md §4; Clock in @nvmeof/transport.

import type { Clock } from "@nvmeof/transport";

/**
 * Throws `error` from a task of its own: it becomes an uncaught error of the program, and whoever
 * still has work to do in this callback does it. By a timer and not by `defer`, so that what was
 * deferred meanwhile is not lost with it on any clock.
 */
export function rethrowLater(clock: Clock, error: unknown): void {
  clock.at(clock.nowMs(), () => {
    throw error;
  });
}

/** Runs somebody else's code; what it throws is thrown again later, by {@link rethrowLater}. */
export function guarded(clock: Clock, task: () => void): void {
  try {
    task();
  } catch (error) {
    rethrowLater(clock, error);
  }
}
