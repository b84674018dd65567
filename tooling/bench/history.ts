// What was reached before: history.ndjson, a line for each run that was kept. Ratios only, since times are
// those of a machine.
// Read first: README.md "The history".

import { appendFileSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Comparison } from "./compare.ts";
import { machine } from "./machine.ts";

const file = fileURLToPath(new URL("./history.ndjson", import.meta.url));

/** A row of a run that was kept. */
export interface Kept {
  /** Ours over the ceiling's. */
  readonly ratio?: number;
  /** The ceiling's CPU for an I/O over ours. */
  readonly cpuRatio?: number;
}

/** A run that was kept. */
export interface KeptRun {
  /** Day, as 2026-01-31. */
  readonly date: string;
  readonly engine: string;
  readonly platform: string;
  /** Of its rounds, those that others disturbed: 0 for none, 1 for all. */
  readonly disturbed: number;
  readonly rows: Readonly<Record<string, Kept>>;
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

function keptOf({ row, value, ours, base, cpuRatio }: Comparison): Kept {
  const ratio = row.measure === "latency" ? base.meanUs / ours.meanUs : value;
  return {
    ratio: rounded(ratio),
    ...(cpuRatio === undefined ? {} : { cpuRatio: rounded(cpuRatio) }),
  };
}

/** Adds a run. @returns the file that it is kept in */
export function keep(comparisons: readonly Comparison[], atIso: string): string {
  const rounds = comparisons.reduce((sum, each) => sum + each.rounds.length, 0);
  const disturbed = comparisons.reduce((sum, each) => sum + each.disturbed, 0);
  const run: KeptRun = {
    date: atIso.slice(0, 10),
    engine: machine.engine,
    platform: machine.platform,
    disturbed: rounded(disturbed / Math.max(1, rounds)),
    rows: Object.fromEntries(comparisons.map((each) => [each.row.name, keptOf(each)])),
  };
  appendFileSync(file, `${JSON.stringify(run)}\n`);
  return file;
}

/** All runs that were kept, oldest first. */
export function keptRuns(text: string = readFileSync(file, "utf8")): KeptRun[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as KeptRun);
}

/** The last that was kept of a row, on an engine of the same major version where there is one. */
export function lastKept(
  runs: readonly KeptRun[],
  row: string,
  engine: string = machine.engine,
): Kept | undefined {
  const major = engine.split(".", 1)[0];
  const having = runs.filter(({ rows }) => rows[row] !== undefined);
  const same = having.filter((run) => run.engine.split(".", 1)[0] === major);
  return (same.at(-1) ?? having.at(-1))?.rows[row];
}
