// What a measurement does: which requests, how large, how many at a time, for how long. In the words of
// fio(1). Read first: load.ts, which carries it out.

import type { BlockDevice } from "@nvmeof/bdev";

/** Which requests: at random places or one after another; reads, writes, or both at random. */
export const perfKinds = ["randread", "randwrite", "randrw", "read", "write"] as const;
/** Which requests: see {@link perfKinds}. */
export type PerfKind = (typeof perfKinds)[number];

/** A workload as its user asks for it. */
export interface PerfWorkload {
  readonly rw: PerfKind;
  /** randrw: how many of a hundred requests are reads, 0 to 100. Default 50. */
  readonly readPercent?: number | undefined;
  /**
   * Bytes of a request, a multiple of the block size; it begins at a multiple of itself. Default
   * 4 KiB, or a block where that is larger.
   */
  readonly requestBytes?: number | undefined;
  /** Most requests in flight on each queue. Default 32. */
  readonly queueDepth?: number | undefined;
  /** Channels that are opened; over NVMe each has an I/O queue while there are enough. Default 1. */
  readonly queues?: number | undefined;
  /**
   * Open loop: so many requests are due every second, whether those before them were answered or not,
   * and their latency counts from then. Default: closed loop, each answer is followed by a request.
   */
  readonly ratePerSecond?: number | undefined;
  /** Ends after this time. Default 10 s, or none where `sizeBytes` is given. */
  readonly durationMs?: number | undefined;
  /** Ends after so many bytes were read or written. Default: no such end. */
  readonly sizeBytes?: number | undefined;
  /** Runs for this time before anything but errors counts. Default 0. */
  readonly rampMs?: number | undefined;
  /**
   * Writes have a content that is a function of LBA and seed, which is read back at the end. Reads are
   * compared with it: all of them where nothing is written, else those of blocks already written.
   */
  readonly verify?: boolean | undefined;
  /** Decides places, mix and content: a whole number of 32 bits. Default 1. */
  readonly seed?: number | undefined;
  /** Ends after so many errors. Default 1000. */
  readonly errorsMax?: number | undefined;
  /**
   * Threads that each do all of the above, 1 to 64: depth, queues, rate, size and errors are those of one
   * of them. Default: none but the one that calls.
   */
  readonly workers?: number | undefined;
}

/** A workload with everything decided; null for what there is none of. */
export interface DecidedWorkload {
  readonly rw: PerfKind;
  readonly readPercent: number;
  readonly requestBytes: number;
  readonly queueDepth: number;
  readonly queues: number;
  readonly ratePerSecond: number | null;
  readonly durationMs: number | null;
  readonly sizeBytes: number | null;
  readonly rampMs: number;
  readonly verify: boolean;
  readonly seed: number;
  readonly errorsMax: number;
  readonly workers: number | null;
}

const REQUEST_BYTES = 4096;
const QUEUE_DEPTH = 32;
const QUEUES_MAX = 1024;
const DURATION_MS = 10_000;
const RATE_MAX = 10_000_000;
const ERRORS_MAX = 1000;
/** Most threads that measure together. */
export const PERF_WORKERS_MAX = 64;
/** Most memory for the data of requests in flight, of all workers. */
const BUFFER_BYTES_MAX = 2 ** 30;
/** A bit is kept for every place that is verified: at most 64 MiB of them. */
const VERIFIED_PLACES_MAX = 2 ** 29;

const readPercents: Readonly<Record<PerfKind, number | undefined>> = {
  randread: 100,
  read: 100,
  randwrite: 0,
  write: 0,
  randrw: undefined,
};

/** Whether a workload changes what the device holds. */
export const writesData = ({ rw }: Pick<PerfWorkload, "rw">): boolean => readPercents[rw] !== 100;

/** Whether requests go to random places. */
export const isRandom = (rw: PerfKind): boolean => rw.startsWith("rand");

/**
 * Decides what was left open, for a device.
 *
 * @throws RangeError for a workload that cannot be, or that the device cannot do.
 */
