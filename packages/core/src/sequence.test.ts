// Sequences: steps that wait, in virtual time, each with its deadline, and cancelled anywhere.

import { NvmeofError } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { TimeoutError } from "./errors.ts";
import {
  type Sequence,
  type StepDone,
  pause as virtualPause,
  runSequence,
  step,
} from "./sequence.ts";

const failure = new NvmeofError("NVME_ERR_TEST", "it failed");

/** Runs `make`'s sequence; `done` of its steps are collected by name. */
function setup<T>(
  make: (wait: (what: string, timeoutMs?: number) => Sequence<string>) => Sequence<T>,
) {
  const clock = new VirtualClock();
  const steps = new Map<string, StepDone<string>>();
  const ended: string[] = [];
  const results: { error: NvmeofError | undefined; value: T | undefined; atMs: number }[] = [];
  const wait = (what: string, timeoutMs = Infinity): Sequence<string> =>
    step<string>(what, timeoutMs, (done) => {
      steps.set(what, done);
      return () => ended.push(what);
    });
  const running = runSequence(clock, make(wait), (error, value) =>
    results.push({ error, value, atMs: clock.nowMs() }),
  );
  const answer = (what: string, error?: NvmeofError, value?: string): void => {
    steps.get(what)!(error, value);
    clock.settle();
  };
  return { clock, steps, ended, results, running, answer };
}

test("each step gets the value of the one before, and the last one's is the result", () => {
  const { answer, results, ended } = setup(function* (wait) {
    const a = yield* wait("a");
    const b = yield* wait("b");
    return `${a} ${b}`;
  });
  answer("a", undefined, "one");
  expect(results).toEqual([]);
  answer("b", undefined, "two");
  expect(results).toMatchObject([{ error: undefined, value: "one two" }]);
  expect(ended).toEqual(["a", "b"]);
});

test("nothing goes on inside the call that answers a step", () => {
  const { clock, steps, results } = setup(function* (wait) {
    return yield* wait("a");
  });
  steps.get("a")!(undefined, "value");
  expect(results).toEqual([]);
  clock.settle();
  expect(results).toHaveLength(1);
});

test("an error of a step is thrown into the procedure, which may go on", () => {
  const { answer, results } = setup(function* (wait) {
    try {
      yield* wait("a");
    } catch (error) {
      return (error as NvmeofError).message;
    }
    return "no error";
  });
  answer("a", failure);
  expect(results).toMatchObject([{ value: "it failed" }]);
});

test("what the procedure throws ends it", () => {
  const { answer, results } = setup(function* (wait) {
    yield* wait("a");
    throw failure;
  });
  answer("a");
  expect(results).toMatchObject([{ error: failure, value: undefined }]);
});

test("what a step's beginning throws is an error of the step", () => {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  const sequence = step("a", 100, () => {
    throw failure;
  });
  runSequence(clock, sequence, (error) => errors.push(error));
  expect(errors).toEqual([]);
  clock.settle();
  expect(errors).toEqual([failure]);
  expect(clock.armed).toBe(0);
});

test("a step that is not answered in time is an error that says which, and of when", () => {
  const { clock, results, ended } = setup(function* (wait) {
    yield* wait("Identify", 5_000);
  });
  clock.advance(4_999);
  expect(results).toEqual([]);
  clock.advance(1);
  const { error, atMs } = results.at(0)!;
  expect(error).toBeInstanceOf(TimeoutError);
  expect(error).toMatchObject({ phase: "Identify", afterMs: 5_000 });
  expect(atMs).toBe(5_000);
  expect(ended).toEqual(["Identify"]);
});

test("the deadline of a step that was answered says nothing about the next", () => {
  const { clock, answer, results } = setup(function* (wait) {
    yield* wait("a", 100);
    return yield* wait("b", 1_000);
  });
  clock.advance(50);
  answer("a");
  clock.advance(900);
  expect(results).toEqual([]);
  answer("b", undefined, "in time");
  expect(results).toMatchObject([{ value: "in time" }]);
  expect(clock.armed).toBe(0);
});

