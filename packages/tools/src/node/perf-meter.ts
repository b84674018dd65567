// What this process takes while it measures, and a way to do something soon: both of Node.
// Read first: ../perf/meter.ts.

import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { MeterReading, PerfMeter } from "../perf/meter.ts";

/** How often the event loop is looked at. */
const RESOLUTION_MS = 10;

/** A meter of this process. Everything that runs in it counts, a target as well. */
export function perfMeter(): PerfMeter {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let cpu = process.cpuUsage();
  return {
    start() {
      cpu = process.cpuUsage();
      delays.reset();
      delays.enable();
    },
    stop() {
      delays.disable();
      const { user, system } = process.cpuUsage(cpu);
      return { cpuUserMs: user / 1000, cpuSystemMs: system / 1000, loopDelay: loopDelayOf(delays) };
    },
  };
}

/** Node counts from one look to the next: what is more than the time between them is delay. */
function loopDelayOf(delays: IntervalHistogram): MeterReading["loopDelay"] {
  const late = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  if (delays.count === 0) return { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
  return {
    meanMs: late(delays.mean),
    p50Ms: late(delays.percentile(50)),
    p99Ms: late(delays.percentile(99)),
    maxMs: late(delays.max),
  };
}

/** Runs a task after what has arrived meanwhile was read: in the next turn of the event loop. */
export const soon = (task: () => void): void => void setImmediate(task);
