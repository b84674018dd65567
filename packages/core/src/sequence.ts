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
  let timer: Timer | undefined;
  let stepEnd: StepEnd | undefined;
  /** Which step is awaited: an answer to an earlier one comes too late. */
  let turn = 0;
  let over = false;
  let running = false;

  const leaveStep = (): void => {
    turn++;
    timer?.cancel();
    timer = undefined;
    const end = stepEnd;
    stepEnd = undefined;
    end?.();
  };

  const advance = (resume: () => IteratorResult<Step, T>): void => {
    leaveStep();
    let result: IteratorResult<Step, T> | undefined;
    let thrown: unknown;
    running = true;
    try {
      result = resume();
    } catch (error) {
      thrown = error;
    }
    running = false;
    // The procedure itself may have led to its being cancelled.
    if (over) {
      unwind(sequence);
    } else if (result === undefined) {
      over = true;
      done(thrown as NvmeofError, undefined);
    } else if (result.done === true) {
      over = true;
      done(undefined, result.value);
    } else {
      enterStep(result.value);
    }
  };

  const enterStep = (next: Step): void => {
    const mine = turn;
    if (next.timeoutMs !== Infinity) {
      timer = deadline(clock, clock.nowMs() + next.timeoutMs, () => {
        if (over || mine !== turn) return;
        const error = new TimeoutError(next.what, next.timeoutMs, { phase: next.what });
        advance(() => sequence.throw(error));
      });
    }
    const answer: StepDone<unknown> = (error, value) => {
      // Late, or a second answer. One from inside `start` waits for `start` to return.
      if (over || mine !== turn) return;
      turn++;
      clock.defer(() => {
        if (over) return;
        advance(() => (error === undefined ? sequence.next(value) : sequence.throw(error)));
      });
    };
    try {
      stepEnd = next.start(answer) ?? undefined;
    } catch (error) {
      answer(error as NvmeofError);
    }
  };

  advance(() => sequence.next());
  return {
    cancel: () => {
      if (over) return;
      over = true;
      leaveStep();
      if (!running) unwind(sequence);
    },
  };
}

/** Runs the `finally` blocks; what they throw is of no interest to whoever cancels. */
function unwind(sequence: Sequence<unknown>): void {
  try {
    sequence.return(undefined);
  } catch {
    // Nobody waits for it any more.
  }
}
