// What is looked at again and again while a soak runs, and what of it may not grow.
// Read first: trend.ts. Room for all samples is taken before the first one: what measures growth must not grow.

import { getHeapCodeStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type GrowthBound, type Trend, afterWarmUp, isGrowing, trendOf } from "./trend.ts";

const MIB = 1024 * 1024;

/** A curve: what it is of, and from where on its growth is a fault. */
export interface Curve {
  readonly title: string;
  readonly unit: "MiB" | "" | "ms" | "/s";
  /** No bound: it is shown, and not judged. */
  readonly bound?: GrowthBound;
}

export const curves = {
  // For long the engine notes down more about the code that it knows: half a MiB in the first five minutes.
  heap: {
    title: "Objects on the heap, after a collection",
    unit: "MiB",
    bound: { share: 0.02, least: 1 },
  },
  // The engine compiles, thinks better of it and compiles again, for a long time.
  code: { title: "Compiled code on the heap", unit: "MiB" },
  buffers: {
    title: "Buffers outside the heap, after a collection",
    unit: "MiB",
    bound: { share: 0.02, least: 0.5 },
  },
  // What the allocator of the platform keeps is not only ours.
  resident: { title: "Resident memory", unit: "MiB", bound: { share: 0.1, least: 16 } },
  handles: { title: "Sockets and timers", unit: "", bound: { share: 0.2, least: 4 } },
  connections: { title: "Connections of the target", unit: "", bound: { share: 0.2, least: 4 } },
  // Others use this machine too: only what becomes twice as slow is a fault.
  median: { title: "Latency, median", unit: "ms", bound: { share: 1, least: 1 } },
  slowest: { title: "Latency, 99th percentile", unit: "ms" },
  rate: { title: "Requests", unit: "/s" },
} as const satisfies Readonly<Record<string, Curve>>;
export type CurveName = keyof typeof curves;
export const curveNames = Object.keys(curves) as readonly CurveName[];

/** One curve, judged. */
export interface JudgedCurve {
  readonly name: CurveName;
  readonly curve: Curve;
  readonly values: Float64Array;
  /** After the warm-up. */
  readonly trend: Trend;
  readonly grows: boolean;
}

/** Samples of all curves. */
export class Samples {
  readonly #values: Readonly<Record<CurveName, Float64Array>>;
  #count = 0;

  constructor(most: number) {
    this.#values = Object.fromEntries(
      curveNames.map((name) => [name, new Float64Array(most)]),
    ) as Record<CurveName, Float64Array>;
  }

  get count(): number {
    return this.#count;
  }

  /** One more; what there is no room for is left out. */
  add(sample: Readonly<Record<CurveName, number>>): void {
    if (this.#count >= this.#values.heap.length) return;
    for (const name of curveNames) this.#values[name][this.#count] = sample[name];
    this.#count++;
  }

  last(name: CurveName): number {
    return this.#values[name][this.#count - 1] ?? 0;
  }

  judged(): JudgedCurve[] {
    return curveNames.map((name) => {
      const curve: Curve = curves[name];
      const values = this.#values[name].subarray(0, this.#count);
      const trend = trendOf(afterWarmUp(values));
      return { name, curve, values, trend, grows: !!curve.bound && isGrowing(trend, curve.bound) };
    });
  }
}

let collect: (() => void) | undefined;

/** Collects garbage, all of it. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}

type MemoryCurve = "heap" | "code" | "buffers" | "resident";

/** Memory now, after a collection, MiB. */
export function memory(): Pick<Record<CurveName, number>, MemoryCurve> {
  // Twice: another thread gives back the memory of dead buffers, and the next collection waits for it.
  // After one, up to 20 MiB of them still counted, and more the faster the requests went.
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  const compiled = getHeapCodeStatistics();
  const code = compiled.code_and_metadata_size + compiled.bytecode_and_metadata_size;
  return {
    heap: (heapUsed - code) / MIB,
    code: code / MIB,
    buffers: arrayBuffers / MIB,
    resident: rss / MIB,
  };
}

/** Sockets, servers and timers of this process, by kind. */
export function handleCounts(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!/TCP|Timeout|Pipe/.test(kind)) continue;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** The value at that share of sorted values; 0 of none. */
export const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
