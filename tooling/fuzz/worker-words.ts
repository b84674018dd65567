// What a fuzzing worker and its pool say to each other.
// Read first: worker.ts, pool.ts.

import { INPUT_BYTES_MAX } from "./bytes.ts";

/** What a worker is given. */
export interface WorkerInput {
  readonly seed: number;
  readonly targets: readonly string[];
  /** Cases of each target; `Infinity` for as long as it is not ended. */
  readonly cases: number;
  readonly corpus: string;
  readonly shared: SharedArrayBuffer;
}

/** What it says. */
export type WorkerMessage =
  | {
      readonly type: "progress";
      readonly target: string;
      readonly cases: number;
      readonly bytes: number;
      readonly places: number;
      readonly news: readonly Uint8Array[];
    }
  | {
      readonly type: "finding";
      readonly target: string;
      /** Of the worker that found it. */
      readonly seed: number;
      /** Which case it was; -1 where it did not come to an end. */
      readonly at: number;
      readonly key: string;
      readonly message: string;
      readonly input: Uint8Array;
      readonly smallest: Uint8Array;
    };

/** Words of shared memory before the input: how many cases there were, which target, how many bytes. */
export const BEATS = 0;
export const TARGET = 1;
export const BYTES = 2;
export const HEAD_BYTES = 12;
export const SHARED_BYTES: number = HEAD_BYTES + INPUT_BYTES_MAX;
