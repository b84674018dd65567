// Colour where it is wanted, and only there.

import { expect, test } from "vitest";
import { styleFor, wantsColor } from "./style.ts";
import { Kept } from "./testing/run.ts";

test.each([
  ["auto", true, {}, true],
  ["auto", false, {}, false],
  ["auto", true, { NO_COLOR: "1" }, false],
  ["auto", true, { NO_COLOR: "" }, true],
  ["auto", false, { FORCE_COLOR: "1" }, true],
  ["auto", true, { FORCE_COLOR: "0" }, false],
  ["auto", true, { NO_COLOR: "1", FORCE_COLOR: "1" }, false],
  ["auto", true, { TERM: "dumb" }, false],
  ["always", false, { NO_COLOR: "1" }, true],
  ["never", true, { FORCE_COLOR: "1" }, false],
] as const)("--color %s on a terminal (%s) with %o: %s", (choice, tty, env, wanted) => {
  expect(wantsColor(choice, new Kept(tty), env)).toBe(wanted);
});

test("a terminal has columns, a pipe has none", () => {
  expect(styleFor("auto", new Kept(true), {}).columns).toBe(100);
  expect(styleFor("auto", new Kept(false), {}).columns).toBeUndefined();
  expect(styleFor("always", new Kept(), {}).bold("a")).toBe("\u001b[1ma\u001b[22m");
  expect(styleFor("never", new Kept(), {}).dim("a")).toBe("a");
});
