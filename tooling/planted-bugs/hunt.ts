// A hunt: seed after seed, in worker threads, until one has a violation. The result is the lowest such
// seed, however the threads are scheduled.
// Read first: hunter.ts, which the threads run.

import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** A seed with a violation. */
export interface Found {
  readonly seed: number;
  /** "I1" to "I45"; "thrown" where the run itself has thrown. */
  readonly invariant: string;
  readonly message: string;
}

/** What a hunter is given. */
export interface HunterData {
  /** Increasing. */
  readonly seeds: readonly number[];
  /** Of all hunters: the lowest seed that was found, then the one that each is at. */
  readonly shared: Int32Array;
  /** Where it says which one it is at. */
  readonly place: number;
}

/** Room for the garbage of several seeds: see apps/cli/src/sim/pool.ts. */
const resourceLimits = { maxYoungGenerationSizeMb: 192 };

/** Place of the lowest seed in `HunterData.shared`. */
export const LOWEST = 0;

/** `count` seeds, from `from` on. */
export const seedsFrom = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, at) => from + at);

export interface HuntOptions {
  /** Those to be looked at, increasing. */
  readonly seeds: readonly number[];
  readonly workers?: number;
  /** Time after which the hunt fails, ms: a bug may well make a run endless. */
  readonly deadlineMs?: number;
}

/**
 * The lowest seed with a violation; undefined where there is none.
 *
 * @throws Error when a hunter fails, or is not done by the deadline.
 */
export async function hunt(
  file: string,
  { seeds, workers = 2, deadlineMs = 300_000 }: HuntOptions,
): Promise<Found | undefined> {
  const shared = new Int32Array(new SharedArrayBuffer(4 * (workers + 1)));
  shared[LOWEST] = 0x7fff_ffff;
  const found: Found[] = [];
  const hunters = Array.from({ length: workers }, (_, at) => {
    const own = seeds.filter((_, number) => number % workers === at);
    const data: HunterData = { seeds: own, shared, place: at + 1 };
    const worker = new Worker(file, { workerData: data, resourceLimits });
    worker.on("message", (message: Found) => void found.push(message));
    return worker;
  });
  const ended = Promise.all(hunters.map((hunter) => once(hunter, "exit")));
  let watch: ReturnType<typeof setTimeout> | undefined;
  const overdue = new Promise<never>((_resolve, reject) => {
    const fail = (): void =>
      reject(new Error(`not done after ${deadlineMs} ms, at seeds ${shared.slice(1).join()}`));
    watch = setTimeout(fail, deadlineMs);
  });
  try {
    await Promise.race([ended, overdue]);
  } finally {
    clearTimeout(watch);
    await Promise.all(hunters.map((hunter) => hunter.terminate()));
  }
  return found.sort((a, b) => a.seed - b.seed)[0];
}
