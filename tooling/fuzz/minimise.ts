// A finding's input made smaller, as long as it stays the same finding.
// Read first: check.ts. Pieces are taken out, large ones first; then bytes become zero.

import { type Finding, check } from "./check.ts";
import type { FuzzTarget } from "./fuzz-target.ts";
import { joined } from "./bytes.ts";

/** Times that the target is run at most. */
const RUNS_MAX = 3_000;

/** The same finding in fewer bytes. */
export async function minimise(
  target: FuzzTarget,
  input: Uint8Array,
  finding: Finding,
): Promise<Uint8Array> {
  let runs = 0;
  const fails = async (candidate: Uint8Array): Promise<boolean> => {
    if (++runs > RUNS_MAX) return false;
    try {
      await check(target, candidate);
      return false;
    } catch (error) {
      return (error as Finding).key === finding.key;
    }
  };
  let best = input;
  for (let piece = Math.ceil(best.length / 2); piece >= 1; piece = Math.floor(piece / 2)) {
    for (let at = 0; at < best.length;) {
      const candidate = joined(best.subarray(0, at), best.subarray(at + piece));
      if (await fails(candidate)) best = candidate;
      else at += piece;
    }
  }
  for (let at = 0; at < best.length; at++) {
    if (best[at] === 0) continue;
    const candidate = best.slice();
    candidate[at] = 0;
    if (await fails(candidate)) best = candidate;
  }
  return best.slice();
}
