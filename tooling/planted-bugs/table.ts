// docs/planted-bugs.md, printed from the bugs and from what was measured.
// Read first: bugs/index.ts; measure.ts, which writes measured.json.

import { format } from "prettier";
import { bugs } from "./bugs/index.ts";
import measuredJson from "./measured.json" with { type: "json" };

/** How a bug was found: the first seed from 1 on, and the invariant that it broke. */
export interface Measured {
  readonly seed: number;
  readonly invariant: string;
}

/** By the name of the bug. */
export const measured: Readonly<Record<string, Measured | undefined>> = measuredJson;

const HEAD = `# Planted bugs

Printed by \`tooling/planted-bugs/table.ts\`: do not edit. \`pnpm planted-bugs\` measures and prints it
again, and a test fails while a bug is missing here.

Each row is a small bug that is put into the production code while the simulator is bundled, never into
the sources: \`tooling/planted-bugs/bugs\` has them. The simulator runs seed after seed, from 1 on, until
an invariant of [invariants.md](invariants.md) breaks. What it does not find within 1,000 seeds it is
blind to. The code without a bug breaks none on the same seeds.
`;

/** The page. */
export async function page(all: typeof measured = measured): Promise<string> {
  const rows = bugs.map(({ name, what }) => {
    const row = all[name];
    return `| \`${name}\` | ${what} | ${row?.invariant ?? "not found"} | ${row?.seed ?? ""} |`;
  });
  const counts = bugs.map(({ name }) => all[name]?.seed).filter((seed) => seed !== undefined);
  const most = Math.max(...counts);
  const found = `${counts.length} of ${bugs.length} are found; the hardest needs ${most} seeds.`;
  const head = "| bug | what is wrong | invariant | seeds needed |";
  const lines = [HEAD, found, "", head, "| --- | --- | --- | ---: |", ...rows];
  return format(`${lines.join("\n")}\n`, { parser: "markdown", printWidth: 100 });
}
