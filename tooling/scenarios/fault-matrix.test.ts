// Every row of the fault matrix that is about a host has its test here; those about a target alone, and
// about one layer, stand beside their sources (tooling/tidy/rows.test.ts finds them all).
// Read first: docs/fault-matrix.md. A test says by its title which rows it is about:
// `npx vitest -t "F30" tooling/scenarios` runs them.

import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";

const here = new URL("./", import.meta.url);

/**
 * Destruct 1 to 18, timeouts and recovery 19 to 29, path loss 30 to 57, ANA and fencing 58 to 70,
 * controllers that break the protocol 71 to 86. Of the rest, what a host and a target show together.
 */
const rows = [...Array.from({ length: 86 }, (_, at) => `F${at + 1}`), "F107", "F112"];

/** Rows that only a real socket, process or network can show; in `real`, as `(sockets)` or `(network)`. */
const realRows = ["F1", "F2", "F9", "F10", "F17", "F30", "F32", "F33", "F36", "F47", "F49", "F106"];

/** Rows that the titles of the tests in a folder name: "F1: …", "F1, F2 (sockets): …". */
function rowsIn(folder: URL): Set<string> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const titles = files.flatMap((name) => {
    const source = readFileSync(new URL(name, folder), "utf8");
    const inTitles = /["'`]((?:[A-Z]\d+, )*F\d+(?:, [A-Z]\d+)*)(?: \(\w+\))?: /g;
    const inTables = /row: "(F\d+)"|"(F\d+)",\n/g;
    const made = [...source.matchAll(inTables)].map(([, row, first]) => row ?? first!);
    return [...[...source.matchAll(inTitles)].map(([, named]) => named!), ...made];
  });
  return new Set(titles.flatMap((named) => named.split(", ")));
}

test("every row has a test in virtual time, but for the one that is about processes", () => {
  const named = rowsIn(here);
  expect(rows.filter((row) => !named.has(row))).toEqual(["F17"]);
});

test("the rows that are about sockets, processes and networks have one with real ones", () => {
  const named = rowsIn(new URL("real/", here));
  expect(realRows.filter((row) => !named.has(row))).toEqual([]);
});
