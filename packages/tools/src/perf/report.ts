// A result as one page: nothing is loaded from elsewhere, and no script runs.
// Read first: result.ts; chart.ts for the pictures.

import { type ChartText, barChart, escaped, lineChart } from "./chart.ts";
import { countText, durationText, latencyText } from "./figures.ts";
import type { PerfResult } from "./result.ts";
import { perfText, workloadText } from "./text.ts";

const style = `
:root { color-scheme: light dark; --read: #2563a8; --write: #c2570c; --ink: #222; --faint: #ccc; }
@media (prefers-color-scheme: dark) {
  :root { --read: #7fb2e8; --write: #f0a05a; --ink: #ddd; --faint: #444; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 800px; margin: 2em auto;
  padding: 0 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; }
pre { overflow-x: auto; font-size: 13px; }
svg { width: 100%; height: auto; }
svg text { font-size: 11px; fill: var(--ink); }
.grid { stroke: var(--faint); }
rect.read, .key.read { fill: var(--read); background: var(--read); }
rect.write, .key.write { fill: var(--write); background: var(--write); }
rect { fill-opacity: 0.7; }
polyline { fill: none; stroke-width: 1.5; }
polyline.read { stroke: var(--read); } polyline.write { stroke: var(--write); }
.key { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.3em 0 1em; }
`;

/** What the page says beside the result. */
export interface ReportOptions {
  /** When it was measured, as it is to be written. */
  readonly date?: string | undefined;
}

const names = ["read", "write"] as const;
type Name = (typeof names)[number];

/** The page, as the text of an HTML file. */
export function perfReport(result: PerfResult, { date }: ReportOptions = {}): string {
  const shown = names.filter((name) => result[name].count > 0);
  const title = `${result.device.name}, ${workloadText(result.workload)}`;
  const keys = shown.map((name) => `<span class="key ${name}"></span>${name}`).join(" ");
  const nothing = "<p>Nothing succeeded: there is nothing to draw.</p>";
  const charts = [
    `<h2>Latency</h2>\n<p>${keys}</p>`,
    latencyChart(result, shown),
    `<h2>Throughput</h2>\n<p>${keys}</p>`,
    throughputChart(result, shown),
  ];
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style></head>`,
    "<body>",
    `<h1>${escaped(title)}</h1>`,
    ...(date === undefined ? [] : [`<p>${escaped(date)}</p>`]),
    `<pre>${escaped(perfText(result))}</pre>`,
    ...(shown.length === 0 ? [nothing] : charts),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function latencyChart(result: PerfResult, shown: readonly Name[]): string {
  const text: ChartText = {
    title: "Distribution of the latencies",
    across: "latency, logarithmic; requests in each eighth of a power of two",
    formatX: latencyText,
    formatY: countText,
  };
  const sets = shown.map((name) => ({
    name,
    // A logarithm has no zero: a latency below the resolution is drawn at it.
    bars: result[name].buckets.map(
      ([from, to, count]) => [Math.max(0.05, from), to, count] as const,
    ),
  }));
  return barChart(text, sets);
}

function throughputChart({ timeline, elapsedMs }: PerfResult, shown: readonly Name[]): string {
  const { intervalMs } = timeline;
  const text: ChartText = {
    title: "Requests per second over time",
    across: `time; each step is ${durationText(intervalMs)}`,
    formatX: durationText,
    formatY: countText,
  };
  const counts = { read: timeline.reads, write: timeline.writes };
  // The last interval ended early: of less than half of one, chance makes the most.
  const whole = Math.max(1, Math.round(elapsedMs / intervalMs));
  const lines = shown.map((name) => ({
    name,
    values: counts[name].slice(0, whole).map((count, i) => {
      const lengthMs = Math.min(intervalMs, elapsedMs - i * intervalMs);
      return lengthMs > 0 ? (count / lengthMs) * 1000 : 0;
    }),
  }));
  return lineChart(text, lines, Math.min(whole, timeline.reads.length) * intervalMs);
}
