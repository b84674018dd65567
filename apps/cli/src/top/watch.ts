// Looks at a process again and again: a snapshot for each interval, with the rates since the one before.
// Read first: @nvmeof/tools node/control-client.ts.

import { setTimeout as wait } from "node:timers/promises";
import { type ControlSnapshot, type ProcessRates, ratesBetween } from "@nvmeof/tools";
import type { ControlClient } from "@nvmeof/tools/node";

/** A snapshot, and what was done since the one before; nothing is known of the first. */
export interface Sample {
  readonly snapshot: ControlSnapshot;
  readonly rates: ProcessRates | undefined;
}

/**
 * Yields the first snapshot at once, then one for each interval, until the signal aborts. Rejects as
 * `ControlClient.snapshot` does.
 *
 * @param firstMs the first interval, where it is another one.
 */
export async function* watched(
  client: ControlClient,
  intervalMs: number,
  signal: AbortSignal,
  firstMs: number = intervalMs,
): AsyncGenerator<Sample> {
  let before = await client.snapshot();
  yield { snapshot: before, rates: undefined };
  for (let ms = firstMs; !signal.aborted; ms = intervalMs) {
    await wait(ms, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const snapshot = await client.snapshot();
    const rates = ratesBetween(before, snapshot);
    // The same one again: somebody else has asked a moment ago.
    if (rates === undefined && snapshot.nowMs === before.nowMs) continue;
    before = snapshot;
    yield { snapshot, rates };
  }
}
