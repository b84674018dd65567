// The plan of faults that somebody has named: a file, stdin, an example, or none.
// Read first: @nvmeof/tools/chaos parse.ts, which checks it.

import { nearestName } from "@nvmeof/core";
import {
  type ChaosExample,
  type ChaosPlan,
  chaosExample,
  chaosExampleNames,
  parseChaosPlan,
} from "@nvmeof/tools/chaos";
import type { PlanOptions } from "../chaos-commands.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import { inputBytes } from "../input.ts";

/** A thousand faults with all their selectors are far less. */
const PLAN_BYTES_MAX = 4 * 2 ** 20;

/** @throws CliError for a name that no example has. */
export function exampleNamed(name: string): ChaosExample {
  const found = chaosExampleNames.find((each) => each === name);
  if (found !== undefined) return found;
  const meant = nearestName(name, chaosExampleNames);
  const all = `There are ${chaosExampleNames.join(", ")}.`;
  throw usage(
    `there is no example "${name}"`,
    meant === undefined ? all : `Did you mean ${meant}?`,
  );
}

/** The JSON in a file, or in stdin for "-". @throws CliError for what cannot be read, or is none. */
export async function jsonAt(path: string, context: Context): Promise<unknown> {
  const bytes =
    path === "-" ? await inputBytes(context, undefined) : await readWholeFile(path, PLAN_BYTES_MAX);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch (error) {
    const hint = "`nvmeof chaos plan --example lost-completion` prints a plan.";
    throw usage(`${path} is not JSON: ${(error as Error).message}`, hint);
  }
}

/** The plan that the options name; one without faults where they name none. */
export async function planArgument(context: Context, options: PlanOptions): Promise<ChaosPlan> {
  const { plan, example, seed } = options;
  if (plan !== undefined && example !== undefined) {
    throw usage("--plan and --example both name a plan", "Leave out one of them.");
  }
  if (plan !== undefined) return parseChaosPlan(await jsonAt(plan, context), seed);
  const written =
    example === undefined ? { version: 1, faults: [] } : chaosExample(exampleNamed(example));
  return parseChaosPlan(written, seed);
}