test("an answer to a step that has timed out, and a second answer, are ignored", () => {
  const { clock, steps, answer, results } = setup(function* (wait) {
    try {
      yield* wait("a", 100);
    } catch {
      // On to the next.
    }
    return yield* wait("b");
  });
  clock.advance(100);
  answer("a", undefined, "late");
  expect(results).toEqual([]);
  steps.get("b")!(undefined, "first");
  steps.get("b")!(failure);
  clock.settle();
  expect(results).toMatchObject([{ error: undefined, value: "first" }]);
});

test("a sequence that is cancelled undoes its step, runs its finally blocks and says nothing", () => {
  const undone: string[] = [];
  const { clock, running, answer, results, ended } = setup(function* (wait) {
    try {
      yield* wait("a", 1_000);
    } finally {
      undone.push("finally");
    }
  });
  running.cancel();
  running.cancel();
  answer("a");
  clock.advance(10_000);
  expect(undone).toEqual(["finally"]);
  expect(ended).toEqual(["a"]);
  expect(results).toEqual([]);
  expect(clock.armed).toBe(0);
});

test("a sequence that is cancelled between an answer and its turn goes no further", () => {
  const { clock, steps, running, results } = setup(function* (wait) {
    return yield* wait("a");
  });
  steps.get("a")!(undefined, "value");
  running.cancel();
  clock.settle();
  expect(results).toEqual([]);
});

test("what a finally block throws does not reach whoever cancels", () => {
  const { running } = setup(function* (wait) {
    try {
      yield* wait("a");
    } finally {
      // oxlint-disable-next-line no-unsafe-finally
      throw failure;
    }
  });
  expect(() => running.cancel()).not.toThrow();
});

test("a procedure may lead to its own cancellation, and then goes no further than its next step", () => {
  const reached: string[] = [];
  const { answer, running, results, steps } = setup(function* (wait) {
    yield* wait("a");
    running.cancel();
    reached.push("the rest of this step");
    yield* wait("b");
    reached.push("too far");
  });
  answer("a");
  expect(reached).toEqual(["the rest of this step"]);
  expect(steps.has("b")).toBe(false);
  expect(results).toEqual([]);
});

test("a step whose beginning leads to a cancel is undone as well", () => {
  const clock = new VirtualClock();
  const undone: string[] = [];
  const sequence = (function* (): Sequence<void> {
    yield* virtualPause(clock, 10);
    yield* step("a", 1_000, () => {
      running.cancel();
      return () => undone.push("a");
    });
  })();
  const running = runSequence(clock, sequence, () => undone.push("done"));
  clock.advance(10);
  expect(undone).toEqual(["a"]);
  expect(clock.armed).toBe(0);
});

test("a procedure without a step ends inside the call", () => {
  const clock = new VirtualClock();
  const values: unknown[] = [];
  // oxlint-disable-next-line require-yield
  const sequence = (function* (): Sequence<number> {
    return 7;
  })();
  runSequence(clock, sequence, (_error, value) => values.push(value));
  expect(values).toEqual([7]);
});

test("a pause lasts as long as it says", () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  runSequence(clock, virtualPause(clock, 250), () => at.push(clock.nowMs()));
  clock.drain();
  expect(at).toEqual([250]);
});

test("a pause that is cancelled leaves no timer", () => {
  const clock = new VirtualClock();
  const running = runSequence(clock, virtualPause(clock, 250), () => {});
  running.cancel();
  expect(clock.armed).toBe(0);
});

test("F39: a step's deadline that comes late, because we were stalled, lets the answer be read first", () => {
  const { clock, steps, results } = setup(function* (wait) {
    return yield* wait("a", 1_000);
  });
  // As after a stall: the timer is late, and the answer is read only after it has run.
  clock.at(1_000, () => steps.get("a")!(undefined, "read late"));
  clock.advance(2_000);
  expect(results).toMatchObject([{ value: "read late" }]);
});
