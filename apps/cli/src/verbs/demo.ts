// `demo`: target and host in one process, over loopback TCP: find, connect, write, verify, measure, and
// delete a device whose target has gone silent; or one of the scenarios in demo/.

import type { BlockDevice } from "@nvmeof/bdev";
import { type Served, serve } from "@nvmeof/target/node";
import {
  type LoadReport,
  type VerifyReport,
  measureRandomReads,
  verifyPattern,
  writePattern,
} from "@nvmeof/tools";
import { latencyHistogram } from "@nvmeof/tools/node";
import type { Report, Verb } from "../context.ts";
import {
  checkDestruct,
  destructAlone,
  destructData,
  destructVerdict,
  playDestruct,
} from "../demo/destruct.ts";
import { fencing } from "../demo/fencing.ts";
import { failover, reconnect } from "../demo/outage.ts";
import { type DemoOptions, NQN, SEED, Stage, disk } from "../demo/stage.ts";
import { CliError } from "../errors.ts";
import { startProgress } from "../progress.ts";
import type { Scenario } from "../scenarios.ts";
import { formatBytes, formatMs, formatRate } from "../units.ts";

const READ_BYTES = 4096;

async function writeAndVerify(stage: Stage, device: BlockDevice) {
  const write = await sweep(stage, "writing", device, (more) =>
    writePattern({ device, seed: SEED, ...more }),
  );
  const bytes = write.result;
  await stage.tell(
    `written ${formatBytes(bytes)} in ${formatMs(write.ms)}, ${formatRate(bytes, write.ms)}`,
  );
  const verify = await sweep(stage, "verifying", device, (more) =>
    verifyPattern({ device, seed: SEED, ...more }),
  );
  const { mismatches, first }: VerifyReport = verify.result;
  const rate = formatRate(bytes, verify.ms);
  await stage.tell(`verified in ${formatMs(verify.ms)}, ${rate}: ${mismatches} mismatches`);
  return {
    write: { bytes, durationMs: write.ms },
    verify: { bytes, mismatches, first: first ?? null, durationMs: verify.ms },
  };
}

async function sweep<T>(
  { context, options, clock }: Stage,
  label: string,
  { blockBytes, blockCount }: BlockDevice,
  work: (more: { progress: (bytes: number) => void; signal: AbortSignal }) => Promise<T>,
): Promise<{ result: T; ms: number }> {
  const { io, signal } = context;
  const { progress: choice, silent = false } = options;
  const totalBytes = blockBytes * blockCount;
  const progress = await startProgress(io, { choice, silent, label, totalBytes });
  const startMs = clock.nowMs();
  try {
    const result = await work({ progress: (bytes) => progress.update(bytes), signal });
    return { result, ms: clock.nowMs() - startMs };
  } finally {
    progress.end();
  }
}

async function measure(stage: Stage, device: BlockDevice): Promise<LoadReport> {
  const { queueDepth, seconds } = stage.options;
  await stage.tell(
    `reading ${READ_BYTES} bytes at random, ${queueDepth} at a time, for ${seconds} s`,
  );
  const report = await measureRandomReads({
    device,
    clock: stage.clock,
    random: stage.random,
    queueDepth,
    readBytes: READ_BYTES,
    durationMs: seconds * 1000,
    histogram: latencyHistogram(),
    signal: stage.context.signal,
  });
  if (report.firstError !== undefined) throw report.firstError;
  const { p50Us, p99Us, maxUs } = report.latency;
  const latency = [`p50 ${formatMs(p50Us / 1000)}`, `p99 ${formatMs(p99Us / 1000)}`];
  const iops = Math.round(report.iops).toLocaleString("en");
  await stage.tell(`${iops} reads/s; ${latency.join(", ")}, max ${formatMs(maxUs / 1000)}`);
  return report;
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

async function story(stage: Stage, served: Served) {
  const { host: address, port } = served.address;
  const { context, options } = stage;
  const data: Record<string, unknown> = { target: { nqn: NQN, address, port } };
  context.partial = data;
  const { host, records, connectMs } = await stage.connect(served.address);
  return stage.withHost(host, async () => {
    data["connect"] = { discoveryRecords: records, durationMs: connectMs };
    const device = await host.openNamespace(1);
    await stage.tellHeading("Write and verify");
    const sweeps = await writeAndVerify(stage, device);
    Object.assign(data, sweeps);
    await stage.tellHeading("Measure");
    data["perf"] = perfOf(await measure(stage, device), options.queueDepth);
    await stage.tellHeading("Delete a device whose target has gone silent");
    const destruct = await playDestruct(stage, served, host, device);
    data["destruct"] = destructData(destruct);
    const { mismatches } = sweeps.verify;
    if (mismatches > 0) {
      throw new CliError("NVME_ERR_MISMATCH", `${mismatches} blocks do not hold what was written`);
    }
    checkDestruct(destruct);
    return data;
  });
}

/** All of it, one after the other. */
async function everything(stage: Stage): Promise<Report> {
  const device = disk(stage.options, 1);
  await stage.tellHeading("Find and connect");
  const served = await serve({ namespaces: [device], nqn: NQN, port: 0 });
  try {
    await stage.tellServing(device, served.address);
    return { data: await story(stage, served), text: () => destructVerdict };
  } finally {
    served.target.thaw();
    await served.close();
    await device.close();
  }
}

const plays: Readonly<Record<Scenario, (stage: Stage) => Promise<Report>>> = {
  destruct: destructAlone,
  failover,
  reconnect,
  fencing,
};

export const run: Verb<DemoOptions> = (context, options) => {
  const stage = new Stage(context, options);
  return options.scenario === undefined ? everything(stage) : plays[options.scenario](stage);
};
