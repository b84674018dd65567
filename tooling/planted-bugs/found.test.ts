// The simulator finds every planted bug, from the seed on at which it was last found; without a bug, the
// same seeds break nothing. `pnpm planted-bugs` measures anew, from seed 1 on.

import { expect, test } from "vitest";
import { bugs } from "./bugs/index.ts";
import { bundled } from "./bundle.ts";
import { hunt, seedsFrom } from "./hunt.ts";
import { measured, page } from "./table.ts";

/** More than one, so that a bug is still found after the plans of seeds have changed. */
const SEEDS = 1_000;
const slow = { timeout: 120_000 };

test.concurrent.each(bugs)("$name is found", slow, async (bug) => {
  const from = measured[bug.name]?.seed ?? 1;
  const found = await hunt(await bundled(bug), { seeds: seedsFrom(from, SEEDS), workers: 1 });
  expect(found, `not found in ${SEEDS} seeds from ${from} on`).toBeDefined();
  expect(bug.breaks, found!.message).toContain(found!.invariant);
});

test("without a bug the same seeds break nothing", slow, async () => {
  const seeds = new Set(Object.values(measured).map((each) => each?.seed ?? 1));
  const sorted = [...seeds].sort((a, b) => a - b);
  expect(await hunt(await bundled(), { seeds: sorted, workers: 1 })).toBeUndefined();
});

test("docs/planted-bugs.md is what was measured, and has every bug", async () => {
  expect(Object.keys(measured)).toEqual(bugs.map(({ name }) => name));
  await expect(await page()).toMatchFileSnapshot("../../docs/planted-bugs.md");
});
