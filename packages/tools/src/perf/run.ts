// One measurement: a load on a device until its end, and what came of it.
// Read first: load.ts, which does it; result.ts for the shape.

import type { BlockDevice } from "@nvmeof/bdev";
import type { PathStatistics } from "@nvmeof/bdev/nvme";
import { type NvmeofError, isNvmeofError } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import type { LatencyHistogram } from "../latency.ts";
import { Content } from "./content.ts";
import { type LoadShare, type PerfEnd, PerfLoad } from "./load.ts";
import { mergedResult } from "./merge.ts";
import type { PerfMeter } from "./meter.ts";
import { type PerfPart, directionPart } from "./part.ts";
import type { PerfPaths, PerfResult } from "./result.ts";
import { Tally } from "./tally.ts";
import { type DecidedWorkload, type PerfWorkload, decideWorkload, writesData } from "./workload.ts";

/** What a measurement wants to know of a path. */
export type PathFigures = Pick<PathStatistics, "retries" | "switches" | "longestStallMs">;

/** What is known while it runs. */
export interface PerfProgress {
  /** undefined before measuring begins, and while what was written is read back. */
  readonly elapsedMs: number | undefined;
  /** Requests that succeeded, their bytes, and errors. */
  readonly count: number;
  readonly bytes: number;
  readonly errors: number;
}

/** A workload, and what it needs. */
export interface PerfOptions extends PerfWorkload {
  readonly device: BlockDevice;
  readonly clock: Clock;
  /** Makes an empty histogram: `latencyHistogram` of ./node. */
  readonly histogram: () => LatencyHistogram;
  /** `perfMeter()` of ./node. */
  readonly meter?: PerfMeter | undefined;
  /** `soon` of ./node: requests of an open loop start when they are due, and not a timer later. */
  readonly soon?: ((task: () => void) => void) | undefined;
  /** Statistics of all paths to the device, for retries. */
  readonly paths?: (() => readonly PathFigures[]) | undefined;
  /** Called ten times a second. */
  readonly progress?: ((progress: PerfProgress) => void) | undefined;
  /** Ends it early; what was measured so far is the result. */
  readonly signal?: AbortSignal | undefined;
}

/** A result, and the first error: of a request, or of reading back what was written. */
export interface PerfOutcome {
  readonly result: PerfResult;
  readonly firstError: NvmeofError | undefined;
}

const PROGRESS_MS = 100;

/**
 * Runs a workload to its end, and reads back what it wrote if that was asked for. Errors of requests
 * are counted, and end neither; the first error of the reading back ends that.
 *
 * @throws RangeError for a workload that the device cannot do.
 */
export async function runPerf(options: PerfOptions): Promise<PerfOutcome> {
  const { part, firstError } = await runPart(options, undefined);
  return { result: mergedResult([part], options), firstError };
}

/** What a part came to, and its first error. */
export interface PartOutcome {
  readonly part: PerfPart;
  readonly firstError: NvmeofError | undefined;
}

/** When a part is being measured: neither what comes before that counts, nor the reading back. */
export interface PartEvents {
  begun(): void;
  measured(): void;
}

/** The same as one of several loads. @throws RangeError as {@link runPerf} does. */
export async function runPart(
  options: PerfOptions,
  share: LoadShare | undefined,
  events?: PartEvents,
): Promise<PartOutcome> {
  const { device, clock, histogram, meter, signal } = options;
  const workload = decideWorkload(options, device);
  const tally = new Tally(histogram, () => {
    meter?.start();
    events?.begun();
  });
  const content = workload.verify ? contentOf(device, workload) : undefined;
  const before = options.paths?.() ?? [];
  const { end, load } = await loaded(options, { workload, tally, content, share });
  const elapsedMs = tally.throughput === undefined ? 0 : clock.nowMs() - tally.startedMs;
  const timeline = tally.throughput?.timeline(clock.nowMs()) ?? noTimeline;
  const reading = (tally.throughput && meter?.stop()) ?? null;
  events?.measured();
  const paths = options.paths === undefined ? null : pathsOf(before, options.paths());
  const goesOn = end !== "interrupted" && end !== "removed";
  const unread = goesOn ? await readBack(content, device, signal) : undefined;
  const { name, blockBytes, blockCount } = device;
  const { ratePerSecond } = workload;
  const part: PerfPart = {
    device: { name, blockBytes, blockCount },
    workload,
    end,
    abandoned: tally.abandoned,
    elapsedMs,
    read: directionPart(tally.read),
    write: directionPart(tally.write),
    errors: tally.failures(),
    schedule: ratePerSecond === null ? null : { ratePerSecond, ...load.lateness },
    verify: content?.result ?? null,
    paths,
    reading,
    timeline,
  };
  return { part, firstError: tally.firstError ?? unread };
}

