// The list of processes: what is seen, and what keys do.

import { expect, test } from "vitest";
import { chooserLines, chosenBy } from "./choose.ts";

const plain = { bold: (text: string) => text, dim: (text: string) => text, columns: undefined };

test("the list shows which one is chosen, by pages", () => {
  const names = ["4711 serve", "4712 perf run", "4713 connect --hold"];
  expect(chooserLines(names, 1, { columns: 40, rows: 8 }, plain)).toEqual([
    "nvmeof top  which of 3 processes?",
    "",
    "  4711 serve",
    "> 4712 perf run",
    "  4713 connect --hold",
    "",
    "",
    "up, down choose  Enter watch  q quit",
  ]);
  expect(chooserLines(names, 2, { columns: 12, rows: 6 }, plain)).toEqual([
    "nvmeof top …",
    "",
    "> 4713 conn…",
    "",
    "",
    "up, down ch…",
  ]);
});

test.each([
  ["down", 0, 1],
  ["down", 2, 2],
  ["up", 0, 0],
  ["end", 0, 2],
  ["home", 2, 0],
  ["return", 1, "take"],
  ["q", 1, "quit"],
  ["escape", 1, "quit"],
  ["interrupt", 1, "quit"],
  ["x", 1, 1],
] as const)("%s at %d gives %s", (name, at, expected) => {
  expect(chosenBy({ name, text: "" }, at, 3)).toBe(expected);
});
