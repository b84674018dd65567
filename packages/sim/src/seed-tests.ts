// Tests that run seed after seed: files of their own ask for some of them, so that all cores work.
// Read first: run.ts; docs/invariants.md.

import { expect, test } from "vitest";
import { planOf } from "./plan-of.ts";
import { run } from "./run.ts";
import { failureText } from "./verdict.ts";

/** A quarter of the thousand that have to be right at every change. */
const SEEDS = 250;
const AT_A_TIME = 25;
/** For a machine that has much else to do; a seed takes some 25 ms. */
const TIMEOUT_MS = 120_000;

/** Tests of 250 seeds, from `first` on. */
export function testSeedsFrom(first: number): void {
  for (let from = first; from < first + SEEDS; from += AT_A_TIME) {
    test(
      `seeds ${from} to ${from + AT_A_TIME - 1}: every invariant holds`,
      async () => {
        for (let seed = from; seed < from + AT_A_TIME; seed++) {
          const verdict = await run(planOf(seed));
          expect(failureText(verdict)).toBe("");
          expect(verdict.figures.virtualMs).toBeGreaterThan(50_000);
        }
      },
      TIMEOUT_MS,
    );
  }
}
