// Everything at once, by a seed: load, faults of every kind, then rest; then all that must be true.
// Read first: reliability-anchors.md §4.2 (I1, I11, I12, I21, I22, I43); chaos.ts.

import { expect, test } from "vitest";
import { chaos } from "./chaos.ts";
import { expectCleanEnd, expectSettledOnce } from "./expectations.ts";

/** More of them find more; `chaos` takes any. */
const SEEDS = 40;
const seeds = Array.from({ length: SEEDS }, (_, at) => at + 1);

test.each(seeds)(
  "chaos, seed %i: each request settles once, no newer data is lost, and all comes to rest",
  async (seed) => {
    const { world, wrong, faults } = await chaos(seed);
    expect(wrong, faults.join("\n")).toEqual([]);
    expectSettledOnce(world.requests);
    await expectCleanEnd(world);
  },
);
