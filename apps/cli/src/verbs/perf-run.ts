// `perf run`: a workload on a namespace, measured. The engine is in @nvmeof/tools.

import type { BlockDevice } from "@nvmeof/bdev";
import type { NvmeHost } from "@nvmeof/bdev/nvme";
import {
  type PerfKind,
  type PerfOptions,
  type PerfOutcome,
  type PerfProgress,
  type PerfResult,
  perfReport,
  perfText,
  runPerf,
  writesData,
} from "@nvmeof/tools";
import { latencyHistogram, perfMeter, soon } from "@nvmeof/tools/node";
import { systemClock } from "@nvmeof/transport/node";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import type { ConsentOptions, NamespaceOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";
import { onlyNamespace, withHost } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";
import { formatBytes, formatMs, formatRate } from "../units.ts";

interface PerfRunOptions
  extends Omit<NamespaceOptions, "queueSize">, ConsentOptions, ProgressOptions {
  readonly rw: PerfKind;
  readonly rwmixread: number;
  readonly bs?: number;
  readonly iodepth: number;
  readonly queues: number;
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
  const { iodepth, queues, queueSize = Math.max(QUEUE_SIZE, iodepth + 1) } = options;
  const connection = { ...options, nrIoQueues: queues, queueSize };
  const endpoint = subsystemEndpoint(uri, connection);
  const { result } = await withHost(context, endpoint, connection, async (host) => {
    const nsid = endpoint.nsid ?? (await onlyNamespace(host.controller));
    const device = await host.openNamespace(nsid);
    if (writesData(options)) {
      const bytes = formatBytes(device.blockBytes * device.blockCount);
      const what = `this overwrites namespace ${nsid} (${bytes})`;
      await confirm(context, what, options.yes === true);
    }
    warnOfQueues(context, host, options);
    return report(context, options, await measure(context, options, host, nsid, device));
  });
  return result;
};

/** A controller may grant less than was asked for: the figures are those of what there is. */
function warnOfQueues(context: Context, host: NvmeHost, { queues, iodepth }: PerfRunOptions): void {
  const { ioQueues } = host.controller.controller;
  if (ioQueues.length < queues) {
    context.warn(`the controller grants ${ioQueues.length} of ${queues} I/O queues`);
  }
  const depth = Math.min(...ioQueues.map((queue) => queue.depth));
  if (depth < iodepth) context.warn(`a queue holds ${depth} requests; the rest of ${iodepth} wait`);
}

async function measure(
  context: Context,
  options: PerfRunOptions,
  host: NvmeHost,
  nsid: number,
  device: BlockDevice,
): Promise<PerfOutcome> {
  const wanted: PerfOptions = {
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
    device,
    clock: systemClock,
    histogram: latencyHistogram,
    meter: perfMeter(),
    soon,
    paths: () => host.device(nsid)?.paths.map(({ statistics }) => statistics) ?? [],
    signal: context.signal,
  };
  const { progress, silent = false, rw } = options;
  const latest: { progress: PerfProgress | undefined } = { progress: undefined };
  const line = await startProgress(context.io, {
    choice: progress,
    silent,
    label: rw,
    totalBytes: undefined,
    unit: "requests",
    text: () => progressText(options, latest.progress),
  });
  try {
    return await runPerf({
      ...wanted,
      progress: (now) => {
        latest.progress = now;
        line.update(now.count);
      },
    });
  } catch (error) {
    throw error instanceof RangeError ? usage(error.message) : error;
  } finally {
    line.end();
  }
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
