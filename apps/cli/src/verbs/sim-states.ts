// `sim states`: every state of a controller meets every event; which pairs a walk has met, and how often.

import { type WalkReport, formatWalk, walkInSteps } from "@nvmeof/sim";
import type { Context, Verb } from "../context.ts";
import { CliError } from "../errors.ts";
import type { CommonOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";

export interface SimStatesOptions extends CommonOptions, ProgressOptions {
  readonly events: number;
}

/** After so long, signals and the progress line get their turn. */
const TURN_MS = 50;

async function walked(context: Context, options: SimStatesOptions): Promise<WalkReport> {
  const { io, signal } = context;
  const { progress: choice, silent = false, events } = options;
  const progress = await startProgress(io, {
    choice,
    silent,
    label: "sequences",
    totalBytes: undefined,
    unit: "sequences",
    text: (count) => `${count} sequences`,
  });
  try {
    const steps = walkInSteps({ events, stopped: () => signal.aborted });
    let turnMs = performance.now();
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (performance.now() < turnMs + TURN_MS) continue;
      progress.update(step.value);
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
    }
  } finally {
    progress.end();
  }
}

export const run: Verb<SimStatesOptions> = async (context, options) => {
  const { events } = options;
  const report = await walked(context, options);
  const { failures, coverage, ...sums } = report;
  const data = { events, ...sums, failures, ...coverage };
  const { missing, wrong } = coverage;
  // What short sequences do not come to is no failure: it is in the table.
  const isGood = failures.length === 0 && wrong.length === 0;
  if (isGood && !context.signal.aborted) return { data, text: () => formatWalk(report) };
  context.partial = data;
  if (context.format !== "json") await context.out.write(formatWalk(report));
  context.signal.throwIfAborted();
  throw new CliError(
    "NVME_ERR_VIOLATION",
    `${failures.length} sequences break an invariant, ${wrong.length} pairs are wrong, ` +
      `${missing.length} were not met`,
  );
};
