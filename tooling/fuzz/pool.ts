// Workers that fuzz, and who watches them: one that hangs over an input is ended, and that is a finding.
// Read first: worker.ts.

import { Worker } from "node:worker_threads";
import { every } from "@nvmeof/tooling-support";
import { targetsNamed } from "./registry.ts";
import {
  BEATS,
  BYTES,
  HEAD_BYTES,
  SHARED_BYTES,
  TARGET,
  type WorkerInput,
  type WorkerMessage,
} from "./worker-words.ts";

/** How a pool works. */
export interface PoolOptions {
  /** The bundled worker. */
  readonly file: URL | string;
  readonly workers: number;
  readonly seed: number;
  readonly targets: readonly string[];
  /** Cases of each target, all workers together. */
  readonly cases: number;
  readonly corpus: string;
  /** An input that takes longer than this hangs, ms. */
  readonly hangMs: number;
  readonly tell: (message: WorkerMessage) => void;
}

const LOOK_MS = 500;
/** What a worker may take before its first input: it reads the corpus, and the machine may be busy. */
const START_MS = 60_000;
/** Workers that are started in the place of one that hung or died. */
const RESTARTS_MAX = 20;

/** One worker, and what it last did. */
interface Watched {
  readonly worker: Worker;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly seed: number;
  beats: number;
  sinceMs: number;
}

/** Fuzzes until all cases are done, or `stop` is called. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #running = new Set<Watched>();
  readonly #stopLooking: () => void;
  #restarts = 0;
  #done!: () => void;
  #phase: "running" | "stopped" = "running";
  /** Resolves when no worker is left. */
  readonly ended: Promise<void> = new Promise((resolve) => (this.#done = resolve));

  constructor(options: PoolOptions) {
    this.#options = options;
    for (let at = 0; at < options.workers; at++) this.#start(options.seed + at);
    this.#stopLooking = every(LOOK_MS, () => this.#look());
  }

  async stop(): Promise<void> {
    this.#phase = "stopped";
    await Promise.all([...this.#running].map(({ worker }) => worker.terminate()));
    await this.ended;
  }

  #start(seed: number): void {
    const { file, targets, workers, corpus, tell } = this.#options;
    const shared = new SharedArrayBuffer(SHARED_BYTES);
    const cases = Math.ceil(this.#options.cases / workers);
    const workerData: WorkerInput = { seed, targets, cases, corpus, shared };
    const worker = new Worker(file, { workerData });
    const watched: Watched = {
      worker,
      words: new Int32Array(shared, 0, HEAD_BYTES / 4),
      bytes: new Uint8Array(shared, HEAD_BYTES),
      seed,
      beats: 0,
      sinceMs: performance.now(),
    };
    this.#running.add(watched);
    worker.on("message", tell);
    // Out of memory, or an error in a task of its own: the input under way has it on its conscience.
    worker.on("error", (error) => this.#blame(watched, `the worker died: ${error.message}`));
    worker.on("exit", () => this.#left(watched));
  }

  #left(watched: Watched): void {
    this.#running.delete(watched);
    if (this.#running.size > 0) return;
    this.#stopLooking();
    this.#done();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const watched of this.#running) {
      const beats = Atomics.load(watched.words, BEATS);
      if (beats !== watched.beats) {
        watched.beats = beats;
        watched.sinceMs = nowMs;
      } else if (nowMs > watched.sinceMs + (beats === 0 ? START_MS : this.#options.hangMs)) {
        this.#blame(watched, `still at it after ${Math.round(nowMs - watched.sinceMs)} ms`);
        void watched.worker.terminate();
      }
    }
  }

  #blame({ words, bytes, seed }: Watched, message: string): void {
    const { targets, tell } = this.#options;
    const target = targetsNamed(targets)[Atomics.load(words, TARGET)]?.name ?? "?";
    const input = bytes.slice(0, Atomics.load(words, BYTES));
    const key = `hung: ${message.replace(/\d+/g, "#")}`;
    tell({ type: "finding", target, seed, at: -1, key, message, input, smallest: input });
    this.#restarts++;
    if (this.#phase === "running" && this.#restarts <= RESTARTS_MAX) {
      this.#start(this.#options.seed + 1_000 * this.#restarts);
    }
  }
}
