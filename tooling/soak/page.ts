// How a soak went, as one page: nothing is loaded from elsewhere, and no script runs.
// Read first: samples.ts for the curves.

// @boundaries-ignore what no package exports is tried as well
import { escaped, lineChart } from "../../packages/tools/src/perf/chart.ts";
import type { JudgedCurve } from "./samples.ts";
import { type SoakReport, growthText } from "./soak.ts";

const style = `
:root { color-scheme: light dark; --line: #2563a8; --ink: #222; --faint: #ccc; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --line: #7fb2e8; --ink: #ddd; --faint: #444; --bad: #ff8a80; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 800px; margin: 2em auto;
  padding: 0 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin: 2em 0 0; }
table { border-collapse: collapse; } th { text-align: left; font-weight: normal; padding-right: 2em; }
td { text-align: right; } .bad { color: var(--bad); font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--ink); }
.grid { stroke: var(--faint); } polyline { fill: none; stroke-width: 1.5; stroke: var(--line); }
`;

const secondsText = (ms: number): string =>
  ms >= 600_000 ? `${(ms / 60_000).toFixed(0)} min` : `${(ms / 1_000).toFixed(1)} s`;

const row = ([name, value]: readonly [string, string | number]): string =>
  `<tr><th>${escaped(name)}</th><td>${escaped(String(value))}</td></tr>`;

const counted = (counts: object): string =>
  Object.entries(counts)
    .map(([name, count]) => `${String(count)} ${name}`)
    .join(", ");

function section({ curve, values, trend, grows }: JudgedCurve, sampleMs: number): string {
  const text = {
    title: curve.title,
    across: "time",
    formatX: secondsText,
    formatY: (value: number) => `${value} ${curve.unit}`,
  };
  const chart = lineChart(text, [{ name: "line", values: [...values] }], values.length * sampleMs);
  const what = `after the warm-up ${growthText(trend, curve.unit)}`;
  const verdict = curve.bound === undefined ? `${what}; not judged` : what;
  const bad = grows ? ` <span class="bad">It grows.</span>` : "";
  return `<h2>${escaped(curve.title)}</h2>\n<p>${escaped(verdict)}.${bad}</p>\n${chart}`;
}

/** The page, as the text of an HTML file. */
export function soakPage(report: SoakReport, date: string): string {
  const { failures, seed, durationMs, curves, sampleMs } = report;
  const title = `Soak of ${secondsText(durationMs)}, seed ${seed}`;
  const facts: (readonly [string, string | number])[] = [
    ["requests answered", report.requests],
    ["answered twice", report.doubled],
    ["never answered", report.lost],
    ["blocks that were wrong", report.mismatches],
    ["longest stall", secondsText(report.longestStallMs)],
    ["faults", counted(report.faults)],
    ["resets asked for", report.resets],
    ["times that writes were held back", report.fences],
    ["hosts that came and went", counted(report.visits)],
    ["connections", report.connections],
    ["errors of requests of guests", counted(Object.fromEntries(report.codes)) || "none"],
  ];
  const verdict =
    failures.length === 0
      ? "<p>Nothing is wrong.</p>"
      : `<ul>${failures.map((each) => `<li class="bad">${escaped(each)}</li>`).join("")}</ul>`;
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style></head>`,
    "<body>",
    `<h1>${escaped(title)}</h1>`,
    `<p>${escaped(date)}</p>`,
    verdict,
    `<table>${facts.map(row).join("\n")}</table>`,
    ...curves.map((each) => section(each, sampleMs)),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}
