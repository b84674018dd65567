// The command line of `pnpm soak`.
// Read first: README.md.

import { parseArgs } from "node:util";
import { numberOption } from "@nvmeof/tooling-support";

/** What was asked for. */
export interface SoakCommand {
  readonly minutes: number;
  readonly seed: number;
  /** Where the page goes; none named: a place of the soak's own. */
  readonly page: string | undefined;
  readonly help: boolean;
}

const MINUTES = 5;
const MINUTES_MIN = 0.05;

export const usage = `pnpm soak [options]: traffic with faults, and whether anything grows, is lost or is wrong.

  --minutes N   as long as that (default: ${MINUTES}; 1440 for a day)
  --seed S      another run, or nearly the same again (default: the time)
  --page FILE   where the page with the curves goes (default: tooling/soak/results/)
`;

const options = {
  minutes: { type: "string" },
  seed: { type: "string" },
  page: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** @throws TypeError for what cannot be meant. */
export function parseOptions(args: readonly string[]): SoakCommand {
  const { minutes, seed, page, help } = parseArgs({ args: [...args], options }).values;
  return {
    minutes: numberOption("minutes", minutes, MINUTES_MIN) ?? MINUTES,
    seed: Math.floor(numberOption("seed", seed, 0) ?? Date.now() % 1_000_000_000),
    page,
    help,
  };
}
