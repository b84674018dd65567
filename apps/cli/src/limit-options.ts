// `--limit`: the bounds of a target, by name, as people type their values.
// Read first: docs/limits.md for the table; @nvmeof/target limits.ts.

import { nearestName } from "@nvmeof/core";
import { type LimitFact, type TargetLimits, checkLimits, limitFacts } from "@nvmeof/target";
import type { Option } from "commander";
import { usage } from "./errors.ts";
import { repeated } from "./options.ts";
import { parseDuration, parseSize, parseWhole } from "./units.ts";

/** One bound, as it was given. */
export type GivenLimit<Name extends string = keyof TargetLimits> = readonly [
  name: Name,
  value: number,
];

/** What the values of bounds are counted in. */
type LimitUnits<Name extends string> = Readonly<Record<Name, Pick<LimitFact, "unit">>>;

/** "connections-max" as the tables write it. */
const camelCase = (text: string): string =>
  text.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());

/** A bound of the target. @throws CliError for what no bound can be. */
export const parseLimit = (text: string): GivenLimit => parseLimitOf(limitFacts, text);

/** @throws CliError for what no bound of these can be. */
export function parseLimitOf<Name extends string>(
  units: LimitUnits<Name>,
  text: string,
): GivenLimit<Name> {
  const names = Object.keys(units) as Name[];
  const [, given, value] = /^([\w-]+)=(.+)$/.exec(text) ?? [];
  if (given === undefined || value === undefined) {
    throw usage(`"${text}" is not NAME=VALUE`, "For example connectionsMax=64.");
  }
  const name = names.find((each) => each === camelCase(given));
  if (name === undefined) {
    const meant = nearestName(camelCase(given), names);
    const hint = meant === undefined ? "docs/limits.md has them all." : `Did you mean ${meant}?`;
    throw usage(`there is no limit "${given}"`, hint);
  }
  const { unit } = units[name];
  const parse = { count: parseCount, bytes: parseSize, ms: parseDuration }[unit];
  return [name, parse(value)];
}

const parseCount = (value: string): number => parseWhole(value, 0, Number.MAX_SAFE_INTEGER);

/**
 * All bounds that were given, checked as a whole; the last one of a name counts.
 *
 * @throws CliError for values that cannot be, alone or together.
 */
export const limitsOf = (given: readonly GivenLimit[] = []): Partial<TargetLimits> =>
  checkedLimits(given, checkLimits);

/** The same for others: `check` raises RangeError for what cannot be. */
export function checkedLimits<Limits extends object>(
  given: readonly (readonly [string, number])[],
  check: (limits: Partial<Limits>) => void,
): Partial<Limits> {
  const limits = Object.fromEntries(given) as Partial<Limits>;
  try {
    check(limits);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usage(`--limit: ${error.message}`);
  }
  return limits;
}

export const limitOption = (): Option =>
  repeated(
    "--limit <name=value>",
    "a bound of the target: connectionsMax=64, connectTimeoutMs=2s; repeat for more",
    parseLimit,
  );
