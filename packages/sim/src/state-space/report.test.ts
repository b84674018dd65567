// A report says what failed and how to come to it, and is whole only where nothing is left to say.

import { lifecycle } from "@nvmeof/core";
import { expect, test } from "vitest";
import { formatWalk, isWhole } from "./report.ts";
import { walk } from "./walk.ts";

test("a failure is shown with its moves and its complaints", () => {
  const table = { ...lifecycle, disabled: { ...lifecycle.disabled, close: "refuse" as const } };
  const report = walk({ events: 2, pairs: 0, table, failuresMax: 1 });
  const text = formatWalk(report);
  expect(text).toMatch(
    /^FAILED patient: accept, reset, disable\n {2}I12: closed after Infinity ms/,
  );
  expect(text).toContain("1 failures");
  expect(isWhole(report)).toBe(false);
});

test("what was not met keeps a report from being whole, as a failure does", () => {
  const report = walk({ events: 1, pairs: 0 });
  expect(report.failures).toEqual([]);
  expect(report.coverage.missing.length).toBeGreaterThan(0);
  expect(isWhole(report)).toBe(false);
  expect(isWhole({ ...report, coverage: { ...report.coverage, missing: [] } })).toBe(true);
});
