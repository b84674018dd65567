// Seeds 500 to 749: a quarter of the thousand that have to be right at every change.
// Read first: run.ts; docs/invariants.md. Four files, so that all cores work.

import { expect, test } from "vitest";
import { planOf } from "./plan-of.ts";
import { run } from "./run.ts";
import { failureText } from "./verdict.ts";

const FIRST = 500;
const SEEDS = 250;
const AT_A_TIME = 25;
/** For a machine that has much else to do; a seed takes some 25 ms. */
const TIMEOUT_MS = 120_000;

for (let first = FIRST; first < FIRST + SEEDS; first += AT_A_TIME) {
  test(
    `seeds ${first} to ${first + AT_A_TIME - 1}: every invariant holds`,
    async () => {
      for (let seed = first; seed < first + AT_A_TIME; seed++) {
        const verdict = await run(planOf(seed));
        expect(failureText(verdict)).toBe("");
        expect(verdict.figures.virtualMs).toBeGreaterThan(50_000);
      }
    },
    TIMEOUT_MS,
  );
}
