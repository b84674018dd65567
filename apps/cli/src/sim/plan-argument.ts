// "SEED|plan.json": a plan that is made of its seed, or that somebody has kept in a file.

import { type Plan, planOf } from "@nvmeof/sim";
import { usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import { parseWhole } from "../units.ts";

/** Seeds have 32 bits. */
export const SEED_MAX = 0xffff_ffff;

/** @throws CliError for a file that cannot be read, or that holds no plan. */
export async function planArgument(text: string): Promise<Plan> {
  if (/^\d+$/.test(text)) return planOf(parseWhole(text, 0, SEED_MAX));
  const bytes = await readWholeFile(text);
  const hint = "`nvmeof sim shrink SEED --output plan.json` writes one.";
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw usage(`${text} is not JSON: ${(error as Error).message}`, hint);
  }
  if (!isPlan(value)) throw usage(`${text} holds no plan of the simulator`, hint);
  return value;
}

const lists = ["targets", "hosts", "users", "steps", "dead"] as const;

/** A file that somebody has written by hand may still be wrong in its depth; a run then says so. */
function isPlan(value: unknown): value is Plan {
  if (typeof value !== "object" || value === null) return false;
  const plan = value as Partial<Record<keyof Plan, unknown>>;
  const numbers = typeof plan.seed === "number" && typeof plan.safetyMs === "number";
  return numbers && lists.every((name) => Array.isArray(plan[name]));
}
