// Threads that run seeds: each is this command again, with a verb that nobody else calls.
// Read first: seeds.ts; verbs/sim-worker.ts, which the threads run.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type Batch, Shared, type Task, runSeeds } from "./seeds.ts";

/** Time that threads have to finish their seeds once somebody wants an end, ms. */
const FINISH_MS = 1_000;

/**
 * A seed leaves some 15 MB of garbage behind, and lives in 2: with room for several of them the young
 * generation is collected when there is next to nothing in it to keep. What `--max-semi-space-size` does for
 * a whole process, where it saves up to a quarter of the time.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 192 };

/** What a thread is given. */
export interface WorkerTask {
  readonly task: Task;
  readonly words: Shared["words"];
}

export interface PoolOptions {
  /** The file of the command; undefined where there is none: then the seeds run in this thread. */
  readonly program: URL | undefined;
  readonly workers: number;
  /** Ends it early: seeds that have begun are finished, if that does not take long. */
  readonly signal: AbortSignal;
  readonly tell: (batch: Batch) => void;
}

/** Runs all seeds of a task, or those that it came to. */
export async function runPool(task: Task, options: PoolOptions): Promise<void> {
  const { program, signal, tell } = options;
  const shared = new Shared();
  const stop = (): void => shared.stop();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (program === undefined) await runSeeds(task, shared, tell);
    else await runThreads(task, shared, program, options);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function runThreads(
  task: Task,
  shared: Shared,
  program: URL,
  { workers, signal, tell }: PoolOptions,
): Promise<void> {
  const workerData: WorkerTask = { task, words: shared.words };
  const count = Math.min(workers, task.seeds);
  const threads = Array.from({ length: count }, () => {
    const thread = new Worker(program, { argv: ["sim", "worker"], workerData, resourceLimits });
    thread.on("message", tell);
    return thread;
  });
  const end = (): Promise<unknown> => Promise.all(threads.map((thread) => thread.terminate()));
  let finish: NodeJS.Timeout | undefined;
  const hurry = (): void => {
    finish = setTimeout(() => void end(), FINISH_MS);
  };
  if (signal.aborted) hurry();
  signal.addEventListener("abort", hurry, { once: true });
  try {
    await Promise.all(threads.map((thread) => once(thread, "exit")));
  } finally {
    signal.removeEventListener("abort", hurry);
    clearTimeout(finish);
    await end();
  }
}
