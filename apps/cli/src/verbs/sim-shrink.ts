// `sim shrink`: the smallest plan that breaks the same invariant as a seed does.

import { type PlanSize, planSize, run as runPlan, shrink } from "@nvmeof/sim";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import type { CommonOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";
import { planArgument, runningPlan } from "../sim/plan-argument.ts";
import { violationText } from "../sim/report.ts";

export interface SimShrinkOptions extends CommonOptions, ProgressOptions {
  readonly output?: string;
  readonly runs: number;
}

export const run: Verb<SimShrinkOptions> = async (context, options, which) => {
  const { io, signal } = context;
  const { progress: choice, silent = false, output, runs: runsMax } = options;
  const plan = await planArgument(which);
  const { violation } = await runningPlan(which, () => runPlan(plan));
  if (violation === undefined) {
    throw usage(`seed ${plan.seed} breaks no invariant: there is nothing to shrink`);
  }
  let size = planSize(plan);
  const progress = await startProgress(io, {
    choice,
    silent,
    label: "runs",
    totalBytes: undefined,
    unit: "runs",
    text: (runs) => `${runs} runs, now ${sizeText(size)}`,
  });
  const fails = async (smaller: typeof plan): Promise<boolean> => {
    const verdict = await runPlan(smaller);
    // Signals and the progress line get their turn.
    await new Promise((resolve) => setImmediate(resolve));
    return verdict.violation?.invariant === violation.invariant;
  };
  const shrunk = await shrink(plan, fails, {
    runsMax,
    stopped: () => signal.aborted,
    progress: (now) => {
      ({ size } = now);
      progress.update(now.runs);
    },
  }).finally(() => progress.end());
  const after = await runPlan(shrunk.plan);
  if (output !== undefined) await replaceFile(output, planText(shrunk.plan));
  const { invariant } = violation;
  const data = { ...shrunk, invariant, before: planSize(plan), size, hash: after.hash };
  const steps = `${sizeText(planSize(plan))}\n${sizeText(size)}, after ${shrunk.runs} runs\n`;
  const text = `${violationText(after.violation ?? violation)}\n${steps}`;
  return {
    data,
    text: () =>
      output === undefined
        ? `${text}${planText(shrunk.plan)}`
        : `${text}replay: nvmeof sim replay ${output}\n`,
  };
};

const planText = (plan: object): string => `${JSON.stringify(plan, undefined, 2)}\n`;

const sizeText = ({ hosts, paths, users, requests, steps, safetyMs }: PlanSize): string =>
  `${hosts} hosts, ${paths} paths, ${users} users, ${requests} requests, ${steps} steps, ${safetyMs} ms`;
