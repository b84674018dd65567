// Every row of the tables of bad input and of the fault matrix has a test that is named after it.
import { expect, test } from "vitest";
import { read, trackedFiles } from "@nvmeof/tooling-support";
import { rowsOnPage, rowsTested } from "./rows.ts";

/** How many rows each letter has: none is lost when a page is edited. */
const counts: Readonly<Record<string, number>> = {
  T: 100,
  K: 15,
  H: 54,
  D: 10,
  A: 20,
  S: 11,
  L: 12,
  N: 12,
  P: 8,
  C: 6,
  V: 5,
  F: 113,
};

const rows = ["docs/bad-input.md", "docs/fault-matrix.md"].flatMap((page) =>
  rowsOnPage(read(page)),
);

/** Files by the rows that they test. */
const tested = new Map<string, string[]>();
for (const path of trackedFiles().filter((file) => file.endsWith(".test.ts"))) {
  for (const row of rowsTested(path, read(path))) {
    tested.set(row, [...(tested.get(row) ?? []), path]);
  }
}

test("the pages have every row, once", () => {
  const expected = Object.entries(counts).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, at) => `${letter}${at + 1}`),
  );
  expect(rows.toSorted()).toEqual(expected.toSorted());
});

test("every row has a test", () => {
  expect(rows.filter((row) => !tested.has(row))).toEqual([]);
});

test("D10: there is no mDNS: no file that is shipped opens a datagram socket", () => {
  const shipped = trackedFiles().filter(
    (path) => /^(packages|apps)\/.*\.ts$/.test(path) && !path.endsWith(".test.ts"),
  );
  const openers = shipped.filter((path) => /["'](node:)?dgram["']|mdns/i.test(read(path)));
  expect(openers).toEqual([]);
});

const found = (text: string): string[] => [...rowsTested("a.test.ts", text)].toSorted();

test.each([
  [`test("T47: a tag", () => {});`, ["T47"]],
  [`test("F1, F2 (sockets): a peer", () => {});`, ["F1", "F2"]],
  [`test("[T79] [F97] too many", () => {});`, ["F97", "T79"]],
  ["test.each(rows)(`H39: ${what}`, () => {});", ["H39"]],
  [`describe("T43, T44: digests", () => {});`, ["T43", "T44"]],
  [`const rows = [{ row: wide ? "T58" : "T61" }];`, ["T58", "T61"]],
  [`const rows = [["T38", make]];`, ["T38"]],
  [`const row = answering("T46", "a tag");`, ["T46"]],
])("%s is a test of %j", (text, expected) => {
  expect(found(text)).toEqual(expected);
});

test.each([
  `test("about T47", () => {});`,
  `const serial = "S1";`,
  `// T47: said in a comment`,
  `test("S1x: no row", () => {});`,
])("%s is none", (text) => {
  expect(found(text)).toEqual([]);
});
