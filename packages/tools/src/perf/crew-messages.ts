// What the threads of a measurement tell each other, and what they share without a word.
// Read first: crew.ts (who asks), member.ts (who measures).

import type { ErrorData } from "@nvmeof/bdev/nvme";
import type { PerfPart } from "./part.ts";
import type { PerfProgress } from "./run.ts";

export type ToMember =
  /** All are there: begin. */
  | { readonly type: "go" }
  /** End, with what was measured so far. */
  | { readonly type: "stop" };

/** What a member says of the device that it has opened, for warnings. */
export type MemberFacts = Readonly<Record<string, number>>;

export type ToCrew =
  | { readonly type: "ready"; readonly facts: MemberFacts }
  /** What it does counts from now on. */
  | { readonly type: "begun" }
  /** Its load is over. What it wrote may be read back yet. */
  | { readonly type: "measured" }
  | { readonly type: "part"; readonly part: PerfPart; readonly firstError: ErrorData | undefined }
  | { readonly type: "failed"; readonly error: ErrorData };

/** Elapsed time, requests, bytes and errors of a member. */
const FIGURES = 4;
/** Nothing is measured yet, or any more. */
const NOT_MEASURING = -1;

/**
 * Memory that all threads see: how far each is, and whether somebody wants an end. It is no message, so
 * that a thread that learns of the end by losing its device knows why.
 */
export class PerfBoard {
  readonly #figures: Float64Array;
  readonly #stop: Int32Array;
  /** What another thread makes the same board of. */
  readonly memory: SharedArrayBuffer;

  /** @param memory of another one; or how many members there are. */
  constructor(memory: SharedArrayBuffer | number) {
    const bytes = typeof memory === "number" ? 8 * (1 + FIGURES * memory) : 0;
    this.memory = typeof memory === "number" ? new SharedArrayBuffer(bytes) : memory;
    this.#stop = new Int32Array(this.memory, 0, 1);
    this.#figures = new Float64Array(this.memory, 8);
    if (typeof memory !== "number") return;
    for (let i = 0; i < memory; i++) this.#figures[i * FIGURES] = NOT_MEASURING;
  }

  get isStopped(): boolean {
    return Atomics.load(this.#stop, 0) === 1;
  }

  stop(): void {
    Atomics.store(this.#stop, 0, 1);
  }

  tell(member: number, { elapsedMs, count, bytes, errors }: PerfProgress): void {
    this.#figures.set([elapsedMs ?? NOT_MEASURING, count, bytes, errors], member * FIGURES);
  }

  /** Of all members together. A value that is being written may be a tenth of a second old. */
  get progress(): PerfProgress {
    const sum = { elapsedMs: NOT_MEASURING, count: 0, bytes: 0, errors: 0 };
    for (let at = 0; at < this.#figures.length; at += FIGURES) {
      sum.elapsedMs = Math.max(sum.elapsedMs, this.#figures[at]!);
      sum.count += this.#figures[at + 1]!;
      sum.bytes += this.#figures[at + 2]!;
      sum.errors += this.#figures[at + 3]!;
    }
    return { ...sum, elapsedMs: sum.elapsedMs === NOT_MEASURING ? undefined : sum.elapsedMs };
  }
}
