// `perf run`: a workload on a namespace, measured. The engine is in @nvmeof/tools.

import type { BlockDevice } from "@nvmeof/bdev";
import type { NvmeHost } from "@nvmeof/bdev/nvme";
import {
  PerfBoard,
  type PerfKind,
  type PerfOutcome,
  type PerfProgress,
  type PerfResult,
  type PerfWorkload,
  perfReport,
  perfText,
  runPerf,
  writesData,
} from "@nvmeof/tools";
import { latencyHistogram, perfMeter, soon } from "@nvmeof/tools/node";
import { systemClock } from "@nvmeof/transport/node";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import type { ControlOptions } from "../control-options.ts";
import { CliError, usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import type { MetricsOptions } from "../metrics-options.ts";
import { openOnlookers } from "../onlookers.ts";
import type { ConsentOptions, NamespaceOptions, ProgressOptions } from "../options.ts";
import { measureTogether } from "../perf/crew.ts";
import type { QueueFacts } from "../perf/member.ts";
import { startProgress } from "../progress.ts";
import { onlyNamespace, withHost } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";
import { formatBytes, formatMs, formatRate } from "../units.ts";

interface PerfRunOptions
  extends
    Omit<NamespaceOptions, "queueSize">,
    ConsentOptions,
    ProgressOptions,
    ControlOptions,
    MetricsOptions {
  readonly rw: PerfKind;
  readonly rwmixread: number;
  readonly bs?: number;
  readonly iodepth: number;
  readonly queues: number;
  readonly workers?: number;
  readonly rate?: number;
  readonly time?: number;
  readonly size?: number;
  readonly rampTime: number;
  readonly verify?: boolean;
  readonly seed: number;
  readonly maxErrors: number;
  readonly report?: string;
  readonly queueSize?: number;
}

const QUEUE_SIZE = 64;

export const run: Verb<PerfRunOptions> = async (context, options, uri?: string) => {
  if (options.workers !== undefined && options.metrics !== undefined) {
    throw usage(
      "workers have connections of their own",
      "Metrics are of this one: leave out --workers.",
    );
  }
  const { iodepth, workers, queueSize = Math.max(QUEUE_SIZE, iodepth + 1) } = options;
  // Workers have connections of their own: this one asks what there is, and waits.
  const nrIoQueues = workers === undefined ? options.queues : 1;
  const connection = { ...options, nrIoQueues, queueSize };
  const endpoint = subsystemEndpoint(uri, connection);
  const board = new PerfBoard(workers ?? 0);
  // Before the connections end for it: who loses its device by that knows why.
  context.signal.addEventListener("abort", () => board.stop(), { once: true });
  const { result } = await withHost(context, endpoint, connection, async (host) => {
    const nsid = endpoint.nsid ?? (await onlyNamespace(host.controller));
    const device = await host.openNamespace(nsid);
    if (writesData(options) && device.features.readOnly) {
      const hint = "Measure reads (--rw randread or read), or another namespace.";
      throw usage(`namespace ${nsid} is read-only, and ${options.rw} writes`, hint);
    }
    if (writesData(options)) {
      const bytes = formatBytes(device.blockBytes * device.blockCount);
      const what = `this overwrites namespace ${nsid} (${bytes})`;
      await confirm(context, what, options.yes === true);
    }
    const measured = { host, nsid, device, board };
    return report(context, options, await measureExposed(context, options, measured));
  });
  return result;
};

/** Others may look while it measures. */
async function measureExposed(
  context: Context,
  options: PerfRunOptions,
  what: Measured,
): Promise<PerfOutcome> {
  const onlookers = await openOnlookers(context, options, "perf run");
  const { metricsUrl } = onlookers;
  onlookers.showHost(what.host.group);
  try {
    if (metricsUrl !== undefined) context.notes.say(`metrics at ${metricsUrl}`);
    return await measure(context, options, what);
  } finally {
    await onlookers.close();
  }
}

/** A controller may grant less than was asked for: the figures are those of what there is. */
function warnOfQueues(
  context: Context,
  { queues, iodepth, workers }: PerfRunOptions,
  all: readonly QueueFacts[],
): void {
  const ioQueues = Math.min(...all.map((each) => each.ioQueues));
  const depth = Math.min(...all.map((each) => each.depth));
  const whom = workers === undefined ? "" : " to a worker";
  if (ioQueues < queues) {
    context.warn(`the controller grants ${ioQueues} of ${queues} I/O queues${whom}`);
  }
  if (depth < iodepth) context.warn(`a queue holds ${depth} requests; the rest of ${iodepth} wait`);
}

/** What is measured. */
interface Measured {
  readonly host: NvmeHost;
  readonly nsid: number;
  readonly device: BlockDevice;
  readonly board: PerfBoard;
}

const workloadOf = (options: PerfRunOptions): PerfWorkload => ({
  rw: options.rw,
  readPercent: options.rwmixread,
  requestBytes: options.bs,
  queueDepth: options.iodepth,
  queues: options.queues,
  ratePerSecond: options.rate,
  durationMs: options.time,
  sizeBytes: options.size,
  rampMs: options.rampTime,
  verify: options.verify,
  seed: options.seed,
  errorsMax: options.maxErrors,
  workers: options.workers,
});

async function measure(
  context: Context,
  options: PerfRunOptions,
  what: Measured,
): Promise<PerfOutcome> {
  const { progress, silent = false, rw, workers } = options;
  const latest: { progress: PerfProgress | undefined } = { progress: undefined };
  const line = await startProgress(context.io, {
    choice: progress,
    silent,
    label: rw,
    totalBytes: undefined,
    unit: "requests",
    text: () => progressText(options, latest.progress),
  });
  const tell = (now: PerfProgress): void => {
    latest.progress = now;
    line.update(now.count);
  };
  try {
    return await (workers === undefined
      ? measureHere(context, options, what, tell)
      : measureTogether({
          ...what,
          workload: { ...workloadOf(options), workers },
          ioQueues: options.queues,
          program: context.io.program,
          ready: (facts) => warnOfQueues(context, options, facts),
          progress: tell,
          signal: context.signal,
        }));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usage(
      error.message,
      "`nvmeof perf run --help` says what --bs, --iodepth and others may be.",
    );
  } finally {
    line.end();
  }
}

/** In this thread, by the connection that there is. */
function measureHere(
  context: Context,
  options: PerfRunOptions,
  { host, nsid, device }: Measured,
  progress: (now: PerfProgress) => void,
): Promise<PerfOutcome> {
  const { ioQueues } = host.controller.controller;
  const depth = Math.min(...ioQueues.map((queue) => queue.depth));
  warnOfQueues(context, options, [{ ioQueues: ioQueues.length, depth }]);
  return runPerf({
    ...workloadOf(options),
    device,
    clock: systemClock,
    histogram: latencyHistogram,
    meter: perfMeter(),
    soon,
    paths: () => host.device(nsid)?.paths.map(({ statistics }) => statistics) ?? [],
    signal: context.signal,
    progress,
  });
}

function progressText(
  { rw, time, size }: PerfRunOptions,
  progress: PerfProgress | undefined,
): string {
  if (progress?.elapsedMs === undefined) return `${rw}  warming up`;
  const { elapsedMs, count, bytes, errors } = progress;
  const iops = elapsedMs > 0 ? Math.round((count / elapsedMs) * 1000) : 0;
  const parts = [
    rw,
    time === undefined ? formatMs(elapsedMs) : `${formatMs(elapsedMs)} of ${formatMs(time)}`,
    ...(size === undefined ? [] : [`${formatBytes(bytes)} of ${formatBytes(size)}`]),
    `${iops.toLocaleString("en")} IOPS`,
    formatRate(bytes, elapsedMs),
    ...(errors === 0 ? [] : [`${errors} errors`]),
  ];
  return parts.join("  ");
}

/** Why a measurement is no success. */
function problemOf({ result, firstError }: PerfOutcome): unknown {
  const mismatches = result.verify?.mismatches ?? 0;
  if (mismatches > 0) {
    const message = `${mismatches} blocks do not hold what was written`;
    return new CliError("NVME_ERR_MISMATCH", message);
  }
  return firstError;
}

async function report(
  context: Context,
  options: PerfRunOptions,
  outcome: PerfOutcome,
): Promise<Report> {
  const { format, out, signal } = context;
  const { result } = outcome;
  const unstarted = result.schedule?.unstarted ?? 0;
  if (unstarted > 0) {
    context.warn(`the rate was not kept: ${unstarted} requests were due and never started`);
  }
  let problem = problemOf(outcome);
  try {
    await writeReport(context, options, result);
  } catch (error) {
    problem ??= error;
  }
  const text = (): string => perfText(result);
  if (problem === undefined && !signal.aborted) return { data: result, text };
  // All that is known is told, then why it is no success.
  context.partial = result;
  if (format !== "json") await out.write(text());
  signal.throwIfAborted();
  throw problem;
}

async function writeReport(
  { notes }: Context,
  { report }: PerfRunOptions,
  result: PerfResult,
): Promise<void> {
  if (report === undefined) return;
  await replaceFile(report, perfReport(result, { date: new Date().toISOString() }));
  notes.detail(`the report is in ${report}`);
}
