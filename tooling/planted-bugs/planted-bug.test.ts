// The planted bugs as data: each fits the code as it is now, and says what a reader wants to know.

import { expect, test } from "vitest";
import { read } from "@nvmeof/tooling-support";
import { bugs } from "./bugs/index.ts";
import { type PlantedBug, planted } from "./planted-bug.ts";

test.each(bugs)("$name fits the code", (bug) => {
  for (const { file } of bug.changes) {
    const text = read(file);
    expect(planted(bug, file, text)).not.toBe(text);
  }
});

test("no two have one name, and each names invariants", () => {
  expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
  for (const { name, what, breaks } of bugs) {
    expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/);
    expect(what).toMatch(/\.$/);
    expect(breaks.length, name).toBeGreaterThan(0);
    for (const invariant of breaks) expect(invariant, name).toMatch(/^I([1-9]|[1-3]\d|4[0-5])$/);
  }
});

const change = { file: "a.ts", find: "b", replace: "c" };
const bug: PlantedBug = { name: "a-bug", what: "A bug.", breaks: ["I1"], changes: [change] };

test("a bug whose text is not there, or there twice, is an error", () => {
  expect(planted(bug, "a.ts", "abc")).toBe("acc");
  expect(() => planted(bug, "a.ts", "ac")).toThrow("occurs 0 times in a.ts, not once");
  expect(() => planted(bug, "a.ts", "abb")).toThrow("occurs 2 times in a.ts, not once");
});

test("a bug leaves other files alone", () => {
  expect(planted(bug, "b.ts", "abb")).toBe("abb");
});
