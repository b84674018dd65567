// docs/parity.md and the tests that it names agree: every row is there, and nothing that is not.
// Read first: docs/parity.md.

import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";

const here = new URL("./", import.meta.url);
const page = readFileSync(new URL("../../docs/parity.md", here), "utf8");

/** Rows of SPDK's unit test, those that it lacks, and decisions that none of them is about. */
const rows = [
  ...Array.from({ length: 60 }, (_, at) => String(at + 1).padStart(2, "0")),
  ...Array.from({ length: 9 }, (_, at) => `X${at + 1}`),
  ...Array.from({ length: 3 }, (_, at) => `D${at + 1}`),
];

/** Cells of the table under a heading, without its head. */
function tableUnder(heading: string): string[][] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const lines = (section ?? "").split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** Titles in the source of a file of tests. */
function titlesIn(file: string): string[] {
  const source = readFileSync(new URL(`${file}.test.ts`, here), "utf8");
  return [...source.matchAll(/"((?:parity \w+: |[a-z])[^"\\\n]*)"/g)].map(([, title]) => title!);
}

const tests = tableUnder("Tests");
const titleOf = (row: string, file: string, title: string): string =>
  file.startsWith("parity-") ? `parity ${row}: ${title}` : title;

test("the page has every row, in order, with nothing left empty", () => {
  expect([...new Set(tests.map(([row]) => row))]).toEqual(rows);
  for (const heading of ["Tests", "Deliberate differences", "What the seed of row 04 left open"]) {
    const table = tableUnder(heading);
    expect(table.length).toBeGreaterThan(0);
    for (const cells of table) expect(cells.every((cell) => cell !== "")).toBe(true);
  }
});

test("the page names only tests that exist", () => {
  for (const [row, , file, title] of tests) {
    expect(titlesIn(file!)).toContain(titleOf(row!, file!, title!));
  }
});

test("every test that is about a row is on the page, under that row", () => {
  const files = readdirSync(here)
    .filter((name) => /^parity-.*\.test\.ts$/.test(name))
    .map((name) => name.replace(".test.ts", ""));
  const written = files.flatMap((file) =>
    titlesIn(file)
      .filter((title) => title.startsWith("parity "))
      .map((title) => `${file} ${title}`),
  );
  const named = tests
    .filter(([, , file]) => file!.startsWith("parity-"))
    .map(([row, , file, title]) => `${file} ${titleOf(row!, file!, title!)}`);
  expect(written.length).toBeGreaterThan(rows.length);
  expect(new Set(named)).toEqual(new Set(written));
});

test("differences and holes are said of rows that exist", () => {
  const said = [
    ...tableUnder("Deliberate differences").flatMap(([names]) => names!.split(", ")),
    ...tableUnder("What the seed of row 04 left open").flatMap((cells) => cells[2]!.split(", ")),
  ];
  for (const row of said) expect(rows).toContain(row);
});
