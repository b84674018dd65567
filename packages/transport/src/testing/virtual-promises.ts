// Virtual time with promises in it: those of public interfaces take turns of their own between two timers.
// Read first: virtual-clock.ts.

import type { VirtualClock } from "./virtual-clock.ts";

/** Steps in which anything that a test waits for has come about. */
const STEPS_MAX = 200_000;

/** Turns of promises between two timers: chains of them are no longer than that. */
const TURNS = 5;

/**
 * Lets time pass, and promises go on, until `done`.
 *
 * @throws Error where it has not come to that after `stepsMax` timers.
 */
export async function eventually(
  clock: VirtualClock,
  done: () => boolean,
  stepsMax = STEPS_MAX,
): Promise<void> {
  for (let steps = 0; !done(); steps++) {
    if (steps > stepsMax) throw new Error("nothing comes of it");
    for (let turn = 0; turn < TURNS; turn++) {
      clock.settle();
      await Promise.resolve();
    }
    if (!done()) clock.step();
  }
}

/** Lets time pass until `promise` is settled, and settles as it does. */
export async function resultOf<T>(
  clock: VirtualClock,
  promise: Promise<T>,
  stepsMax?: number,
): Promise<T> {
  let phase: "waiting" | "over" = "waiting";
  const over = (): void => void (phase = "over");
  promise.then(over, over);
  await eventually(clock, () => phase === "over", stepsMax);
  return promise;
}
