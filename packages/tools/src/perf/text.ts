// A result for people, in the words of fio(1). Read first: result.ts.

import type { LatencySummary } from "../latency.ts";
import {
  binaryText,
  countText,
  decimalText,
  durationText,
  latencyText,
  shortNumber,
} from "./figures.ts";
import type { PerfDirection, PerfResult } from "./result.ts";
import type { PerfError } from "./tally.ts";
import type { DecidedWorkload } from "./workload.ts";

/** "randrw: rwmixread=70, bs=4KiB, iodepth=32, queues=1, rate=1000". */
export function workloadText(workload: DecidedWorkload): string {
  const { rw, readPercent, requestBytes, queueDepth, queues, ratePerSecond } = workload;
  const { workers = null } = workload as Partial<DecidedWorkload>; // not in results of before
  const parts = [
    ...(rw === "randrw" ? [`rwmixread=${readPercent}`] : []),
    `bs=${binaryText(requestBytes)}`,
    `iodepth=${queueDepth}`,
    `queues=${queues}`,
    ...(ratePerSecond === null ? [] : [`rate=${ratePerSecond}`]),
    ...(workload.verify ? ["verify"] : []),
    ...(workers === null ? [] : [`workers=${workers}`]),
  ];
  return `${rw}: ${parts.join(", ")}`;
}

/** Why it ended, where that is not what was asked for. */
const ends: Readonly<Record<PerfResult["end"], string>> = {
  time: "",
  size: "",
  errors: ", ended by errors",
  removed: ", ended since the device was removed",
  interrupted: ", interrupted",
};

/** The text, with its last line end. A direction without requests is left out. */
export function perfText(result: PerfResult): string {
  const { workload, device, end, elapsedMs } = result;
  const directions = (["read", "write"] as const).filter(
    (name) => result[name].count + result[name].errors > 0,
  );
  const lines = [
    workloadText(workload),
    `  ${device.name}: ${durationText(elapsedMs)}${ends[end]}`,
    ...directions.flatMap((name) => directionLines(name, result[name], elapsedMs)),
    ...otherLines(result),
    ...workerLines(result),
  ];
  return `${lines.join("\n")}\n`;
}

function directionLines(name: string, direction: PerfDirection, elapsedMs: number): string[] {
  const { iops, bytesPerSecond, bytes, latency, count } = direction;
  const rate = `BW=${binaryText(bytesPerSecond)}/s (${decimalText(bytesPerSecond)}/s)`;
  const amount = `(${binaryText(bytes)}/${Math.round(elapsedMs)}msec)`;
  const head = `  ${name}: IOPS=${countText(iops)}, ${rate}${amount}`;
  return count === 0 ? [head] : [head, ...latencyLines(latency)];
}

function latencyLines(latency: LatencySummary): string[] {
  const [unit, divisor] = latency.p50Us < 10_000 ? ["usec", 1] : ["msec", 1000];
  const value = (us: number): string => shortNumber(us / divisor);
  const summary = [
    `min=${value(latency.minUs)}`,
    `max=${value(latency.maxUs)}`,
    `avg=${value(latency.meanUs)}`,
    `stdev=${value(latency.stdevUs)}`,
  ];
  const percentiles = [
    `50th=${value(latency.p50Us)}`,
    `90th=${value(latency.p90Us)}`,
    `95th=${value(latency.p95Us)}`,
    `99th=${value(latency.p99Us)}`,
    `99.9th=${value(latency.p999Us)}`,
    `99.99th=${value(latency.p9999Us)}`,
  ];
  return [
    `    lat (${unit}): ${summary.join(", ")}`,
    `    lat percentiles (${unit}): ${percentiles.join(", ")}`,
  ];
}

/** Side by side: which of them was slow, or had nothing to do. */
function workerLines({ workers = null }: Partial<PerfResult>): string[] {
  return (workers ?? []).map(({ name, end, loopDelay, ...of }) => {
    const directions = (["read", "write"] as const).flatMap((direction) => {
      const { count, iops, bytesPerSecond, latency } = of[direction];
      if (count === 0) return [];
      const rate = `IOPS=${countText(iops)}, BW=${binaryText(bytesPerSecond)}/s`;
      const [mean, p99] = [latency.meanUs, latency.p99Us].map(latencyText);
      return [`${direction} ${rate}, lat avg=${mean}, 99th=${p99}`];
    });
    const delay =
      loopDelay === null ? [] : [`event loop delay 99th=${shortNumber(loopDelay.p99Ms)} msec`];
    return `  ${name}${ends[end]}: ${[...directions, ...delay].join("; ")}`;
  });
}

const errorText = ({ code, status, name, count }: PerfError): string =>
  status === null ? `${count} x ${code}` : `${count} x ${name} (0x${status.toString(16)}, ${code})`;

function otherLines({
  errors,
  abandoned,
  schedule,
  verify,
  paths,
  platform,
}: PerfResult): string[] {
  const lines = [`  errors: ${errors.length === 0 ? "none" : errors.map(errorText).join(", ")}`];
  if (abandoned > 0) lines.push(`  abandoned: ${abandoned} when it was ended`);
  if (schedule !== null) {
    const { latestMs, unstarted } = schedule;
    const never = unstarted === 0 ? "" : `, ${unstarted} never started: the rate was not kept`;
    lines.push(`  schedule: at most ${latencyText(latestMs * 1000)} late${never}`);
  }
  if (verify !== null) {
    const { checkedBlocks, mismatches, first, readBack } = verify;
    const where = first === null ? "" : ` (first at ${first.lba}, made for ${first.claimsLba})`;
    const missing = readBack === "not done" ? ", what was written was not read back" : "";
    lines.push(`  verify: ${checkedBlocks} blocks, ${mismatches} mismatches${where}${missing}`);
  }
  if (paths !== null) {
    const stall = latencyText(paths.longestStallMs * 1000);
    const { count, retries, switches } = paths;
    lines.push(
      `  paths: ${count}, retries=${retries}, switches=${switches}, longest stall ${stall}`,
    );
  }
  if (platform !== null) {
    const { cpuUserMs, cpuSystemMs, cpuUsPerRequest, loopDelay } = platform;
    const time = `usr=${durationText(cpuUserMs)}, sys=${durationText(cpuSystemMs)}`;
    lines.push(`  cpu: ${time}, ${shortNumber(cpuUsPerRequest)} usec per I/O`);
    const [mean, p99, max] = [loopDelay.meanMs, loopDelay.p99Ms, loopDelay.maxMs].map(shortNumber);
    lines.push(`  event loop delay (msec): avg=${mean}, 99th=${p99}, max=${max}`);
  }
  return lines;
}
