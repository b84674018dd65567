// Tests of stamps: they come back as written, and every change of a byte is noticed.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readStamp, writeStamp } from "./stamp.ts";

const BLOCK_BYTES = 512;
const stamps = fc.record({
  volume: fc.integer({ min: 1, max: 65_535 }),
  write: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  lba: fc.nat({ max: 2 ** 48 - 1 }),
});

test("a stamp comes back as it was written, wherever the block lies in a buffer", () => {
  fc.assert(
    fc.property(stamps, fc.nat({ max: 37 }), (stamp, at) => {
      const data = new Uint8Array(BLOCK_BYTES + 40).fill(0xee);
      writeStamp(data, at, BLOCK_BYTES, stamp);
      expect(readStamp(data, at, BLOCK_BYTES)).toEqual(stamp);
    }),
  );
});

test("a block with any byte changed is torn", () => {
  const block = fc.nat({ max: BLOCK_BYTES - 1 });
  fc.assert(
    fc.property(stamps, block, fc.integer({ min: 1, max: 255 }), (stamp, at, flip) => {
      const data = new Uint8Array(BLOCK_BYTES);
      writeStamp(data, 0, BLOCK_BYTES, stamp);
      data[at] = data[at]! ^ flip;
      expect(readStamp(data, 0, BLOCK_BYTES)).toBe("torn");
    }),
  );
});

test("a block that is shifted, or made of two writes, is torn", () => {
  const data = new Uint8Array(2 * BLOCK_BYTES);
  writeStamp(data, 0, BLOCK_BYTES, { volume: 1, write: 7, lba: 4 });
  writeStamp(data, BLOCK_BYTES, BLOCK_BYTES, { volume: 1, write: 8, lba: 4 });
  const mixed = data.slice(0, BLOCK_BYTES);
  mixed.set(data.subarray(BLOCK_BYTES + 256), 256);
  expect(readStamp(mixed, 0, BLOCK_BYTES)).toBe("torn");
  const shifted = data.slice(0, BLOCK_BYTES);
  shifted.copyWithin(32, 64);
  expect(readStamp(shifted, 0, BLOCK_BYTES)).toBe("torn");
});

test("zeroes are zeroes, but not with a single other byte", () => {
  const data = new Uint8Array(BLOCK_BYTES);
  expect(readStamp(data, 0, BLOCK_BYTES)).toBe("zeroes");
  data[300] = 1;
  expect(readStamp(data, 0, BLOCK_BYTES)).toBe("torn");
});
