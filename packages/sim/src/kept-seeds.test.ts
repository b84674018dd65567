// Bugs that the simulator has found stay found: their plans run clean.

import { expect, test } from "vitest";
import { keptSeeds, smallPlan } from "./kept-seeds.ts";
import { run } from "./run.ts";
import { failureText } from "./verdict.ts";

test("the small plan that they are made of runs clean, and does something", async () => {
  const verdict = await run(smallPlan);
  expect(failureText(verdict)).toBe("");
  expect(verdict.figures.settled).toEqual({ done: 13 });
});

test.each(keptSeeds)("seed $seed, $invariant: $found", async ({ plan }) => {
  expect(failureText(await run(plan))).toBe("");
});
