// `sim states`: every state of a controller meets every event; which pairs a walk has met, and how often.

import { formatWalk, walk } from "@nvmeof/sim";
import type { Verb } from "../context.ts";
import { CliError } from "../errors.ts";
import type { CommonOptions } from "../options.ts";

export interface SimStatesOptions extends CommonOptions {
  readonly events: number;
}

export const run: Verb<SimStatesOptions> = async (context, { events }) => {
  const report = walk({ events });
  const { failures, coverage, ...sums } = report;
  const data = { events, ...sums, failures, ...coverage };
  const { missing, wrong } = coverage;
  // What short sequences do not come to is no failure: it is in the table.
  if (failures.length === 0 && wrong.length === 0) return { data, text: () => formatWalk(report) };
  context.partial = data;
  if (context.format !== "json") await context.out.write(formatWalk(report));
  throw new CliError(
    "NVME_ERR_VIOLATION",
    `${failures.length} sequences break an invariant, ${wrong.length} pairs are wrong, ` +
      `${missing.length} were not met`,
  );
};
