// `perf compare`: two results of `perf run`, figure by figure.

import {
  type PerfComparison,
  type PerfResult,
  comparePerf,
  perfResultOf,
  workloadDifferences,
} from "@nvmeof/tools";
import type { Verb } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import type { CommonOptions } from "../options.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { formatBytes } from "../units.ts";

interface PerfCompareOptions extends CommonOptions {
  readonly tolerance?: number;
}

/** A result has some ten kilobytes. */
const RESULT_BYTES_MAX = 16 * 2 ** 20;

async function resultIn(file: string): Promise<PerfResult> {
  const hint = "`nvmeof perf run … --json >file.json` writes one.";
  const text = new TextDecoder().decode(await readWholeFile(file, RESULT_BYTES_MAX));
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw usage(`${file} is not JSON: ${(error as Error).message}`, hint);
  }
  try {
    return perfResultOf(document);
  } catch (error) {
    throw usage(`${file} holds ${(error as Error).message}`, hint);
  }
}

/** The figures that --tolerance is about: those that chance changes least. */
const judged = /(iops|latency (mean|p50|p90|p99)|^errors)$/;

interface Row extends PerfComparison {
  readonly regressed: boolean;
}

function valueText(value: number, unit: PerfComparison["unit"]): string {
  if (unit === "B/s") return `${formatBytes(Math.round(value))}/s`;
  if (unit === "1/s") return Math.round(value).toLocaleString("en");
  const digits = value.toFixed(value < 100 && !Number.isInteger(value) ? 2 : 0);
  return unit === "" ? digits : `${digits} ${unit === "us" ? "µs" : unit}`;
}

const columns: readonly Column<Row>[] = [
  { title: "Figure", value: ({ figure }) => figure },
  { title: "First", value: ({ a, unit }) => valueText(a, unit), align: "right" },
  { title: "Second", value: ({ b, unit }) => valueText(b, unit), align: "right" },
  {
    title: "Ratio",
    value: ({ ratio }) => (ratio === null ? "-" : ratio.toFixed(3)),
    align: "right",
  },
  { title: "", value: ({ regressed }) => (regressed ? "worse" : "") },
];

export const run: Verb<PerfCompareOptions> = async (context, { tolerance }, a = "", b = "") => {
  const [first, second] = [await resultIn(a), await resultIn(b)];
  for (const difference of workloadDifferences(first, second)) {
    context.warn(`the workloads differ in ${difference}`);
  }
  const limit = tolerance === undefined ? Infinity : tolerance / 100;
  const rows = comparePerf(first, second).map((figure) => ({
    ...figure,
    regressed: judged.test(figure.figure) && figure.worse > limit,
  }));
  const figures = rows.map(({ worse: _worse, ...figure }) => figure);
  const report = {
    data: { first: a, second: b, tolerancePercent: tolerance ?? null, figures },
    text: (style: Style) => table(columns, rows, style),
  };
  const regressed = rows.filter((row) => row.regressed);
  if (regressed.length === 0) return report;
  context.partial = report.data;
  if (context.format !== "json") await context.publish(report);
  const names = regressed.map(({ figure }) => figure).join(", ");
  throw new CliError("NVME_ERR_REGRESSION", `worse by more than ${tolerance} %: ${names}`);
};
