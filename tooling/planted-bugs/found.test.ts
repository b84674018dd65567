// The simulator finds every planted bug, from the seed on at which it was last found; without a bug, the
// same seeds break nothing. `pnpm planted-bugs` measures anew, from seed 1 on.

import { expect, test } from "vitest";
import { bugs } from "./bugs/index.ts";
import { bundled } from "./bundle.ts";
import { hunt } from "./hunt.ts";
import { measured, page } from "./table.ts";

/** More than one, so that a bug is still found after the plans of seeds have changed. */
const SEEDS = 1_000;
const slow = { timeout: 120_000 };
const clean = bundled();

test.concurrent.each(bugs)("$name is found", slow, async (bug) => {
  const from = measured[bug.name]?.seed ?? 1;
  const found = await hunt(await bundled(bug), { from, seeds: SEEDS, workers: 1 });
  expect(found, `not found in ${SEEDS} seeds from ${from} on`).toBeDefined();
  const { seed, invariant, message } = found!;
  expect(bug.breaks, message).toContain(invariant);
  const innocent = await hunt(await clean, { from: seed, seeds: 1, workers: 1 });
  expect(innocent, `seed ${seed} fails without the bug as well`).toBeUndefined();
});

test("docs/planted-bugs.md is what was measured, and has every bug", async () => {
  expect(Object.keys(measured)).toEqual(bugs.map(({ name }) => name));
  await expect(await page()).toMatchFileSnapshot("../../docs/planted-bugs.md");
});
