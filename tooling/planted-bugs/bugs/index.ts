// Every planted bug, in the order of the table in docs/planted-bugs.md.
// Read first: planted-bug.ts for what a row says.

import type { PlantedBug } from "../planted-bug.ts";
import { commandBugs } from "./commands.ts";
import { fenceBugs } from "./fences.ts";
import { lifecycleBugs } from "./lifecycle.ts";
import { pathBugs } from "./paths.ts";
import { reportBugs } from "./reports.ts";
import { targetBugs } from "./target.ts";
import { wireBugs } from "./wire.ts";

export const bugs: readonly PlantedBug[] = [
  ...reportBugs,
  ...commandBugs,
  ...lifecycleBugs,
  ...pathBugs,
  ...fenceBugs,
  ...wireBugs,
  ...targetBugs,
];
