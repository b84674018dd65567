// A worker thread that looks for the first seed with a violation. Bundled with the simulator: hunt.ts
// starts it, with a bug in it or without.

import { parentPort, workerData } from "node:worker_threads";
import { planOf, run } from "@nvmeof/sim";
import { type Found, type HunterData, LOWEST } from "./hunt.ts";

const { seeds, shared, place } = workerData as HunterData;

/** The violation of a seed, if it has one. A run that throws is a bug as well, and has been noticed. */
async function look(seed: number): Promise<Found | undefined> {
  try {
    const { violation } = await run(planOf(seed));
    if (violation === undefined) return undefined;
    return { seed, invariant: violation.invariant, message: violation.message };
  } catch (error) {
    return { seed, invariant: "thrown", message: String(error) };
  }
}

// Seeds above one that has been found need not be looked at: the others may find a lower one.
for (const seed of seeds) {
  if (seed > Atomics.load(shared, LOWEST)) break;
  Atomics.store(shared, place, seed);
  const found = await look(seed);
  if (found === undefined) continue;
  Atomics.store(shared, LOWEST, Math.min(seed, Atomics.load(shared, LOWEST)));
  parentPort!.postMessage(found);
  break;
}
