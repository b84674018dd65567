// The columns of `top`, in nvme-cli's words: what each shows of a row, and which go where there is no room.
// Read first: rows.ts for the rows.

import type { TopRow } from "./rows.ts";

export interface TopColumn {
  readonly title: string;
  readonly width: number;
  readonly value: (row: TopRow) => string;
  readonly align: "left" | "right";
  /** What it is sorted by, greatest first; null: it has nothing here. Without it: it is not sorted by. */
  readonly order?: (row: TopRow) => number | null;
  /** The greater, the sooner it goes. */
  readonly drop: number;
}

/** "0", "9.87k", "123k", "1.23M": six characters at most. */
export function countText(value: number): string {
  if (value < 999.5)
    return value < 9.95 && !Number.isInteger(value) ? value.toFixed(1) : value.toFixed(0);
  for (const [size, unit] of [
    [1e3, "k"],
    [1e6, "M"],
    [1e9, "G"],
    [1e12, "T"],
  ] as const) {
    const scaled = value / size;
    if (scaled < 9.995) return `${scaled.toFixed(2)}${unit}`;
    if (scaled < 99.95) return `${scaled.toFixed(1)}${unit}`;
    if (scaled < 999.5) return `${scaled.toFixed(0)}${unit}`;
  }
  return value.toExponential(0);
}

/** "412us", "12.3ms", "4.56s": seven characters at most. */
export function latencyText(ms: number): string {
  if (ms < 0.9995) return `${Math.round(ms * 1000)}us`;
  if (ms < 9.995) return `${ms.toFixed(2)}ms`;
  if (ms < 99.95) return `${ms.toFixed(1)}ms`;
  if (ms < 999.5) return `${ms.toFixed(0)}ms`;
  return ms < 99_500 ? `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)}s` : `${countText(ms / 1000)}s`;
}

const orNone = (value: number | null | undefined, text: (value: number) => string): string =>
  value === null || value === undefined ? "-" : text(value);

const number = (
  title: string,
  width: number,
  drop: number,
  of: (row: TopRow) => number | null,
  text: (value: number) => string = countText,
): TopColumn => ({
  title,
  width,
  drop,
  align: "right",
  value: (row) => orNone(of(row), text),
  order: of,
});

const bandwidth = (value: number): string => `${countText(value)}B`;

/** Behind the name, from left to right. */
export const topColumns: readonly TopColumn[] = [
  { title: "State", width: 10, align: "left", drop: 4, value: ({ state }) => state },
  number("r_IOPS", 6, 0, ({ rates }) => rates.readsPerSecond),
  number("w_IOPS", 6, 0, ({ rates }) => rates.writesPerSecond),
  number("r_clat", 6, 2, ({ rates }) => rates.readLatencyMs, latencyText),
  number("w_clat", 6, 2, ({ rates }) => rates.writeLatencyMs, latencyText),
  number("r_bw", 6, 3, ({ rates }) => rates.readBytesPerSecond, bandwidth),
  number("w_bw", 6, 3, ({ rates }) => rates.writtenBytesPerSecond, bandwidth),
  number(
    "Util%",
    5,
    6,
    ({ rates }) => rates.utilizationPercent,
    (value) => value.toFixed(0),
  ),
  number("Resets", 6, 12, ({ totals }) => totals.resets),
  number("Reconnects", 10, 11, ({ totals }) => totals.reconnects),
  number("Errors", 6, 5, ({ totals }) => totals.errors),
  number("Retries", 7, 13, ({ totals }) => totals.retries),
  number("Failovers", 9, 10, ({ totals }) => totals.failovers),
  { title: "ANAState", width: 15, align: "left", drop: 8, value: ({ anaState }) => anaState },
  number("Requeue-IO", 10, 14, ({ totals }) => totals.requeued),
  number("Fail-IO", 7, 9, ({ totals }) => totals.failed),
  number("Inflights", 9, 7, ({ rates }) => rates.inflight),
];

export const GAP = 1;
export const NAME_WIDTH_MIN = 18;

/** Columns that fit beside a name, and what is left for that. */
export function fittingColumns(columns: number): {
  readonly shown: readonly TopColumn[];
  readonly nameWidth: number;
} {
  let shown = topColumns;
  const left = (): number => shown.reduce((space, { width }) => space - width - GAP, columns);
  while (shown.length > 0 && left() < NAME_WIDTH_MIN) {
    const worst = shown.reduce((a, b) => (b.drop >= a.drop ? b : a));
    shown = shown.filter((each) => each !== worst);
  }
  return { shown, nameWidth: Math.max(1, left()) };
}
