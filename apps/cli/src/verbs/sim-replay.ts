// `sim replay`: one run again, with all that happened in it.

import { type Plan, type Verdict, formatEvent, planSize, run as runPlan } from "@nvmeof/sim";
import type { Context, Verb } from "../context.ts";
import { eventEnvelope, jsonText } from "../envelope.ts";
import type { CommonOptions } from "../options.ts";
import { planArgument, runningPlan } from "../sim/plan-argument.ts";
import { figuresText, violated, violationText } from "../sim/report.ts";

export interface SimReplayOptions extends CommonOptions {
  readonly last?: number;
}

/** Events that are written at once. */
const CHUNK = 500;

export const run: Verb<SimReplayOptions> = async (context, { last }, which) => {
  const plan = await planArgument(which);
  const verdict = await runningPlan(which, () => runPlan(plan, { keep: "all" }));
  const { seed, hash, violation, figures } = verdict;
  await writeEvents(context, verdict, last);
  const data = { seed, hash, violation: violation ?? null, size: planSize(plan), figures };
  if (violation === undefined) {
    return {
      data,
      text: (style) => `\n${sizeText(plan)}hash ${hash}\n${figuresText(figures, style)}`,
    };
  }
  context.partial = data;
  if (context.format !== "json") {
    await context.out.write(`\n${sizeText(plan)}hash ${hash}\n${violationText(violation)}\n`);
  }
  throw violated(1, { seed, ...violation });
};

async function writeEvents(
  { out, format, signal }: Context,
  { events }: Verdict,
  last: number | undefined,
): Promise<void> {
  const shown = last === undefined ? events : events.slice(Math.max(0, events.length - last));
  for (let at = 0; at < shown.length; at += CHUNK) {
    signal.throwIfAborted();
    const lines = shown.slice(at, at + CHUNK).map((event) => {
      if (format !== "json") return `${formatEvent(event)}\n`;
      const { fields, ...rest } = event;
      return jsonText(eventEnvelope("sim-replay", "trace", { ...rest, ...fields }), false);
    });
    await out.write(lines.join(""));
  }
}

function sizeText(plan: Plan): string {
  const { hosts, paths, users, requests, steps } = planSize(plan);
  return `seed ${plan.seed}: ${hosts} hosts, ${paths} paths, ${users} users, ${requests} requests, ${steps} steps\n`;
}
