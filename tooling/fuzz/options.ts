// The command line of `pnpm fuzz`.
// Read first: README.md.

import { availableParallelism } from "node:os";

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

const numbers = {
  "--minutes": "minutes",
  "--cases": "cases",
  "--seed": "seed",
  "--workers": "workers",
  "--hang": "hang",
} as const;
type NumberName = (typeof numbers)[keyof typeof numbers];

/** @throws TypeError for what cannot be meant. */
export function parseOptions(args: readonly string[]): FuzzOptions {
  const targets: string[] = [];
  const given: Partial<Record<NumberName, number>> = {};
  let input: string | undefined;
  let grow = false;
  let help = false;
  const rest = [...args];
  while (rest.length > 0) {
    const [name, inline] = rest.shift()!.split(/=(.*)/s) as [string, string?];
    const value = (): string => {
      const text = inline ?? rest.shift();
      if (text === undefined) throw new TypeError(`${name} needs a value`);
      return text;
    };
    if (name in numbers) {
      const text = value();
      const number = Number(text);
      if (!(number > 0) && !(name === "--seed" && number === 0)) {
        throw new TypeError(`${name}: "${text}" is no number above 0`);
      }
      given[numbers[name as keyof typeof numbers]] = number;
    } else if (name === "--input") input = value();
    else if (name === "--grow") grow = true;
    else if (name === "--help" || name === "-h") help = true;
    else if (name.startsWith("-")) throw new TypeError(`there is no option ${name}`);
    else targets.push(name);
  }
  if (input !== undefined && targets.length !== 1)
    throw new TypeError("--input goes with one target");
  return {
    targets,
    input,
    grow,
    help,
    hang: given.hang ?? HANG_S,
    seed: Math.floor(given.seed ?? Date.now() % 1_000_000_000),
    cases: given.cases ?? Infinity,
    minutes: given.minutes ?? (given.cases === undefined ? MINUTES : Infinity),
    workers: Math.floor(given.workers ?? Math.min(WORKERS_MAX, availableParallelism())),
  };
}
