// Everything at once, by a seed: load, faults of every kind, then rest; then all that must be true.
// Read first: reliability-anchors.md §4.2 (I1, I11, I12, I21, I22, I43); chaos.ts.

import { expect, test } from "vitest";
import { Chaos } from "./chaos.ts";
import { expectCleanEnd, expectSettledOnce } from "./expectations.ts";

const FAULT_PHASE_MS = 60_000;
/** More of them find more; any number is a seed. */
const seeds = Array.from({ length: 24 }, (_, at) => at + 1);

test.each(seeds)(
  "chaos, seed %i: each request settles once, no newer data is lost, and all comes to rest",
  async (seed) => {
    const run = new Chaos(seed, "timed");
    await run.begin(FAULT_PHASE_MS);
    await run.rest();
    expect(run.wrong, run.faults.join("\n")).toEqual([]);
    expectSettledOnce(run.world.requests);
    await expectCleanEnd(run.world);
  },
);

test.each(seeds)(
  "chaos, seed %i: a close in the midst of it is in time, and leaves nothing",
  async (seed) => {
    const run = new Chaos(seed, "timed");
    await run.begin(1_000 + ((seed * 7_919) % 30_000));
    run.stop();
    await expectCleanEnd(run.world);
  },
);

test("F65: without fencing the same load loses newer data to writes that come late", async () => {
  const wrong: string[] = [];
  for (const seed of seeds.slice(0, 10)) {
    const run = new Chaos(seed, "none");
    await run.begin(FAULT_PHASE_MS);
    wrong.push(...run.wrong);
  }
  expect(wrong.length).toBeGreaterThan(0);
});
