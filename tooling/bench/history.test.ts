// The history is read as it was written, and speaks of rows that there are.
import { expect, test } from "vitest";
import { type KeptRun, keptRuns, lastKept } from "./history.ts";
import { rows } from "./rows.ts";

const run = (engine: string, ratio: number, row = "a"): KeptRun => ({
  date: "2026-01-31",
  engine,
  platform: "linux x64",
  disturbed: 0,
  rows: { [row]: { ratio } },
});

test("the last run of the same major version counts, else the last of all", () => {
  const runs = [run("node 20.20.2", 1), run("node 20.20.3", 2), run("node 26.1.0", 3)];
  expect(lastKept(runs, "a", "node 20.21.0")?.ratio).toBe(2);
  expect(lastKept(runs, "a", "node 24.0.0")?.ratio).toBe(3);
  expect(lastKept(runs, "b", "node 20.21.0")).toBeUndefined();
  expect(lastKept([run("node 20.1.0", 1, "b"), ...runs], "b", "node 26.0.0")?.ratio).toBe(1);
});

test("lines are runs", () => {
  const runs = [run("node 20.20.2", 1), run("node 26.1.0", 3)];
  expect(keptRuns(runs.map((each) => `${JSON.stringify(each)}\n`).join(""))).toEqual(runs);
});

test("what is kept are ratios of rows that there are", () => {
  const names = new Set(rows.map(({ name }) => name));
  const all = keptRuns();
  expect(all.length).toBeGreaterThan(0);
  for (const { date, engine, disturbed, rows: kept } of all) {
    expect(disturbed).toBeLessThanOrEqual(1);
    expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(engine).toMatch(/^\w+ \d+\./);
    for (const [name, { ratio = 1, cpuRatio = 1 }] of Object.entries(kept)) {
      expect(names).toContain(name);
      expect(ratio).toBeGreaterThan(0);
      expect(cpuRatio).toBeGreaterThan(0);
    }
  }
});
