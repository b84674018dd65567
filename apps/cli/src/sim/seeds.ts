// Seeds, one after the other: what every thread of `sim run` does until there are none left.
// Read first: @nvmeof/sim run.ts; pool.ts, which shares the seeds out.

import { type Figures, formatEvent, mergeFigures, noFigures, planOf, run } from "@nvmeof/sim";

/** Which seeds are to be run. */
export interface Task {
  /** First seed. */
  readonly from: number;
  readonly seeds: number;
  /** After so many violations no further seed is begun. */
  readonly failuresMax: number;
}

/** A seed that breaks an invariant. */
export interface Failure {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
  /** Virtual time, ms. */
  readonly atMs: number;
  /** The events before it, as people read them. */
  readonly lastEvents: readonly string[];
}

/** What has become of some seeds. */
export interface Batch {
  readonly figures: Figures;
  readonly failures: readonly Failure[];
}

/** What the threads of one task have in common. */
export class Shared {
  readonly words: Int32Array<SharedArrayBuffer>;

  /** @param words those of another thread, to share them. */
  constructor(words = new Int32Array(new SharedArrayBuffer(8))) {
    this.words = words;
  }

  /** Number of the next seed, from 0 on. */
  take(): number {
    return Atomics.add(this.words, 0, 1);
  }

  /** No further seed is to be begun. */
  stop(): void {
    Atomics.store(this.words, 1, 1 << 30);
  }

  /** Notes a violation. */
  failed(): void {
    Atomics.add(this.words, 1, 1);
  }

  /** Violations so far. */
  get failures(): number {
    return Atomics.load(this.words, 1);
  }
}

/** How often what was found is told, ms. */
const TELL_MS = 100;
/** Events of a failure that are kept to be printed. */
const LAST_EVENTS = 40;

/** Runs seeds until there are none left, or enough has gone wrong; tells from time to time. */
export async function runSeeds(
  { from, seeds, failuresMax }: Task,
  shared: Shared,
  tell: (batch: Batch) => void,
): Promise<void> {
  let figures = noFigures;
  let failures: Failure[] = [];
  let toldMs = performance.now();
  const tellNow = (): void => {
    tell({ figures, failures });
    figures = noFigures;
    failures = [];
    toldMs = performance.now();
  };
  while (shared.failures < failuresMax) {
    const number = shared.take();
    if (number >= seeds) break;
    const seed = from + number;
    const verdict = await run(planOf(seed));
    figures = mergeFigures(figures, verdict.figures);
    const { violation, events } = verdict;
    if (violation !== undefined) {
      shared.failed();
      failures.push({
        seed,
        ...violation,
        lastEvents: events.slice(-LAST_EVENTS).map(formatEvent),
      });
    }
    if (performance.now() < toldMs + TELL_MS) continue;
    tellNow();
    // Whoever wants this to end must get a word in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  tellNow();
}
