// Coverage counts looks at the table, and says what is missing and what should not have been.

import { events, lifecycle, states } from "@nvmeof/core";
import { expect, test } from "vitest";
import { CountingTable, formatCoverage, unmet } from "./coverage.ts";

/** A table that was looked at in every cell that can be met. */
function full(): CountingTable {
  const counting = new CountingTable();
  for (const { state, event, decision, reason } of counting.coverage().pairs) {
    if (decision !== "impossible" && reason === undefined) void counting.table[state][event];
  }
  return counting;
}

test("it has the cells of the table, and counts each look at one", () => {
  const counting = new CountingTable();
  const looked: unknown[] = [];
  counting.onMeet = (cell) => looked.push(cell);
  expect(counting.table.live.lost).toBe(lifecycle.live.lost);
  expect(counting.table.live.lost).toBe(lifecycle.live.lost);
  const { pairs } = counting.coverage();
  expect(pairs).toHaveLength(states.length * events.length);
  expect(pairs.filter(({ count }) => count > 0)).toEqual([
    { state: "live", event: "lost", decision: "transition", count: 2, reason: undefined },
  ]);
  expect(looked).toEqual([lifecycle.live.lost, lifecycle.live.lost]);
});

test("nothing is missing when every possible cell was met", () => {
  const { missing, wrong } = full().coverage();
  expect([missing, wrong]).toEqual([[], []]);
});

test("a cell that was not met is missing, and shows", () => {
  const coverage = new CountingTable().coverage();
  expect(coverage.missing).toContainEqual(
    expect.objectContaining({ state: "waiting", event: "lossElapsed" }),
  );
  expect(formatCoverage(coverage)).toContain("MISSING");
  expect(formatCoverage(full().coverage())).not.toContain("MISSING");
});

test("an impossible cell that was met is wrong, and shows", () => {
  const counting = full();
  void counting.table.closed.connected;
  const coverage = counting.coverage();
  expect(coverage.wrong).toMatchObject([{ state: "closed", event: "connected", count: 1 }]);
  expect(formatCoverage(coverage)).toContain("1 IMPOSSIBLE");
});

test("what is held to be never met must not be met, and has a reason", () => {
  for (const { state, event, reason } of unmet) {
    const counting = full();
    void counting.table[state][event];
    expect(counting.coverage().wrong).toMatchObject([{ state, event, reason }]);
    expect(formatCoverage(counting.coverage())).toContain("1 UNEXPECTED");
    expect(lifecycle[state][event]).not.toBe("impossible");
  }
});