export function decideWorkload(asked: PerfWorkload, device: BlockDevice): DecidedWorkload {
  const { sizeBytes } = asked;
  const endless = sizeBytes === undefined ? DURATION_MS : undefined;
  const workload: DecidedWorkload = {
    rw: asked.rw,
    readPercent: readPercents[asked.rw] ?? asked.readPercent ?? 50,
    requestBytes: asked.requestBytes ?? Math.max(REQUEST_BYTES, device.blockBytes),
    queueDepth: asked.queueDepth ?? QUEUE_DEPTH,
    queues: asked.queues ?? 1,
    ratePerSecond: asked.ratePerSecond ?? null,
    durationMs: asked.durationMs ?? endless ?? null,
    sizeBytes: sizeBytes ?? null,
    rampMs: asked.rampMs ?? 0,
    verify: asked.verify ?? false,
    seed: asked.seed ?? 1,
    errorsMax: asked.errorsMax ?? ERRORS_MAX,
    workers: asked.workers ?? null,
  };
  checkNumbers(workload);
  checkRequests(workload, device);
  return workload;
}

function within(what: string, value: number, least: number, most: number): void {
  if (Number.isFinite(value) && value >= least && value <= most) return;
  throw new RangeError(`${what} is ${value}; it must be ${least} to ${most}`);
}

function whole(what: string, value: number, least: number, most: number): void {
  within(what, value, least, most);
  if (!Number.isInteger(value)) throw new RangeError(`${what} is ${value}, no whole number`);
}

function checkNumbers(workload: DecidedWorkload): void {
  const { ratePerSecond, durationMs, sizeBytes, workers } = workload;
  whole("the share of reads", workload.readPercent, 0, 100);
  whole("the number of queues", workload.queues, 1, QUEUES_MAX);
  within("the time before measuring, ms,", workload.rampMs, 0, Number.MAX_SAFE_INTEGER);
  whole("the seed", workload.seed, -(2 ** 31), 2 ** 32 - 1);
  whole("the number of errors", workload.errorsMax, 1, Number.MAX_SAFE_INTEGER);
  if (ratePerSecond !== null) within("the rate", ratePerSecond, 0.001, RATE_MAX);
  if (durationMs !== null) within("the time, ms,", durationMs, 1, Number.MAX_SAFE_INTEGER);
  if (sizeBytes !== null) whole("the size", sizeBytes, 1, Number.MAX_SAFE_INTEGER);
  if (workers !== null) whole("the number of workers", workers, 1, PERF_WORKERS_MAX);
}

function checkRequests(workload: DecidedWorkload, device: BlockDevice): void {
  const { requestBytes, queueDepth, queues, verify, workers } = workload;
  const { name, blockBytes, blockCount, limits, features } = device;
  whole("the queue depth", queueDepth, 1, limits.inflightMax);
  const blocks = requestBytes / blockBytes;
  const bytesMax = blockBytes * Math.min(limits.transferBlocksMax, blockCount);
  if (!Number.isInteger(blocks) || blocks < 1) {
    const wanted = `${name} wants multiples of its blocks of ${blockBytes} bytes`;
    throw new RangeError(`requests have ${requestBytes} bytes; ${wanted}`);
  }
  if (requestBytes > bytesMax) {
    const most = `${name} takes at most ${bytesMax} at a time`;
    throw new RangeError(`requests have ${requestBytes} bytes; ${most}`);
  }
  if (writesData(workload) && features.readOnly) throw new RangeError(`${name} is read-only`);
  const buffers = requestBytes * queueDepth * queues * (workers ?? 1);
  if (buffers > BUFFER_BYTES_MAX) {
    const each = workers === null ? "" : `${workers} workers with `;
    const most = `at most ${BUFFER_BYTES_MAX} may be in flight`;
    throw new RangeError(
      `${each}${queues} queues of ${queueDepth} requests hold ${buffers} bytes; ${most}`,
    );
  }
  if (verify && Math.floor(blockCount / blocks) > VERIFIED_PLACES_MAX) {
    throw new RangeError(`${name} has more places than can be verified: use larger requests`);
  }
}
