// A worker thread that fuzzes: a slice of cases of one target, then of the next.
// Read first: run-target.ts. The input under way lies in shared memory, for who notices that it hangs.

import { parentPort, workerData } from "node:worker_threads";
import { readCorpus } from "./corpus.ts";
import { minimise } from "./minimise.ts";
import { targetsNamed } from "./registry.ts";
import { TargetRun } from "./run-target.ts";
import {
  BEATS,
  BYTES,
  HEAD_BYTES,
  TARGET,
  type WorkerInput,
  type WorkerMessage,
} from "./worker-words.ts";
import { INPUT_BYTES_MAX } from "./bytes.ts";

/** Time that a target works before it is the next one's turn, ms. */
const SLICE_MS = 500;
/** Findings of one kind are told so often. */
const SAME_MAX = 1;

async function work({ seed, targets, cases, corpus, shared }: WorkerInput): Promise<void> {
  const words = new Int32Array(shared, 0, HEAD_BYTES / 4);
  const bytes = new Uint8Array(shared, HEAD_BYTES);
  const told = new Map<string, number>();
  const runs = targetsNamed(targets).map((target, index) => {
    const kept = readCorpus(corpus, target.name).map(({ input }) => input);
    const watched = {
      ...target,
      run: (input: Uint8Array, cuts: readonly number[]) => {
        Atomics.store(words, BYTES, input.length);
        bytes.set(input.subarray(0, INPUT_BYTES_MAX));
        Atomics.store(words, TARGET, index);
        Atomics.add(words, BEATS, 1);
        return target.run(input, cuts);
      },
    };
    return new TargetRun(watched, seed, kept);
  });
  for (let left = true; left;) {
    left = false;
    for (const run of runs) {
      if (run.figures.cases >= cases) continue;
      left = true;
      await slice(run, seed, cases, told);
    }
  }
}

async function slice(
  run: TargetRun,
  seed: number,
  cases: number,
  told: Map<string, number>,
): Promise<void> {
  const { figures, target } = run;
  const untilMs = performance.now() + SLICE_MS;
  const before = { ...figures };
  do {
    const found = await run.step();
    if (found === undefined) continue;
    const { key, message } = found.finding;
    const count = (told.get(key) ?? 0) + 1;
    told.set(key, count);
    if (count > SAME_MAX) continue;
    const smallest = await minimise(target, found.input, found.finding);
    const { at, input } = found;
    tell({ type: "finding", target: target.name, seed, at, key, message, input, smallest });
  } while (figures.cases < cases && performance.now() < untilMs);
  tell({
    type: "progress",
    target: target.name,
    cases: figures.cases - before.cases,
    bytes: figures.bytes - before.bytes,
    places: figures.places,
    news: run.news.splice(0),
  });
}

const tell = (message: WorkerMessage): void => parentPort!.postMessage(message);

if (parentPort !== null) await work(workerData as WorkerInput);
