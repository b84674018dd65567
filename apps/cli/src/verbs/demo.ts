// `demo`: target and host in one process, over loopback TCP: find, connect, write, verify, measure, and
// delete a device whose target has gone silent.

import { type BlockDevice, type MemoryDevice, memoryDevice } from "@nvmeof/bdev";
import { type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { type CloseReport, discover, seededRandom } from "@nvmeof/core";
import { type Served, serve } from "@nvmeof/target/node";
import {
  type DestructReport,
  type LoadReport,
  Timeline,
  type VerifyReport,
  measureRandomReads,
  runDestruct,
  verifyPattern,
  writePattern,
} from "@nvmeof/tools";
import { latencyHistogram } from "@nvmeof/tools/node";
import { systemClock, tcp } from "@nvmeof/transport/node";
import type { Context, Verb } from "../context.ts";
import { CliError } from "../errors.ts";
import { newIdentity } from "../identity.ts";
import type { CommonOptions, ProgressOptions } from "../options.ts";
import { startProgress } from "../progress.ts";
import { formatBytes, formatMs, formatRate } from "../units.ts";

interface DemoOptions extends CommonOptions, ProgressOptions {
  readonly size: number;
  readonly seconds: number;
  readonly queueDepth: number;
  readonly hdrDigest?: boolean;
  readonly dataDigest?: boolean;
}

const BLOCK_BYTES = 4096;
const READ_BYTES = 4096;
const NQN = "nqn.2026-01.dev.nvmeof:demo";
const SEED = 2026;
/** Reads that the target is to owe when it is frozen. */
const OUTSTANDING = 64;
/** The bound of the close that is shown, and what a machine under load may add to it, ms. */
const CLOSE_BOUND_MS = 2_000;
const CLOSE_SLACK_MS = 500;

/** One run of the demo: its surroundings, and the steps as methods. */
class Demo {
  readonly #context: Context;
  readonly #options: DemoOptions;
  readonly #clock = systemClock;
  readonly #random = seededRandom(SEED);
  readonly #startedMs = systemClock.nowMs();

  constructor(context: Context, options: DemoOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** A line of the story, with its time; nothing where one JSON document is wanted. */
  async tell(what: string, atMs = this.#clock.nowMs() - this.#startedMs): Promise<void> {
    const { format, style, out } = this.#context;
    if (format === "json") return;
    const at = style.dim(`${(atMs / 1000).toFixed(3).padStart(8)} s`);
    await out.write(`${at}  ${what}\n`);
  }

  async tellHeading(text: string): Promise<void> {
    const { format, style, out } = this.#context;
    if (format !== "json") await out.write(`\n${style.bold(text)}\n`);
  }

  async connect({
    address,
  }: Served): Promise<{ host: NvmeHost; records: number; connectMs: number }> {
    const { hdrDigest = false, dataDigest = false } = this.#options;
    const { signal } = this.#context;
    const transport = tcp({ ...address, headerDigest: hdrDigest, dataDigest });
    const identity = newIdentity();
    const { entries } = await discover({ ...identity, transport, signal });
    await this.tell(`discovery at ${address.host}:${address.port} lists ${entries.length} records`);
    const startMs = this.#clock.nowMs();
    const host = await connect({
      ...identity,
      transport,
      subsystemNqn: NQN,
      queueEntries: Math.max(OUTSTANDING, this.#options.queueDepth) + 1,
      signal,
    });
    const connectMs = this.#clock.nowMs() - startMs;
    const digests = [hdrDigest && "header digest", dataDigest && "data digest"].filter(Boolean);
    const how = digests.length === 0 ? "without digests" : `with ${digests.join(" and ")}`;
    await this.tell(`connected in ${formatMs(connectMs)}, ${how}`);
    return { host, records: entries.length, connectMs };
  }

  async writeAndVerify(device: BlockDevice) {
    const write = await this.#sweep("writing", device, (more) =>
      writePattern({ device, seed: SEED, ...more }),
    );
    const bytes = write.result;
    await this.tell(
      `written ${formatBytes(bytes)} in ${formatMs(write.ms)}, ${formatRate(bytes, write.ms)}`,
    );
    const verify = await this.#sweep("verifying", device, (more) =>
      verifyPattern({ device, seed: SEED, ...more }),
    );
    const { mismatches, first }: VerifyReport = verify.result;
    const rate = formatRate(bytes, verify.ms);
    await this.tell(`verified in ${formatMs(verify.ms)}, ${rate}: ${mismatches} mismatches`);
    return {
      write: { bytes, durationMs: write.ms },
      verify: { bytes, mismatches, first: first ?? null, durationMs: verify.ms },
    };
  }

  async #sweep<T>(
    label: string,
    { blockBytes, blockCount }: BlockDevice,
    work: (more: { progress: (bytes: number) => void; signal: AbortSignal }) => Promise<T>,
  ): Promise<{ result: T; ms: number }> {
    const { io, signal } = this.#context;
    const { progress: choice, silent = false } = this.#options;
    const totalBytes = blockBytes * blockCount;
    const progress = await startProgress(io, { choice, silent, label, totalBytes });
    const startMs = this.#clock.nowMs();
    try {
      const result = await work({ progress: (bytes) => progress.update(bytes), signal });
      return { result, ms: this.#clock.nowMs() - startMs };
    } finally {
      progress.end();
    }
  }

  async measure(device: BlockDevice): Promise<LoadReport> {
    const { queueDepth, seconds } = this.#options;
    await this.tell(
      `reading ${READ_BYTES} bytes at random, ${queueDepth} at a time, for ${seconds} s`,
    );
    const report = await measureRandomReads({
      device,
      clock: this.#clock,
      random: this.#random,
      queueDepth,
      readBytes: READ_BYTES,
      durationMs: seconds * 1000,
      histogram: latencyHistogram(),
      signal: this.#context.signal,
    });
    if (report.firstError !== undefined) throw report.firstError;
    const { p50Us, p99Us, maxUs } = report.latency;
    const latency = [`p50 ${formatMs(p50Us / 1000)}`, `p99 ${formatMs(p99Us / 1000)}`];
    const iops = Math.round(report.iops).toLocaleString("en");
    await this.tell(`${iops} reads/s; ${latency.join(", ")}, max ${formatMs(maxUs / 1000)}`);
    return report;
  }

  async destruct(served: Served, host: NvmeHost, device: BlockDevice) {
    let close: CloseReport | undefined;
    const told: Promise<void>[] = [];
    const timeline = new Timeline(this.#clock, ({ what }) => told.push(this.tell(what)));
    const report = await runDestruct({
      device,
      clock: this.#clock,
      random: this.#random,
      outstanding: OUTSTANDING,
      readBytes: READ_BYTES,
      timeline,
      freeze: () => served.target.freeze(),
      close: async () => {
        close = await host.close({ boundMs: CLOSE_BOUND_MS });
        const phases = Object.entries(close.phasesMs).map(
          ([name, ms]) => `${name} ${formatMs(ms)}`,
        );
        timeline.note(`the close took ${formatMs(close.totalMs)}: ${phases.join(", ")}`);
        timeline.note(`${close.abortedCommands} commands aborted, shutdown ${close.shutdown}`);
      },
    });
    await Promise.all(told);
    return { ...report, close: close! };
  }
}

/** The self test: what must hold, whatever the machine. */
function check(mismatches: number, destruct: DestructReport): void {
  if (mismatches > 0) {
    throw new CliError("NVME_ERR_MISMATCH", `${mismatches} blocks do not hold what was written`);
  }
  const { outstanding, settled, closedMs } = destruct;
  if (settled !== outstanding || outstanding === 0) {
    throw new CliError("NVME_ERR_UNSETTLED", `${settled} of ${outstanding} reads have settled`);
  }
  if (closedMs > CLOSE_BOUND_MS + CLOSE_SLACK_MS) {
    const bound = formatMs(CLOSE_BOUND_MS);
    const message = `the close took ${formatMs(closedMs)}, its bound is ${bound}`;
    throw new CliError("NVME_ERR_UNSETTLED", message);
  }
}

const perfOf = (perf: LoadReport, queueDepth: number): object => ({
  reads: perf.reads,
  readBytes: READ_BYTES,
  queueDepth,
  durationMs: perf.elapsedMs,
  iops: perf.iops,
  bytesPerSecond: perf.bytesPerSecond,
  latency: perf.latency,
});

const destructOf = ({ close, ...report }: DestructReport & { close: CloseReport }): object => ({
  ...report,
  boundMs: CLOSE_BOUND_MS,
  close: {
    totalMs: close.totalMs,
    phasesMs: close.phasesMs,
    abortedCommands: close.abortedCommands,
    shutdown: close.shutdown,
    openHandles: close.openHandles,
  },
});

async function story(demo: Demo, context: Context, options: DemoOptions, served: Served) {
  const { host: address, port } = served.address;
  const data: Record<string, unknown> = { target: { nqn: NQN, address, port } };
  context.partial = data;
  const { host, records, connectMs } = await demo.connect(served);
  const abort = (): void => void host.close();
  context.signal.addEventListener("abort", abort, { once: true });
  try {
    data["connect"] = { discoveryRecords: records, durationMs: connectMs };
    const device = await host.openNamespace(1);
    await demo.tellHeading("Write and verify");
    const sweeps = await demo.writeAndVerify(device);
    Object.assign(data, sweeps);
    await demo.tellHeading("Measure");
    data["perf"] = perfOf(await demo.measure(device), options.queueDepth);
    await demo.tellHeading("Delete a device whose target has gone silent");
    const destruct = await demo.destruct(served, host, device);
    data["destruct"] = destructOf(destruct);
    check(sweeps.verify.mismatches, destruct);
    return data;
  } finally {
    context.signal.removeEventListener("abort", abort);
    await host.close();
  }
}

function disk(options: DemoOptions): MemoryDevice {
  const blockCount = Math.floor(options.size / BLOCK_BYTES);
  if (blockCount < 1) {
    throw new CliError("NVME_ERR_UNALIGNED", `--size ${options.size} is less than one block`, {
      hint: `Blocks have ${BLOCK_BYTES} bytes here.`,
    });
  }
  return memoryDevice({ name: "demo", clock: systemClock, blockBytes: BLOCK_BYTES, blockCount });
}

export const run: Verb<DemoOptions> = async (context, options) => {
  const demo = new Demo(context, options);
  const device = disk(options);
  await demo.tellHeading("Find and connect");
  const served = await serve({ namespaces: [device], nqn: NQN, port: 0 });
  try {
    const { host, port } = served.address;
    const size = formatBytes(device.blockCount * device.blockBytes);
    await demo.tell(`serving ${size} of memory as ${NQN} at ${host}:${port}`);
    const data = await story(demo, context, options, served);
    const text = (): string => "\nAll reads settled, and the close was bounded.\n";
    return { data, text };
  } finally {
    served.target.thaw();
    await served.close();
    await device.close();
  }
};
