// The table on its own: total, every state can be come to, and the counts of what it decides.

import { type Lifecycle, events, lifecycle, states } from "@nvmeof/core";
import { expect, test } from "vitest";
import { type Decision, decisionOf, reachablePairs, reachableStates } from "./table.ts";

test("every state can be come to from the first, and meets every event", () => {
  expect(reachableStates().toSorted()).toEqual([...states].toSorted());
  const met = reachablePairs().map(({ state, event }) => `${state} ${event}`);
  expect(new Set(met).size).toBe(states.length * events.length);
});

test("each pair is decided, in one of five ways", () => {
  const counts: Partial<Record<Decision, number>> = {};
  for (const { decision } of reachablePairs()) counts[decision] = (counts[decision] ?? 0) + 1;
  expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(
    states.length * events.length,
  );
  expect(Object.keys(counts).toSorted()).toEqual([
    "ignore",
    "impossible",
    "join",
    "refuse",
    "transition",
  ]);
});

test("what no transition leads to is not come to", () => {
  const table: Lifecycle = {
    ...lifecycle,
    live: { ...lifecycle.live, flapped: "impossible" },
    recovering: { ...lifecycle.recovering, failed: "impossible" },
  };
  expect(reachableStates(table)).not.toContain("waiting");
  expect(reachablePairs(table).filter(({ state }) => state === "waiting")).toEqual([]);
});

test("a table with a hole is not total", () => {
  const { close: _close, ...rest } = lifecycle.live;
  const table = { ...lifecycle, live: rest } as unknown as Lifecycle;
  expect(() => reachablePairs(table)).toThrow("hole");
  expect(decisionOf(lifecycle.live.close)).toBe("transition");
});
