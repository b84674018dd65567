// The command line of `pnpm fuzz`.
// Read first: README.md.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { numberOption } from "@nvmeof/tooling-support";

/** What was asked for. */
export interface FuzzOptions {
  readonly targets: readonly string[];
  readonly seed: number;
  /** Cases of each target; `Infinity` while `minutes` decides. */
  readonly cases: number;
  readonly minutes: number;
  readonly workers: number;
  /** One file to read again, in place of a run. */
  readonly input: string | undefined;
  /** An input that takes longer hangs, s. */
  readonly hang: number;
  /** Keep inputs that lead somewhere new, in the corpus. */
  readonly grow: boolean;
  readonly help: boolean;
}

const MINUTES = 1;
const HANG_S = 20;
const WORKERS_MAX = 2;

export const usage = `pnpm fuzz [targets] [options]: seeded fuzzing of everything that reads bytes.

  --minutes N   as long as that (default: ${MINUTES}; 600 for a night)
  --cases N     as many cases of each target, instead
  --seed S      another run, or the same again (default: the time)
  --workers N   threads (default: up to ${WORKERS_MAX})
  --hang S      what takes longer hangs, in seconds (default: ${HANG_S})
  --input FILE  read this file again, with the one target that is named
  --grow        keep in the corpus what led somewhere new
`;

const options = {
  minutes: { type: "string" },
  cases: { type: "string" },
  seed: { type: "string" },
  workers: { type: "string" },
  hang: { type: "string" },
  input: { type: "string" },
  grow: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** @throws TypeError for what cannot be meant. */
export function parseOptions(args: readonly string[]): FuzzOptions {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const { input, grow, help } = values;
  if (input !== undefined && positionals.length !== 1)
    throw new TypeError("--input goes with one target");
  const number = (name: "minutes" | "cases" | "workers" | "hang"): number | undefined =>
    numberOption(name, values[name]);
  const cases = number("cases");
  return {
    targets: positionals,
    input,
    grow,
    help,
    hang: number("hang") ?? HANG_S,
    seed: Math.floor(numberOption("seed", values.seed, 0) ?? Date.now() % 1_000_000_000),
    cases: cases ?? Infinity,
    minutes: number("minutes") ?? (cases === undefined ? MINUTES : Infinity),
    workers: Math.max(
      1,
      Math.floor(number("workers") ?? Math.min(WORKERS_MAX, availableParallelism())),
    ),
  };
}
