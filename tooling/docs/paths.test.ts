// A path that a document names exists: a file that moves takes its documents along.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { read, root, trackedFiles } from "../support/index.ts";

const documents = trackedFiles().filter(
  (path) => path === "ARCHITECTURE.md" || (path.startsWith("docs/") && path.endsWith(".md")),
);

/** Paths in backticks: of a package's file as `core/src/a.ts`, of all else from the root. */
const named = (text: string): string[] =>
  [...text.matchAll(/`((?:[\w-]+\/)+[\w.-]+)`/g)].map(([, path]) => path ?? "");

/** Links to other documents. */
const linked = (text: string): string[] =>
  [...text.matchAll(/\]\(([^):#]+)(?:#[^)]*)?\)/g)].map(([, path]) => path ?? "");

test("there are documents to look at", () => {
  expect(documents).toContain("ARCHITECTURE.md");
  expect(documents.length).toBeGreaterThan(4);
});

test.each(documents)("every file that %s names exists", (document) => {
  const absent = named(read(document)).filter(
    (path) => !existsSync(root + path) && !existsSync(`${root}packages/${path}`),
  );
  expect(absent).toEqual([]);
});

test.each(documents)("every link in %s leads somewhere", (document) => {
  const folder = document.includes("/") ? document.slice(0, document.lastIndexOf("/") + 1) : "";
  expect(linked(read(document)).filter((path) => !existsSync(root + folder + path))).toEqual([]);
});

test("docs/README.md leads to every page", () => {
  const pages = documents.map((path) => path.replace(/^docs\//, ""));
  const top = pages.filter((path) => !/README|\//.test(path) && path !== "ARCHITECTURE.md");
  expect(linked(read("docs/README.md"))).toEqual(expect.arrayContaining(top));
});

test("a path that is not there is noticed", () => {
  expect(named("see `core/src/a.ts`, `Controller` and `apps/cli`")).toEqual([
    "core/src/a.ts",
    "apps/cli",
  ]);
  expect(linked("[a](b/c.md#d) and [e](https://example.com/f)")).toEqual(["b/c.md"]);
});
