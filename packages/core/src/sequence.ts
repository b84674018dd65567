// Steps that wait, one after another, without promises: a generator yields a step, and is resumed.
// Why not async functions: these run in virtual time, are cancelled at any step, and each step has a
// deadline of its own. A sequence reads like the procedure that the specification describes.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import { TimeoutError } from "./errors.ts";
import { deadline } from "./stall.ts";

/** Ends a step: with an error, or with its value. Only the first call counts. */
export type StepDone<T> = (error: NvmeofError | undefined, value?: T) => void;

/** Undoes what a step has begun: called once when the step is over, however it ended. */
export type StepEnd = () => void;

/** One wait: begun by `start`, over when it calls `done` or when `timeoutMs` have passed. */
export interface Step {
  readonly what: string;
  readonly timeoutMs: number;
  start(done: StepDone<unknown>): StepEnd | void;
}

/** A procedure made of steps; its return value is its result, and an error it throws ends it. */
export type Sequence<T> = Generator<Step, T, unknown>;

/** A step as an expression: `const value = yield* step("Identify", 5_000, (done) => …)`. */
export function* step<T>(
  what: string,
  timeoutMs: number,
  start: (done: StepDone<T>) => StepEnd | void,
): Sequence<T> {
  return (yield { what, timeoutMs, start }) as T;
}

/** A wait of `ms`. */
export function* pause(clock: Clock, ms: number): Sequence<void> {
  yield* step("pause", Infinity, (done: StepDone<void>) => {
    const timer = clock.at(clock.nowMs() + ms, () => done(undefined));
    return () => timer.cancel();
  });
}

/** A sequence under way. */
export interface RunningSequence {
  /** Stops it where it waits: `finally` blocks run, its `done` is not called. Idempotent. */
  cancel(): void;
}

/**
 * Runs a sequence. `done` is called once, with its result or with what it threw; not inside this call
 * unless the sequence has no step to wait for.
 */
export function runSequence<T>(
  clock: Clock,
  sequence: Sequence<T>,
  done: (error: NvmeofError | undefined, value: T | undefined) => void,
): RunningSequence {
  const runner = new Runner(clock, sequence, done);
  runner.advance(() => sequence.next());
  return runner;
}

class Runner<T> implements RunningSequence {
  readonly #clock: Clock;
  readonly #sequence: Sequence<T>;
  readonly #done: (error: NvmeofError | undefined, value: T | undefined) => void;
  /** `resumed`: its own code is running; `over`: it has ended, or was cancelled. */
  #phase: "suspended" | "resumed" | "over" = "suspended";
  /** Which step is awaited: an answer to an earlier one comes too late. */
  #turn = 0;
  #timer: Timer | undefined;
  #stepEnd: StepEnd | undefined;

  constructor(
    clock: Clock,
    sequence: Sequence<T>,
    done: (error: NvmeofError | undefined, value: T | undefined) => void,
  ) {
    this.#clock = clock;
    this.#sequence = sequence;
    this.#done = done;
  }

  cancel(): void {
    if (this.#phase === "over") return;
    const before = this.#phase;
    this.#phase = "over";
    this.#leaveStep();
    // While its own code runs it cannot be unwound: `advance` does it when that returns.
    if (before === "suspended") this.#unwind();
  }

  /** Leaves the step, and goes on to the next or to the end. */
  advance(resume: () => IteratorResult<Step, T>): void {
    this.#leaveStep();
    this.#phase = "resumed";
    let result: IteratorResult<Step, T> | undefined;
    let thrown: unknown;
    try {
      result = resume();
    } catch (error) {
      thrown = error;
    }
    // The procedure itself may have led to its being cancelled.
    if ((this.#phase as string) === "over") {
      this.#unwind();
    } else if (result !== undefined && result.done !== true) {
      this.#phase = "suspended";
      this.#enterStep(result.value);
    } else {
      this.#phase = "over";
      if (result === undefined) this.#done(thrown as NvmeofError, undefined);
      else this.#done(undefined, result.value);
    }
  }

  #enterStep(next: Step): void {
    const { what, timeoutMs } = next;
    const sequence = this.#sequence;
    const clock = this.#clock;
    const turn = this.#turn;
    if (timeoutMs !== Infinity) {
      this.#timer = deadline(clock, clock.nowMs() + timeoutMs, () => {
        if (turn !== this.#turn) return;
        const error = new TimeoutError(what, timeoutMs, { phase: what });
        this.advance(() => sequence.throw(error));
      });
    }
    const answer: StepDone<unknown> = (error, value) => {
      // Late, or a second answer. One from inside `start` waits for `start` to return.
      if (turn !== this.#turn) return;
      this.#turn++;
      clock.defer(() => {
        if (this.#phase === "over") return;
        this.advance(() => (error === undefined ? sequence.next(value) : sequence.throw(error)));
      });
    };
    try {
      const end = next.start(answer) ?? undefined;
      // Its beginning may have led to the end of the whole.
      if (this.#phase === "over") end?.();
      else this.#stepEnd = end;
    } catch (error) {
      answer(error as NvmeofError);
    }
  }

  #leaveStep(): void {
    this.#turn++;
    this.#timer?.cancel();
    this.#timer = undefined;
    const end = this.#stepEnd;
    this.#stepEnd = undefined;
    end?.();
  }

  /** Runs the `finally` blocks; what they throw is of no interest to whoever cancels. */
  #unwind(): void {
    try {
      this.#sequence.return(undefined as T);
    } catch {
      // Nobody waits for it any more.
    }
  }
}
