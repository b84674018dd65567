// Deadlines that are not fooled by our own process standing still: first read, then judge.
// Read first: DESIGN.md §4, "After our own event loop stalls, read first, then judge".

import type { Clock, Timer } from "@nvmeof/transport";

/** A timer that runs this late, ms, says that we were stalled, not that the peer is silent. */
export const STALL_MS = 100;
/** After a stall the sockets are read for this long, ms, before anybody is judged. */
export const GRACE_MS = 50;

/**
 * Runs `task` once `atMs` has passed, after everything else of that moment: an answer that arrives
 * in the same turn counts as in time. When the timer itself comes late, what came meanwhile may be
 * unread, and the task waits for {@link GRACE_MS} more.
 */
export function deadline(clock: Clock, atMs: number, task: () => void): Timer {
  let timer = clock.at(atMs, () => {
    const nowMs = clock.nowMs();
    timer = clock.at(nowMs - atMs > STALL_MS ? nowMs + GRACE_MS : nowMs, task);
  });
  return { cancel: () => timer.cancel() };
}
