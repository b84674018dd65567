// `cp`: between files, pipes and namespaces. The ends are opened, joined by the engine, and closed.

import type { Disk } from "@nvmeof/bdev";
import { isUri, parseAddress } from "../address.ts";
import { confirm } from "../confirm.ts";
import type { Context, Verb } from "../context.ts";
import {
  fileDestination,
  fileSource,
  namespaceDestination,
  namespaceSource,
  outputDestination,
  streamSource,
  tooLong,
} from "../copy-ends.ts";
import { type Destination, type Source, copy } from "../copy.ts";
import { CliError, usage } from "../errors.ts";
import { isSameFile, openForReading, openForWriting } from "../files.ts";
import type { ConnectionOptions, ConsentOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";
import { type OpenNamespace, openOne, withHost } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";
import { formatBytes, formatMs, formatRate } from "../units.ts";

interface CopyVerbOptions extends ConnectionOptions, ConsentOptions, ProgressOptions {
  readonly offset: number;
  readonly count?: number;
}

/** Pieces under way, and their size: enough to fill a queue over a LAN. */
const LANES = 16;
const PIECE_BYTES = 512 * 1024;

/** What is known before anything is written. */
interface Job {
  readonly context: Context;
  readonly options: CopyVerbOptions;
  readonly from: string;
  readonly to: string;
}

/** Opens the source, lets `use` work on it, and closes it. */
async function withSource<T>(job: Job, use: (source: Source) => Promise<T>): Promise<T> {
  const { context, from } = job;
  if (isUri(from)) {
    return withNamespace(job, from, ({ disk }) => {
      checkOffset(disk, job.options.offset);
      return use(namespaceSource(disk, job.options.offset));
    });
  }
  if (from === "-") return use(streamSource(context.io.stdin, context.signal));
  const file = await openForReading(from);
  try {
    return await use(fileSource(file, from));
  } finally {
    await file.handle.close();
  }
}

/** Opens the destination once it is sure that the source can be copied there. */
async function withDestination<T>(
  job: Job,
  source: Source,
  use: (destination: Destination) => Promise<T>,
): Promise<T> {
  const { context, options, to } = job;
  if (isUri(to)) {
    return withNamespace(job, to, async ({ nsid, disk }) => {
      const { offset, count } = options;
      checkOffset(disk, offset);
      const bytes = Math.min(count ?? Infinity, source.bytes ?? Infinity);
      if (bytes !== Infinity && offset + bytes > disk.sizeBytes) throw tooLong(disk, offset, bytes);
      const size = formatBytes(disk.sizeBytes);
      const what = `this overwrites namespace ${nsid} (${size}) from byte ${offset} on`;
      await confirm(context, what, options.yes === true);
      return use(namespaceDestination(disk, offset));
    });
  }
  if (to === "-") return use(outputDestination(context.out));
  const file = await openForWriting(to);
  try {
    return await use(fileDestination(file, to));
  } finally {
    await file.handle.close();
  }
}

async function withNamespace<T>(
  { context, options }: Job,
  uri: string,
  use: (namespace: OpenNamespace) => Promise<T>,
): Promise<T> {
  const endpoint = subsystemEndpoint(uri, { hostnqn: options.hostnqn!, hostid: options.hostid! });
  const { result } = await withHost(context, endpoint, options, async (host) =>
    use(await openOne(host, endpoint.nsid)),
  );
  return result;
}

function checkOffset({ sizeBytes }: Disk, offset: number): void {
  if (offset <= sizeBytes) return;
  const hint = `It has ${sizeBytes} bytes.`;
  const message = `--offset ${offset} is beyond the end of the namespace`;
  throw new CliError("NVME_ERR_OUT_OF_RANGE", message, { hint });
}

/** What cannot be meant, found before anything is opened. */
async function checkEnds({ context, options, from, to }: Job): Promise<void> {
  if (!isUri(from) && !isUri(to)) {
    throw usage("neither end is a namespace", "One of them begins with nvme+tcp://.");
  }
  if (to === "-" && context.format === "json") {
    throw usage("both the data and the JSON would go to stdout", "Copy into a file.");
  }
  if (to === "-" && context.io.stdout.isTTY === true) {
    throw usage("binary data is not for a terminal", "Redirect it into a file or a pipe.");
  }
  if (from === to || (await isSameFile(from, to))) {
    throw usage("both ends are the same", "Name another file or namespace as the destination.");
  }
  for (const end of [from, to].filter(isUri)) parseAddress(end);
  if (options.offset > 0 && isUri(from) && isUri(to)) {
    throw usage("--offset could mean either namespace", "Copy by way of a file or a pipe.");
  }
}

async function join({ context, options, from }: Job, source: Source, destination: Destination) {
  const { signal, io } = context;
  const totalBytes =
    source.bytes === undefined ? options.count : Math.min(source.bytes, options.count ?? Infinity);
  const progress = await startProgress(io, {
    choice: options.progress,
    silent: options.silent === true,
    label: isUri(from) ? "reading" : "writing",
    totalBytes,
  });
  const startMs = performance.now();
  const told = (bytes: number): void => {
    context.partial = { bytes };
    progress.update(bytes);
  };
  try {
    const { count } = options;
    const wanted = { source, destination, count, pieceBytes: PIECE_BYTES, lanes: LANES };
    const bytes = await copy({ ...wanted, signal, progress: told });
    return { bytes, durationMs: performance.now() - startMs };
  } finally {
    progress.end();
  }
}

export const run: Verb<CopyVerbOptions> = async (context, options, from = "", to = "") => {
  const job: Job = { context, options, from, to };
  await checkEnds(job);
  const { bytes, durationMs } = await withSource(job, (source) =>
    withDestination(job, source, (destination) => join(job, source, destination)),
  );
  const rate = formatRate(bytes, durationMs);
  context.notes.say(`${formatBytes(bytes)} in ${formatMs(durationMs)}, ${rate}`);
  const bytesPerSecond = durationMs > 0 ? Math.round((bytes / durationMs) * 1000) : 0;
  const data = {
    source: from,
    destination: to,
    offset: options.offset,
    bytes,
    durationMs,
    bytesPerSecond,
  };
  return { data, text: () => "" };
};
