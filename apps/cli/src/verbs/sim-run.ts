// `sim run`: many seeds, in all threads that there are; each must keep every invariant.

import { availableParallelism } from "node:os";
import { type Figures, mergeFigures, noFigures } from "@nvmeof/sim";
import type { Verb } from "../context.ts";
import type { CommonOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";
import { runPool } from "../sim/pool.ts";
import { failureText, figuresText, violated, virtualTime } from "../sim/report.ts";
import type { Failure } from "../sim/seeds.ts";
import { formatMs } from "../units.ts";

export interface SimRunOptions extends CommonOptions, ProgressOptions {
  readonly seeds: number;
  readonly from: number;
  readonly workers?: number;
  readonly failures: number;
}

/** What the seeds have come to so far. */
interface Found {
  readonly figures: Figures;
  /** By increasing seed. */
  readonly failures: readonly Failure[];
}

export const run: Verb<SimRunOptions> = async (context, options) => {
  const { io, signal, out, style, format } = context;
  const { from, seeds, failures: failuresMax, workers = availableParallelism() } = options;
  const { progress: choice, silent = false } = options;
  const startMs = performance.now();
  let found: Found = { figures: noFigures, failures: [] };
  const progress = await startProgress(io, {
    choice,
    silent,
    label: "seeds",
    totalBytes: undefined,
    unit: "seeds",
    text: (count, elapsedMs) => progressText(count, seeds, elapsedMs, found),
  });
  const data = () => ({
    from,
    seeds: found.figures.runs,
    durationMs: performance.now() - startMs,
    figures: found.figures,
    failures: found.failures,
  });
  try {
    await runPool(
      { from, seeds, failuresMax },
      {
        program: io.program,
        workers,
        signal,
        tell: (batch) => {
          found = {
            figures: mergeFigures(found.figures, batch.figures),
            failures: [...found.failures, ...batch.failures].sort((a, b) => a.seed - b.seed),
          };
          progress.update(found.figures.runs);
        },
      },
    );
  } finally {
    progress.end();
  }
  const [first] = found.failures;
  const heading = `${found.figures.runs} seeds from ${from} on, in ${formatMs(performance.now() - startMs)}`;
  const text = (): string => `${heading}\n${figuresText(found.figures, style)}`;
  if (first === undefined && !signal.aborted) return { data: data(), text };
  // All that is known is told, then why it is no success.
  context.partial = data();
  if (format !== "json") {
    await out.write(
      text() + found.failures.map((failure) => `\n${failureText(failure, style)}`).join(""),
    );
  }
  signal.throwIfAborted();
  throw violated(found.failures.length, first!);
};

function progressText(count: number, seeds: number, elapsedMs: number, found: Found): string {
  const rate = elapsedMs > 0 ? (count / elapsedMs) * 1000 : 0;
  const left = rate > 0 ? formatMs(((seeds - count) / rate) * 1000) : "?";
  const { failures, figures } = found;
  return (
    `${count} of ${seeds} seeds  ${rate.toFixed(0)}/s  virtual ${virtualTime(figures.virtualMs)}  ` +
    `${failures.length} violations  eta ${left}`
  );
}
