// What one call of a function costs: CPU time and heap, by many calls in a row.
// Read first: bundle.mjs `quietHeap`, the flags that make the heap's growth mean something.

import { say } from "./meter.ts";

/** One figure of a probe. `than` is what it is compared with: the same done by hand, or natively. */
export interface Finding {
  readonly name: string;
  readonly value: number;
  readonly unit: "ns" | "bytes" | "us" | "KiB";
  readonly than?: number;
}

/** Does a thing `count` times. Returns something that depends on all of it, so that all of it is done. */
export type Subject = (count: number) => number;

export interface Cost {
  /** CPU time of a call, ns: the median, since others use the machine as well. */
  readonly ns: number;
  /** What a call leaves on the heap, bytes. */
  readonly bytes: number;
}

const PASSES = 15;
const WARM_UP_PASSES = 10;
/** How long a pass should take, us: long enough for the clock of CPU time. */
const PASS_US = 10_000;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** Results of subjects: nobody may find out that they are not wanted. */
let sink = 0;

function timed(subject: Subject, count: number): number {
  const before = cpuUs();
  sink = (sink + subject(count)) | 0;
  return cpuUs() - before;
}

function countFor(subject: Subject): number {
  for (let count = 1_000; ; count *= 2) {
    if (timed(subject, count) > PASS_US || count > 1e8) return count;
  }
}

/** Growth of the heap over a pass, less what looking at it costs. */
function grown(subject: Subject, count: number): number {
  globalThis.gc?.();
  const empty = process.memoryUsage().heapUsed;
  const before = process.memoryUsage().heapUsed;
  sink = (sink + subject(count)) | 0;
  const after = process.memoryUsage().heapUsed;
  return Math.max(0, after - before - (before - empty));
}

/**
 * Several subjects by turns, so that what disturbs one disturbs all: costs in the order of the names.
 */
export function costsOf(subjects: Readonly<Record<string, Subject>>): Record<string, Cost> {
  const counts = Object.entries(subjects).map(([name, subject]) => {
    const count = countFor(subject);
    for (let i = 0; i < WARM_UP_PASSES; i++) timed(subject, count);
    return { name, subject, count, times: [] as number[] };
  });
  for (let i = 0; i < PASSES; i++) {
    for (const each of counts) each.times.push(timed(each.subject, each.count));
  }
  const entries = counts.map(({ name, subject, count, times }) => {
    const calls = Math.min(count, 100_000);
    const growths = Array.from({ length: 5 }, () => grown(subject, calls));
    return [name, { ns: (median(times) * 1000) / count, bytes: median(growths) / calls }];
  });
  return Object.fromEntries(entries) as Record<string, Cost>;
}

/** Says what was found, a line each. */
export function report(findings: readonly Finding[]): void {
  for (const finding of findings) say(finding);
  // Whoever reads the sink must have needed what it was made of.
  if (sink === 0.5) say({ sink });
}
