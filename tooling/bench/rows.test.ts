// Rows have names of their own, their goals are those of the README, and names stand for those they fit.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { commandLine } from "./command-line.ts";
import { probes } from "./probes.ts";
import { quantity } from "./report.ts";
import { rows } from "./rows.ts";

const names = [...rows, ...probes].map(({ name }) => name);

test("no two rows have one name", () => {
  expect(new Set(names).size).toBe(names.length);
});

test("the README has every goal as it is", () => {
  const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
  const cells = readme
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const written = cells.map(([, name, , atLeast, aim]) => [name, atLeast, aim].join(" "));
  const goals = rows
    .filter(({ atLeast }) => atLeast !== undefined)
    .map(({ name, measure, atLeast, aim }) =>
      [`\`${name}\``, quantity(measure, atLeast), quantity(measure, aim)].join(" "),
    );
  expect(written).toEqual(expect.arrayContaining(goals));
});

test.each([
  ["host-r4k-qd32", ["host-r4k-qd32"]],
  ["codec,promise-r4k-*", ["promise-r4k-qd128", "promise-r4k-qd32", "codec"]],
  ["queues-*", ["queues-1", "queues-4", "queues-16", "queues-64", "queues-256"]],
  ["host", []],
  ["host-r4k-qd32.", []],
])("--only %s", (pattern, expected) => {
  expect(names.filter(commandLine(["--only", pattern]).only)).toEqual(expected);
});

test.each([["--rounds", "0"], ["--seconds", "x"], ["--what"], ["row"]])(
  "%s %s is refused",
  (...args) => {
    expect(() => commandLine(args)).toThrow();
  },
);
