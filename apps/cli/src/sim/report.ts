// What `sim run` and its relatives say: figures of runs, failures, and how to see one again.
// Read first: @nvmeof/sim verdict.ts.

import type { Figures, Violation } from "@nvmeof/sim";
import { CliError } from "../errors.ts";
import type { Style } from "../style.ts";
import { facts, table } from "../table.ts";
import type { Failure } from "./seeds.ts";

const number = (value: number): string => value.toLocaleString("en-US");

/** "3 d 4 h", "17 h 3 min", "62.5 s". */
export function virtualTime(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${Math.floor(hours % 24)} h`;
  if (hours >= 1) return `${Math.floor(hours)} h ${Math.floor((hours % 1) * 60)} min`;
  return `${(ms / 1000).toFixed(1)} s`;
}

const most = (counts: Readonly<Record<string, number>>): [name: string, count: number][] =>
  Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));

/** Figures for people. */
export function figuresText(figures: Figures, style: Style): string {
  const { virtualMs, events, submitted, settled, steps, edges, fences } = figures;
  const outcomes = most(settled).map(([name, count]) => `${name} ${number(count)}`);
  const walked = Object.values(edges).reduce((sum, count) => sum + count, 0);
  const head = facts([
    ["virtual time", virtualTime(virtualMs)],
    ["requests", `${number(submitted)}; ${outcomes.join(", ")}`],
    ["state changes", `${number(walked)} along ${Object.keys(edges).length} edges`],
    [
      "fences",
      most(fences)
        .map(([name, count]) => `${name} ${number(count)}`)
        .join(", ") || "none",
    ],
    ["events", number(events)],
  ]);
  const rows = table<[string, number]>(
    [
      { title: "faults and operations", value: ([name]) => name },
      { title: "count", value: ([, count]) => number(count), align: "right" },
    ],
    most(steps),
    style,
  );
  return rows === "" ? head : `${head}\n${rows}`;
}

/** "I21 at 12345.678 ms: a read returned …". */
export const violationText = ({ invariant, atMs, message }: Violation): string =>
  `${invariant} at ${atMs.toFixed(3)} ms: ${message}`;

/** A failure for people: what broke, what happened before it, and how to see all of it. */
export function failureText(failure: Failure, style: Style): string {
  const { seed, lastEvents } = failure;
  const events = lastEvents.map((line) => `  ${line}\n`).join("");
  const head = style.bold(`seed ${seed} breaks ${violationText(failure)}`);
  return `${head}\n${events}replay: nvmeof sim replay ${seed}\nshrink: nvmeof sim shrink ${seed}\n\n`;
}

/** The error of a command that has seen a violation. */
export const violated = (
  violations: number,
  first: Violation & { readonly seed: number },
): CliError =>
  new CliError(
    "NVME_ERR_VIOLATION",
    `${violations === 1 ? "an invariant" : `${violations} invariants`} broken: ` +
      `seed ${first.seed}, ${violationText(first)}`,
    { hint: `\`nvmeof sim shrink ${first.seed}\` finds the smallest plan that does it.` },
  );
