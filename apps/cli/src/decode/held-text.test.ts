// What is held back comes out as it went in, whatever its length and its characters.

import { expect, test } from "vitest";
import { HeldText } from "./held-text.ts";

const textOf = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString("utf8");

test.each<[string, readonly string[]]>([
  ["nothing", []],
  [
    "texts that fill several pieces",
    Array.from({ length: 5_000 }, (_, i) => `line ${i}, 3 µs …\n`),
  ],
  ["one text that is longer than a piece", ["µ".repeat(200_000)]],
  ["empty texts among others", ["", "a", "", "b"]],
])("%s", (_what, texts) => {
  const held = new HeldText();
  for (const text of texts) held.add(text);
  expect(textOf(held.take())).toBe(texts.join(""));
});

test("what was taken stays as it is, and is not taken again", () => {
  const held = new HeldText();
  held.add("first");
  const first = held.take();
  held.add("second");
  expect(textOf(held.take())).toBe("second");
  expect(textOf(first)).toBe("first");
  expect(held.take()).toEqual([]);
});
