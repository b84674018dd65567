// The tables: one line for each row, with what was reached, what should be, and what it cost.
// Read first: compare.ts and probes.ts for where the figures come from.

import type { Comparison } from "./compare.ts";
import type { Found } from "./probes.ts";
import type { Measure, Row } from "./rows.ts";

/** Width of each column; the first one is text. */
type Widths = readonly [number, ...number[]];

const line = (cells: readonly string[], widths: Widths): string =>
  cells
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[i]!)))
    .join("  ")
    .trimEnd();

const WIDTHS: Widths = [64, 9, 16, 8, 8, 8, 6, 26, 26];
const FINDING_WIDTHS: Widths = [68, 11, 18, 8, 8, 8, 22];

export const tableHead = line(
  ["", "reached", "worst..best", "at least", "aim", "", "by CPU", "ours", "ceiling: CPU us"],
  WIDTHS,
);

/** A goal, or what was reached, in the unit of the measure. */
export function quantity(measure: Measure, value: number | undefined): string {
  if (value === undefined) return "-";
  if (measure !== "latency") return `${(value * 100).toFixed(0)} %`;
  return `${value >= 0 ? "+" : ""}${value.toFixed(1)} us`;
}

const range = (from: string, to: string): string => `${from.replace(/ (%|us)$/, "")}..${to}`;

const us = (value: number | undefined): string => value?.toFixed(2) ?? "?";

/** Throughput, or latency, and the CPU for an I/O of the client and of the server. */
function cost(row: Row, figures: Comparison["ours"]): string {
  const { iops, bytesPerSecond, meanUs, clientCpuUs, serverUserUs, serverSystemUs } = figures;
  const speeds = {
    latency: `${meanUs.toFixed(0)} us`,
    bytes: `${(bytesPerSecond / 2 ** 30).toFixed(2)} GiB/s`,
    iops: `${(iops / 1000).toFixed(0)}k`,
  };
  const known = serverUserUs !== undefined && serverSystemUs !== undefined;
  const server = known ? serverUserUs + serverSystemUs : undefined;
  return `${speeds[row.measure]}: ${us(clientCpuUs)} + ${us(server)}`;
}

/** What is to be known of a row before it is believed. */
function noteOf({ row, ours, base, disturbed, rounds }: Comparison): string {
  const notes: string[] = [];
  // A mean has in it what others did; a median has not.
  if (row.measure === "latency") {
    notes.push(`median ${quantity("latency", ours.p50Us - base.p50Us)}`);
  }
  if (disturbed > 0) notes.push(`${disturbed}/${rounds.length} disturbed`);
  return notes.length > 0 ? ` (${notes.join(", ")})` : "";
}

export function comparisonLine(comparison: Comparison): string {
  const { row, value, worst, best, verdict, cpuRatio, ours, base } = comparison;
  const { measure, atLeast, aim } = row;
  const cells = [
    row.work + noteOf(comparison),
    quantity(measure, value),
    range(quantity(measure, worst), quantity(measure, best)),
    quantity(measure, atLeast),
    quantity(measure, aim),
    verdict === "watched" ? "" : verdict,
    cpuRatio === undefined ? "?" : `${(cpuRatio * 100).toFixed(0)} %`,
    cost(row, ours),
    cost(row, base),
  ];
  return line(cells, WIDTHS);
}

export const findingHead = (work: string): string =>
  line([work, "reached", "worst..best", "at most", "aim", "", "compared with"], FINDING_WIDTHS);

const figure = (value: number, unit: string): string =>
  `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;

export function findingLine({
  name,
  value,
  unit,
  than,
  goal,
  verdict,
  worst,
  best,
}: Found): string {
  const cells = [
    `  ${name}`,
    figure(value, unit),
    `${worst.toFixed(1)}..${best.toFixed(1)}`,
    goal === undefined ? "-" : figure(goal.atMost, unit),
    goal === undefined ? "-" : figure(goal.aim, unit),
    verdict === "watched" ? "" : verdict,
    than === undefined ? "" : `${figure(than, unit)}: ${(value / than).toFixed(1)} x`,
  ];
  return line(cells, FINDING_WIDTHS);
}

/** How many goals were reached, and which were not. */
export function summary(comparisons: readonly Comparison[], found: readonly Found[]): string {
  const verdicts = [
    ...comparisons.map(({ row, verdict }) => ({ name: row.work, verdict: verdict as string })),
    ...found.map(({ name, verdict }) => ({ name, verdict: verdict as string })),
  ].filter(({ verdict }) => verdict !== "watched");
  if (verdicts.length === 0) return "none of these rows has a goal";
  const missed = verdicts.filter(({ verdict }) => verdict === "below" || verdict === "above");
  const aims = verdicts.filter(({ verdict }) => verdict === "aim");
  const disturbed = comparisons.filter((each) => each.disturbed > each.rounds.length / 2).length;
  return [
    `${verdicts.length - missed.length} of ${verdicts.length} goals reached, ${aims.length} of them as aimed at`,
    ...missed.map(({ name }) => `  missed: ${name}`),
    ...(disturbed > 0
      ? [
          `${disturbed} rows were disturbed by others in most rounds: trust "by CPU" more than "reached"`,
        ]
      : []),
  ].join("\n");
}
