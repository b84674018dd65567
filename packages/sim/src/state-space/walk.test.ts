// The production controller under every short sequence of events; and the walk under broken tables.
// NVMEOF_WALK_EVENTS=6 takes the pairs as far as single events, in a minute or so.

import { type Cell, type Event, type Lifecycle, type State, lifecycle } from "@nvmeof/core";
import { beforeAll, describe, expect, test } from "vitest";
import { profiles } from "./profile.ts";
import { formatWalk } from "./report.ts";
import { walk, walkInSteps } from "./walk.ts";

const pairEvents = Number(process.env["NVMEOF_WALK_EVENTS"] ?? 5);
const TIMEOUT_MS = 600_000;

// Most errors here are never looked at, and their stacks would take a third of the time.
beforeAll(() => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  return () => {
    Error.stackTraceLimit = stackTraceLimit;
  };
});

describe("on the production controller", () => {
  test(
    "I1, I2, I11 to I14: six events in any order, and every cell that can be met is met",
    () => {
      const report = walk({ events: 6, pairs: 0 });
      expect(report.failures, formatWalk(report)).toEqual([]);
      expect(report.coverage.missing, formatWalk(report)).toEqual([]);
      expect(report.coverage.wrong, formatWalk(report)).toEqual([]);
      expect(report.sequences).toBeGreaterThan(15_000);
    },
    TIMEOUT_MS,
  );

  test(
    "I1, I2, I11 to I14: two of them at once, in both orders, and from inside callbacks",
    () => {
      const report = walk({ events: pairEvents, pairs: 1 });
      expect(report.failures, formatWalk(report)).toEqual([]);
      expect(report.coverage.wrong, formatWalk(report)).toEqual([]);
      expect(report.concurrent).toBeGreaterThan(15_000);
    },
    TIMEOUT_MS,
  );

  const few = ["disable", "enable", "lost", "half-accept", "refuse-for-good", "timer"] as const;
  test.each([
    ["everything, three events", { events: 3 }],
    ["few things, four events", { events: 4, stimuli: few }],
  ] as const)(
    "nothing is lost by merging: a complete walk comes to no other state (%s)",
    (_what, limits) => {
      const [complete, reduced] = [walk({ ...limits, extent: "complete" }), walk(limits)];
      expect(reduced.distinct).toBe(complete.distinct);
      expect(complete.failures).toEqual([]);
      expect(complete.sequences).toBeGreaterThan(2 * reduced.sequences);
      // A last event that only gets an answer is not played again by the reduced one.
      const cells = ({ coverage }: typeof complete) =>
        coverage.pairs
          .filter(({ decision, count }) => decision === "transition" && count > 0)
          .map(({ state, event }) => `${state} × ${event}`);
      expect(cells(reduced)).toEqual(cells(complete));
    },
    TIMEOUT_MS,
  );

  test("the same walk gives the same report", () => {
    expect(walk({ events: 2 })).toEqual(walk({ events: 2 }));
  });

  test("a walk that is stopped has what it came to, one sequence after the other", () => {
    const counts: number[] = [];
    const steps = walkInSteps({ events: 3, stopped: () => counts.length >= 100 });
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) counts.push(step.value);
    expect(counts).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(step.value).toMatchObject({ sequences: 100, failures: [] });
  });
});

/** The production table, but for one cell. */
const broken = (state: State, event: Event, cell: Cell): Lifecycle => ({
  ...lifecycle,
  [state]: { ...lifecycle[state], [event]: cell },
});

describe("it finds", () => {
  const faults: readonly (readonly [string, State, Event, Cell, RegExp])[] = [
    [
      "a close that forbids recovery and does not end the commands",
      "live",
      "close",
      { to: "closing", run: [] },
      /^I12: closed after Infinity/,
    ],
    [
      "a close that is refused while a recovery runs",
      "recovering",
      "close",
      "refuse",
      /^I12: it is /,
    ],
    [
      "a close that leaves an attempt to itself",
      "recovering",
      "close",
      { to: "closing", run: ["stopLossTimers", "runClose"] },
      /^I11: 1 timers are armed/,
    ],
    [
      "a close that leaves timers armed",
      "waiting",
      "close",
      { to: "closing", run: ["disarmDelay", "runClose"] },
      /^assertion: lossElapsed cannot happen while closed/,
    ],
    [
      "a loss timer that outlives the recovery",
      "recovering",
      "disable",
      { to: "disabled", run: ["cancelAttempt"] },
      /^assertion: lossElapsed cannot happen/,
    ],
    [
      "a recovery that tears nothing down",
      "live",
      "lost",
      { to: "recovering", run: ["nextAddress", "startLossTimers", "attempt"] },
      /^I13: connects while \d earlier queues/,
    ],
    [
      "a second recovery beside the first",
      "recovering",
      "reset",
      { to: "recovering", run: ["attempt"] },
      /^I13: recovering by reset/,
    ],
    [
      "a controller that connects after its end",
      "closed",
      "enable",
      { to: "recovering", run: ["attempt"] },
      /^I13: closed by enable/,
    ],
    [
      "a controller that is disabled with its queues open",
      "live",
      "disable",
      { to: "disabled", run: [] },
      /^I13: connects while \d earlier queues/,
    ],
    [
      "a close that leaves a fence open",
      "fencing",
      "close",
      { to: "closing", run: ["stopLossTimers", "runClose"] },
      /^I11: a fence is not called off/,
    ],
    [
      "a fence that outlives its being disabled",
      "fencing",
      "disable",
      { to: "disabled", run: ["stopLossTimers"] },
      /^I11: a fence is not called off/,
    ],
    [
      "a fence before the teardown",
      "live",
      "lostInDoubt",
      { to: "fencing", run: ["fence", "tearDown", "startLossTimers"] },
      /^I13: fences while \d (queues|commands)/,
    ],
    [
      "an attempt that does not wait for the fence",
      "live",
      "resetInDoubt",
      { to: "fencing", run: ["tearDown", "startLossTimers", "fence", "attempt"] },
      /^I13: connects while fencing/,
    ],
    [
      "a cell that is held to be impossible",
      "waiting",
      "lossElapsed",
      "impossible",
      /^assertion: /,
    ],
  ];

  test.each(faults)("%s (%s × %s)", (_what, state, event, cell, complaint) => {
    const table = broken(state, event, cell);
    // The smallest first: most faults show in any.
    const order = profiles.toReversed();
    const { failures } = walk({ events: 4, pairs: 0, table, failuresMax: 1, profiles: order });
    expect(failures).toHaveLength(1);
    expect(failures[0]!.complaints.join("\n")).toMatch(new RegExp(complaint.source, "m"));
  });
});
