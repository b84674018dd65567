// What a walk has come to, for a person to read. Read first: walk.ts, coverage.ts.

import { formatCoverage } from "./coverage.ts";
import type { WalkFailure, WalkReport } from "./walk.ts";

const failureText = ({ profile, moves, complaints }: WalkFailure): string =>
  [`FAILED ${profile}: ${moves.join(", ") || "nothing but the start"}`, ...complaints]
    .join("\n  ")
    .concat("\n");

/** The whole report as text: failures first, then the coverage of the table, then the sums. */
export function formatWalk(report: WalkReport): string {
  const { sequences, concurrent, merged, distinct, failures, coverage } = report;
  const sums = [
    `${sequences} sequences, ${concurrent} of them with events that come together`,
    `${distinct} distinct states gone on from, ${merged} sequences merged`,
    `${failures.length} failures`,
  ];
  return [...failures.map(failureText), formatCoverage(coverage), sums.join("; "), ""].join("\n");
}

/** Whether nothing failed, and every cell that can be met was met, and no other. */
export const isWhole = ({ failures, coverage }: WalkReport): boolean =>
  failures.length === 0 && coverage.missing.length === 0 && coverage.wrong.length === 0;
