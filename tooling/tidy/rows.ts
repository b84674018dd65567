// Rows of the tables of bad input and of the fault matrix, and the tests that are named after them.
// Read first: docs/bad-input.md, docs/fault-matrix.md. A test names its rows in its title: "T47: …",
// "F1, F2 (sockets): …", "[T47] …"; a row of a table of tests in its field `row`, or as its first value.

import { type Node, nameOf, nodesOf, parse, walk } from "./syntax.ts";

/** The rows of a page, in their order: the first cells of its tables. */
export function rowsOnPage(page: string): string[] {
  return [...page.matchAll(/^\| ([A-Z]\d+) +\|/gm)].map(([, row]) => row!);
}

const inBrackets = /\[([A-Z]\d+)\]/g;
const inFront = /^((?:[A-Z]\d+(?:, | and ))*[A-Z]\d+)(?: \([\w ]+\))?(?:: |$)/;
const oneRow = /[A-Z]\d+/g;

/** Rows that a text names: a title, or a cell of a table of tests. */
function rowsIn(text: string): string[] {
  const front = inFront.exec(text)?.[1]?.match(oneRow) ?? [];
  return [...front, ...[...text.matchAll(inBrackets)].map(([, row]) => row!)];
}

/** A string or a template, as far as it is text. */
function textOf(node: Node): string {
  if (node.type === "Literal") return typeof node["value"] === "string" ? node["value"] : "";
  if (node.type !== "TemplateLiteral") return "";
  const quasis = node["quasis"] as { value: { cooked: string } }[];
  return quasis.map(({ value }) => value.cooked).join("…");
}

/** `test(…)`, `test.each(…)(…)`, `describe(…)`: their titles. */
function titlesOf(call: Node): string[] {
  let callee = call["callee"] as Node;
  while (callee.type === "CallExpression" || callee.type === "MemberExpression") {
    callee = (callee["callee"] ?? callee["object"]) as Node;
  }
  if (!/^(test|describe|it)$/.test(nameOf(callee))) return [];
  const [first] = call["arguments"] as Node[];
  return first === undefined ? [] : [textOf(first)];
}

/** Everything in a value that is text: `row: wide ? "T58" : "T61"`. */
function textsUnder(value: Node): string[] {
  const found: string[] = [];
  walk(value, (node) => {
    const text = textOf(node);
    if (text !== "") found.push(text);
  });
  return found;
}

/** The rows that a file of tests has tests for. */
export function rowsTested(path: string, text: string): Set<string> {
  const found = new Set<string>();
  const add = (texts: readonly string[]): void => {
    for (const each of texts) for (const row of rowsIn(each)) found.add(row);
  };
  for (const call of nodesOf(path, text, "CallExpression")) add(titlesOf(call));
  walk(parse(path, text).program, (node) => {
    if (node.type === "Property" && nameOf(node["key"]) === "row") {
      add(textsUnder(node["value"] as Node));
    }
    // The first value of a row in a table of tests, or its title as a key.
    if (node.type === "ArrayExpression") {
      const [first] = node["elements"] as (Node | null)[];
      if (first !== undefined && first !== null) add([textOf(first)]);
    }
    // `answering("T46", …)`: a function of the file that makes a row.
    if (node.type === "CallExpression" && (node["callee"] as Node).type === "Identifier") {
      const [first] = node["arguments"] as Node[];
      if (first !== undefined) add([textOf(first)]);
    }
  });
  return found;
}
