// Tests of blockParts.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { blockParts } from "./byte-range.ts";

const shape = (offset: number, length: number): string[] =>
  blockParts(offset, length, 512).map(
    (part) =>
      `${part.isWhole ? "whole" : "part"} ${part.lba}+${part.blockCount} ${part.start}-${part.end}@${part.skip}`,
  );

test.each([
  ["nothing", 100, 0, []],
  ["whole blocks", 512, 1024, ["whole 1+2 0-1024@0"]],
  ["a part of one block", 100, 10, ["part 0+1 0-10@100"]],
  ["the begin of a block", 512, 10, ["part 1+1 0-10@0"]],
  ["the end of a block", 1000, 24, ["part 1+1 0-24@488"]],
  ["parts of two blocks", 500, 24, ["part 0+1 0-12@500", "part 1+1 12-24@0"]],
  [
    "parts around whole blocks",
    500,
    1100,
    ["part 0+1 0-12@500", "whole 1+2 12-1036@0", "part 3+1 1036-1100@0"],
  ],
])("%s", (_name, offset, length, expected) => {
  expect(shape(offset, length)).toEqual(expected);
});

test("the parts cover every byte once, in order, and name the right blocks", () => {
  const offset = fc.oneof(fc.nat(10_000), fc.integer({ min: 2 ** 40, max: 2 ** 52 }));
  fc.assert(
    fc.property(
      offset,
      fc.nat(10_000),
      fc.constantFrom(512, 4096),
      (offset, length, blockBytes) => {
        const parts = blockParts(offset, length, blockBytes);
        let next = 0;
        let nextLba = Math.floor(offset / blockBytes);
        for (const part of parts) {
          expect(part.start).toBe(next);
          expect(part.lba).toBe(nextLba);
          expect(part.lba * blockBytes + part.skip).toBe(offset + part.start);
          const bytes = part.end - part.start;
          if (part.isWhole) expect([part.skip, bytes]).toEqual([0, part.blockCount * blockBytes]);
          else expect(part.blockCount === 1 && bytes < blockBytes).toBe(true);
          next = part.end;
          nextLba += part.blockCount;
        }
        expect(next).toBe(length);
        expect(parts.length).toBeLessThanOrEqual(3);
      },
    ),
  );
});
