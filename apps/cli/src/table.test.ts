// Tables are aligned, fit the screen, and show nothing that a peer could do harm with.

import { expect, test } from "vitest";
import type { Style } from "./style.ts";
import { type Column, facts, table } from "./table.ts";

interface Row {
  readonly name: string;
  readonly size: string;
}

const columns: readonly Column<Row>[] = [
  { title: "Name", value: ({ name }) => name },
  { title: "Size", value: ({ size }) => size, align: "right" },
  { title: "Twice", value: ({ name }) => name + name, drop: 2 },
  { title: "Note", value: () => "nothing", drop: 1 },
];
const rows: Row[] = [
  { name: "a", size: "1" },
  { name: "long", size: "12345" },
];
const plain = (width?: number): Style => ({
  bold: (text) => text,
  dim: (text) => text,
  columns: width,
});

test("columns stand below each other, numbers to the right", () => {
  expect(table(columns, rows, plain())).toBe(
    "Name   Size  Twice     Note\n" +
      "a         1  aa        nothing\n" +
      "long  12345  longlong  nothing\n",
  );
});

test("where the screen is narrow, columns go in their order, and those without one stay", () => {
  const titles = (width: number): string | undefined =>
    table(columns, rows, plain(width)).split("\n")[0];
  expect(titles(30)).toBe("Name   Size  Twice     Note");
  expect(titles(29)).toBe("Name   Size  Twice");
  expect(titles(20)).toBe("Name   Size");
  expect(titles(3)).toBe("Name   Size");
});

test("what does not print is escaped, and wide characters count twice", () => {
  const odd: Row[] = [
    { name: "\u001b[31mred\u202e", size: "1" },
    { name: "漢字", size: "2" },
  ];
  expect(table(columns.slice(0, 2), odd, plain())).toBe(
    [
      "Name                 Size",
      "\\x1b[31mred\\u{202e}     1",
      "漢字                    2",
      "",
    ].join("\n"),
  );
  expect(table(columns, [], plain())).toBe("");
});

test("facts have their colons below each other", () => {
  expect(
    facts([
      ["a", "1"],
      ["bcd", "\u0007"],
    ]),
  ).toBe("a   : 1\nbcd : \\x07\n");
});
