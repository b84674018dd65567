// The same seed gives the same bytes on this Node and on the newest. Needs a build (`npm run build`).

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { type NewestNode, newestNode } from "./testing/newest-node.ts";

const bundle = fileURLToPath(new URL("../dist/nvmeof.js", import.meta.url));
const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
let newest: NewestNode;

beforeAll(async () => {
  newest = await newestNode();
}, 180_000);

/** All that a replay prints, and its exit code. */
async function replay(program: string, seed: number): Promise<{ code: number; stdout: string }> {
  const args = [bundle, "sim", "replay", `${seed}`, "--json"];
  const options = { maxBuffer: 2 ** 28, timeout: 60_000 };
  try {
    const { stdout } = await promisify(execFile)(program, args, options);
    return { code: 0, stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, stdout };
  }
}

test(
  "a seed replays to the same bytes on this Node and on the newest",
  { timeout: 120_000 },
  async ({ skip }) => {
    skip(!existsSync(bundle), "apps/cli is not built");
    if (newest.program === undefined) skip(`there is no newest Node here: ${newest.reason}`);
    const { program, version } = newest as Extract<NewestNode, { version: string }>;
    const { stdout } = await promisify(execFile)(program, ["--version"]);
    expect(stdout.trim()).toBe(`v${version}`);
    for (const seed of seeds) {
      const here = await replay(process.execPath, seed);
      const there = await replay(program, seed);
      expect(here.stdout.split("\n").length, `seed ${seed}`).toBeGreaterThan(100);
      expect(there.code).toBe(here.code);
      // Compared as one value: a difference in a megabyte of text is not worth printing.
      expect(there.stdout === here.stdout, `seed ${seed} gives another trace`).toBe(true);
    }
  },
);
