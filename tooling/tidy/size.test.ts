// The size rule counts code, and only code.
import { expect, test } from "vitest";
import { fileLinesMax, functionLinesMax, size } from "./size.ts";

const check = (text: string): string[] => size.complaints("packages/core/src/a.ts", text);
const repeat = (line: string, times: number): string => `${line}\n`.repeat(times);
const filled = (lines: number): string => `f();\n${repeat("g();", lines - 1)}`;

test("a file may be full, and not fuller", () => {
  expect(check(filled(fileLinesMax))).toEqual([]);
  expect(check(filled(fileLinesMax + 1))).toHaveLength(1);
});

test.each([
  (body: string) => `function f() {\n${body}}`,
  (body: string) => `const f = () => {\n${body}};`,
  (body: string) => `class A {\n  #f() {\n${body}}}`,
])("a function of any kind may be full, and not fuller (%#)", (wrap) => {
  expect(check(wrap(repeat("g();", functionLinesMax - 2)))).toEqual([]);
  expect(check(wrap(repeat("g();", functionLinesMax)))).toHaveLength(1);
});

test("blank lines and comments are free", () => {
  expect(check(filled(fileLinesMax) + repeat("\n// a", 300) + repeat("/*\n b */", 300))).toEqual(
    [],
  );
});
