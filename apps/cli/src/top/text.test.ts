// Texts that are made to fit: shortened in the middle, escaped, and as wide as they look.

import { expect, test } from "vitest";
import { displayWidth } from "../table.ts";
import { clipped, fitted, shortened } from "./text.ts";

test.each([
  ["short", 10, "short"],
  ["nqn.2024-01.com.example:disk1", 16, "nqn.2…mple:disk1"],
  ["nqn.2024-01.com.example:disk1", 1, "…"],
  ["nqn", 0, ""],
  ["\u001b[2J", 10, "\\x1b[2J"],
  ["磁盘磁盘磁盘", 7, "磁盘…盘"],
])("%j in %d columns is %j", (text, width, expected) => {
  expect(shortened(text, width)).toBe(expected);
});

test("what is fitted is exactly as wide, and what is clipped no wider", () => {
  for (const text of ["", "abc", "nqn.2024-01.com.example:disk1", "磁盘磁盘磁盘", "a磁b盘c"]) {
    for (let width = 1; width < 40; width++) {
      expect(displayWidth(fitted(text, width))).toBe(width);
      expect(displayWidth(fitted(text, width, "right"))).toBe(width);
      expect(displayWidth(clipped(text, width))).toBeLessThanOrEqual(width);
    }
  }
});