const noTimeline = { intervalMs: 1, reads: [], writes: [], errors: [], latencyMaxMs: [] };

function contentOf(device: BlockDevice, workload: DecidedWorkload): Content {
  const { blockBytes, blockCount } = device;
  const requestBlocks = workload.requestBytes / blockBytes;
  const places = Math.floor(blockCount / requestBlocks);
  const readOnly = !writesData(workload);
  return new Content({ blockBytes, requestBlocks, places, seed: workload.seed, readOnly });
}

/** Somebody who wants an end gets it, with what was compared so far. */
async function readBack(
  content: Content | undefined,
  device: BlockDevice,
  signal: AbortSignal | undefined,
): Promise<NvmeofError | undefined> {
  try {
    await content?.readBack(device, signal);
    return undefined;
  } catch (error) {
    if (signal?.aborted === true) return undefined;
    if (isNvmeofError(error)) return error;
    throw error;
  }
}

interface Loading {
  readonly workload: DecidedWorkload;
  readonly tally: Tally;
  readonly content: Content | undefined;
  readonly share: LoadShare | undefined;
}

/** Runs the load until nothing is in flight any more. */
async function loaded(
  options: PerfOptions,
  { workload, tally, content, share }: Loading,
): Promise<{ readonly end: PerfEnd; readonly load: PerfLoad }> {
  const { device, clock, soon, signal } = options;
  let ended: (end: PerfEnd) => void = () => {};
  const over = new Promise<PerfEnd>((resolve) => (ended = resolve));
  const load = new PerfLoad({ device, clock, workload, tally, content, soon, share, ended });
  const stop = (): void => load.stop("interrupted");
  const stopTelling = telling(options, workload, tally);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    load.start();
    if (signal?.aborted === true) stop();
    return { end: await over, load };
  } finally {
    signal?.removeEventListener("abort", stop);
    stopTelling();
  }
}

/** Tells of the progress until the returned function is called. */
function telling(
  { clock, progress }: PerfOptions,
  { requestBytes }: DecidedWorkload,
  tally: Tally,
): () => void {
  if (progress === undefined) return () => {};
  let timer: Timer;
  const tell = (): void => {
    const count = tally.read.count + tally.write.count;
    const elapsedMs = tally.throughput === undefined ? undefined : clock.nowMs() - tally.startedMs;
    progress({ elapsedMs, count, bytes: count * requestBytes, errors: tally.errors });
    timer = clock.at(clock.nowMs() + PROGRESS_MS, tell);
  };
  timer = clock.at(clock.nowMs() + PROGRESS_MS, tell);
  return () => timer.cancel();
}

function pathsOf(before: readonly PathFigures[], after: readonly PathFigures[]): PerfPaths {
  const sum = (of: readonly PathFigures[], what: "retries" | "switches"): number =>
    of.reduce((total, path) => total + path[what], 0);
  // A path that went took its counters along.
  const grown = (what: "retries" | "switches"): number =>
    Math.max(0, sum(after, what) - sum(before, what));
  return {
    count: after.length,
    retries: grown("retries"),
    switches: grown("switches"),
    longestStallMs: Math.max(0, ...after.map(({ longestStallMs }) => longestStallMs)),
  };
}
