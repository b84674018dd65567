// Everything that reads bytes, a little: what is kept in the corpus, and some cases of each target. Hours of it
// are `pnpm fuzz --minutes 600`.
// Read first: README.md. The seed is fixed: a run that fails fails again.
import { fileURLToPath } from "node:url";
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { readCorpus } from "./corpus.ts";
import { minimise } from "./minimise.ts";
import { fuzzTargets } from "./registry.ts";
import { TargetRun } from "./run-target.ts";

const SEED = 2_026;
const corpus = fileURLToPath(new URL("./corpus/", import.meta.url));

describe.each(fuzzTargets.map((target) => [target.name, target] as const))("%s", (name, target) => {
  test("what is kept in the corpus is read as it should be", async () => {
    const kept = readCorpus(corpus, name);
    expect(kept.length).toBeGreaterThan(0);
    for (const { file, input } of kept) {
      await check(target, input).catch((error: Error) => {
        throw new Error(`${file}: ${error.message}`, { cause: error });
      });
    }
  });

  test(`${target.quickCases} cases`, async () => {
    const run = new TargetRun(
      target,
      SEED,
      readCorpus(corpus, name).map(({ input }) => input),
    );
    while (run.figures.cases < target.quickCases) {
      const found = await run.step();
      if (found === undefined) continue;
      const smallest = await minimise(target, found.input, found.finding);
      const hex = Buffer.from(smallest).toString("hex");
      throw new Error(`case ${found.at}: ${found.finding.message}\n${hex}`, {
        cause: found.finding,
      });
    }
    // Inputs that all come to the same show nothing.
    expect(run.figures.places).toBeGreaterThan(3);
  });
});

test("every folder of the corpus is a target's", () => {
  const names = new Set(fuzzTargets.map(({ name }) => name));
  expect(readdirSync(corpus).filter((folder) => !names.has(folder))).toEqual([]);
  expect(names.size).toBe(fuzzTargets.length);
});
