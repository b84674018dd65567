// A file and a function stay small enough to be read at once. Blank lines and comments are free.
import { lineOf, nodesOf, parse } from "./syntax.ts";
import { isSource, isTest, type Rule } from "./rule.ts";

export const fileLinesMax = 400;
export const functionLinesMax = 60;

const lines = (code: string): number =>
  code.split("\n").filter((line) => line.trim() !== "").length;

export const size: Rule = {
  says: `a file has at most ${fileLinesMax} lines of code, a function at most ${functionLinesMax}`,
  holdsFor: (path) => isSource(path) && !isTest(path),
  complaints(path, text) {
    const { code } = parse(path, text);
    const count = lines(code);
    const file = count > fileLinesMax ? [`1: the file has ${count} lines of code`] : [];
    const kinds = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];
    const functions = nodesOf(path, text, ...kinds).flatMap(({ start, end }) => {
      const count = lines(code.slice(start, end));
      return count > functionLinesMax
        ? [`${lineOf(text, start)}: the function has ${count} lines of code`]
        : [];
    });
    return [...file, ...functions];
  },
};
