// `chaos replay`: the host's side of a capture, played to a target; where it answers otherwise is told.
// Read first: @nvmeof/tools/chaos replay/replay.ts.

import { Replay, type ReplayDifference, type Script, ScriptReader } from "@nvmeof/tools/chaos";
import { systemClock, tcpConnector } from "@nvmeof/transport/node";
import type { ChaosReplayOptions } from "../chaos-commands.ts";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import { openCapture } from "../decode/input.ts";
import { many } from "../decode/many.ts";
import { CliError, usage } from "../errors.ts";
import { EventStream } from "../event-stream.ts";
import { type Progress, startProgress } from "../progress.ts";
import type { Style } from "../style.ts";

/** Differences that are kept for the report; all are told as they come. */
const KEPT_MAX = 1_000;

async function scriptOf(
  context: Context,
  { connection, port }: ChaosReplayOptions,
  path: string,
): Promise<Script> {
  const reader = new ScriptReader({
    ...(connection === undefined ? {} : { connections: connection }),
    ...(port === undefined ? {} : { ports: port }),
  });
  const input = await openCapture(path, context.io);
  try {
    for await (const chunk of input.chunks) {
      context.signal.throwIfAborted();
      reader.write(chunk);
    }
  } finally {
    await input.close();
  }
  const script = reader.end();
  if (script.error !== undefined) throw script.error;
  for (const { number, why } of script.skipped) {
    context.warn(`connection ${number} is not played to its end: ${why}`);
  }
  if (script.connections.length > 0) return script;
  throw usage(`${path} has nothing that can be played`, "`nvmeof decode` says what is in it.");
}

function differenceText({ connection, subject, recorded, answered, isFinal }: ReplayDifference) {
  const was = recorded ?? "nothing";
  const is = answered ?? "no answer";
  const end = isFinal ? "; nothing more is sent on this connection" : "";
  return `connection ${connection}: ${subject}: recorded ${was}, now ${is}${end}`;
}

/** Plays it; resolves at its end, or at Ctrl-C. */
function play(
  context: Context,
  { to, wait }: ChaosReplayOptions,
  script: Script,
  progress: Progress,
  differs: (difference: ReplayDifference) => void,
): Promise<Replay> {
  return new Promise((resolve) => {
    const replay: Replay = new Replay({
      script,
      clock: systemClock,
      connector: tcpConnector(to),
      waitMs: wait,
      differs,
      moved: () => progress.update(replay.counters.sentPdus),
      ended: () => resolve(replay),
    });
    const stop = (): void => {
      replay.close();
      resolve(replay);
    };
    if (context.signal.aborted) stop();
    else context.signal.addEventListener("abort", stop, { once: true });
  });
}

export const run: Verb<ChaosReplayOptions> = async (context, options, path = "-") => {
  const script = await scriptOf(context, options, path);
  if (script.changes > 0) {
    const what = `${many(script.changes, "command")} of the capture may change what the target holds`;
    await confirm(context, what, options.yes === true);
  }
  const events = new EventStream(context, "chaos-replay");
  const differences: ReplayDifference[] = [];
  const { progress: choice, silent = false } = options;
  const progress = await startProgress(context.io, {
    choice,
    silent,
    label: "replaying",
    totalBytes: undefined,
    unit: "PDUs",
    text: (count) => `${many(count, "PDU")} sent, ${many(differences.length, "difference")}`,
  });
  let replay: Replay;
  try {
    replay = await play(context, options, script, progress, (difference) => {
      if (differences.length < KEPT_MAX) differences.push(difference);
      events.tell("difference", difference, differenceText(difference));
    });
  } finally {
    progress.end();
    await events.ended();
  }
  return verdict(context, replay, differences);
};

/** What is said at the end; and why the exit code is not 0, if so. */
async function verdict(
  context: Context,
  { counters }: Replay,
  differences: readonly ReplayDifference[],
): Promise<Report> {
  const { connections, sentPdus, answers } = counters;
  const sum = `${many(connections, "connection")}, ${many(sentPdus, "PDU")} sent, ${answers} answers`;
  const text = (style: Style): string =>
    `${style.bold(sum)}, ${many(counters.differences, "difference")}\n`;
  const report: Report = { data: { ...counters, kept: differences }, text };
  if (counters.differences === 0 && !context.signal.aborted) return report;
  context.partial = report.data;
  if (context.format !== "json") await context.publish(report);
  context.signal.throwIfAborted();
  const [first] = differences;
  throw new CliError(
    "NVME_ERR_FINDINGS",
    `the target answers otherwise: ${many(counters.differences, "difference")}, the first in ${first!.subject}`,
  );
}
