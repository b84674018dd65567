// The rules on names and first lines catch what they are there for.
import { expect, test } from "vitest";
import { firstLine, kebabCase, noDefaultExport, noLifecycleBoolean } from "./names.ts";

const path = "packages/core/src/a.ts";

test.each(["queue-pair.ts", "crc32c.test.ts", "tsup.config.ts", "run.mjs"])(
  "%s is a name",
  (name) => {
    expect(kebabCase.complaints(`tooling/x/${name}`, "")).toEqual([]);
  },
);

test.each(["queuePair.ts", "queue_pair.ts", "Queue.ts", "-a.ts"])("%s is not a name", (name) => {
  expect(kebabCase.complaints(`tooling/x/${name}`, "")).toHaveLength(1);
});

test.each([
  "// A queue.\n",
  "/** A queue. */\n",
  "/**\n * A queue.\n */",
  "#!/usr/bin/env node\n// The command.\n",
])("%j is a beginning", (text) => {
  expect(firstLine.complaints(path, text)).toEqual([]);
});

test.each([
  "",
  "\n// late\n",
  `import "a";\n`,
  "// @ts-nocheck\n",
  "/* eslint-disable */",
  "#!/usr/bin/env node\nf();\n",
])("%j is not a beginning", (text) => {
  expect(firstLine.complaints(path, text)).toHaveLength(1);
});

test.each([
  "export default 1;",
  "export default class A {}",
  "const a = 1; export { a as default };",
])("%s is caught", (text) => {
  expect(noDefaultExport.complaints(path, text)).toHaveLength(1);
});

test("named exports are fine, and so is the default export of a configuration file", () => {
  expect(noDefaultExport.complaints(path, `export const a = 1; export { b } from "c";`)).toEqual(
    [],
  );
  expect(noDefaultExport.holdsFor("packages/core/tsup.config.ts")).toBe(false);
});

test.each([
  "class A { #isConnecting = false; }",
  "class A { isClosing: boolean; }",
  "class A { #closing = false; }",
  "class A { readonly recovering: boolean = f(); }",
  "let isResetting = false;",
  "interface A { isDestructing: boolean }",
  "const f = (isClosing: boolean) => 1;",
  "function f(isClosing = false) {}",
])("%s is a state in disguise", (text) => {
  expect(noLifecycleBoolean.complaints(path, text)).toHaveLength(1);
});

test.each([
  `class A { #state: State = "closing"; }`,
  "const isMissing = () => true;",
  "class A { isOpen = true; #closing: Promise<void> | undefined; }",
  "interface A { isString: boolean; isClosing(): boolean }",
])("%s is none", (text) => {
  expect(noLifecycleBoolean.complaints(path, text)).toEqual([]);
});
