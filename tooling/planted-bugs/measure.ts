// Measures how many seeds each planted bug needs, writes that down, and prints docs/planted-bugs.md.
//
//   pnpm planted-bugs                  all of them
//   pnpm planted-bugs double-settle …  those named; the others stay as they were

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { root } from "@nvmeof/tooling-support";
import { bugs } from "./bugs/index.ts";
import { bundled } from "./bundle.ts";
import { hunt, seedsFrom } from "./hunt.ts";
import type { PlantedBug } from "./planted-bug.ts";
import { type Measured, page } from "./table.ts";

/** A bug that needs more is one that the simulator is blind to. */
const SEEDS = Number(process.env["SEEDS"] ?? 1_000);

const file = fileURLToPath(new URL("./measured.json", import.meta.url));
const known = JSON.parse(readFileSync(file, "utf8")) as Record<string, Measured | undefined>;

/** Violations of the code without a bug on its way to one that the bug is to blame for. */
const FALSE_MAX = 5;

/** Says how it went; gives what is to be written down. `file` has the bug in it, `clean` has none. */
async function measure(bug: PlantedBug, file: string, clean: string) {
  const startMs = performance.now();
  const say = (text: string): void => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(`${bug.name.padEnd(40)} ${text} (${seconds} s)`);
  };
  let from = 1;
  for (let blameless = 0; blameless < FALSE_MAX; blameless++) {
    const found = await hunt(file, { seeds: seedsFrom(from, SEEDS + 1 - from) });
    if (found === undefined) break;
    const { seed, invariant, message } = found;
    const innocent = await hunt(clean, { seeds: [seed], workers: 1 });
    if (innocent === undefined) {
      const expected = bug.breaks.includes(invariant) ? "" : " UNEXPECTED";
      say(`seed ${seed}, ${invariant}${expected}: ${message}`);
      return { seed, invariant };
    }
    say(`seed ${seed} fails without the bug as well: ${innocent.invariant}, ${innocent.message}`);
    from = seed + 1;
  }
  say(`NOT FOUND in ${SEEDS} seeds`);
  return undefined;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => bugs.every((bug) => bug.name !== name));
if (unknown.length > 0) {
  console.error(`no bug ${unknown.join(", ")}; bugs/ has them`);
  process.exit(2);
}
const isAsked = ({ name }: PlantedBug): boolean => asked.length === 0 || asked.includes(name);
// All of them before the first hunt: the sources may change meanwhile.
const clean = await bundled();
const files = new Map<PlantedBug, string>();
for (const bug of bugs) if (isAsked(bug)) files.set(bug, await bundled(bug));
const results: Record<string, Measured | undefined> = {};
for (const bug of bugs) {
  const { name } = bug;
  const bugged = files.get(bug);
  try {
    results[name] = bugged === undefined ? known[name] : await measure(bug, bugged, clean);
  } catch (error) {
    console.log(`${name.padEnd(40)} FAILED: ${String(error)}`);
  }
}
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(`${root}docs/planted-bugs.md`, await page(results));
const missed = bugs.filter(({ name }) => results[name] === undefined);
console.log(`${bugs.length - missed.length} of ${bugs.length} found`);
process.exit(missed.length > 0 ? 1 : 0);
