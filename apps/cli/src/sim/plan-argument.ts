// "SEED|plan.json": a plan that is made of its seed, or that somebody has kept in a file.

import { type Plan, planOf } from "@nvmeof/sim";
import { usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import { parseWhole } from "../units.ts";

/** Seeds have 32 bits. */
export const SEED_MAX = 0xffff_ffff;

const HINT = "`nvmeof sim shrink SEED --output plan.json` writes one.";

const isSeed = (text: string): boolean => /^\d+$/.test(text);

/** Plans that the simulator writes have some hundred kilobytes. */
const PLAN_BYTES_MAX = 64 * 2 ** 20;

/** @throws CliError for a file that cannot be read, or that holds no plan. */
export async function planArgument(text: string): Promise<Plan> {
  if (isSeed(text)) return planOf(parseWhole(text, 0, SEED_MAX));
  const bytes = await readWholeFile(text, PLAN_BYTES_MAX);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw usage(`${text} is not JSON: ${(error as Error).message}`, HINT);
  }
  if (!isPlan(value)) throw usage(`${text} holds no plan of the simulator`, HINT);
  return value;
}

/**
 * Runs what `planArgument` gave. A plan out of a file may be wrong in its depth, which only shows now.
 *
 * @throws CliError where a file's plan cannot be run; what `work` throws.
 */
export async function runningPlan<T>(text: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isMalformed = error instanceof TypeError || error instanceof RangeError;
    if (!isMalformed || isSeed(text)) throw error;
    throw usage(`${text} holds no plan that can be run: ${error.message}`, HINT);
  }
}

const lists = ["targets", "hosts", "users", "steps", "dead"] as const;

/** A file that somebody has written by hand may still be wrong in its depth; a run then says so. */
function isPlan(value: unknown): value is Plan {
  if (typeof value !== "object" || value === null) return false;
  const plan = value as Partial<Record<keyof Plan, unknown>>;
  const numbers = typeof plan.seed === "number" && typeof plan.safetyMs === "number";
  return numbers && lists.every((name) => Array.isArray(plan[name]));
}
