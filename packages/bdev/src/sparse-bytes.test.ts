// Tests of SparseBytes, against an array of bytes as the model.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHUNK_BYTES, SparseBytes } from "./sparse-bytes.ts";

const plenty = 2 ** 30;
const filled = (count: number, value: number): Uint8Array => new Uint8Array(count).fill(value);

const read = (bytes: SparseBytes, offset: number, count: number): Uint8Array => {
  const into = filled(count, 0xee);
  bytes.read(offset, into);
  return into;
};

test("bytes are zero until written, and take no room", () => {
  const bytes = new SparseBytes(plenty);
  expect(read(bytes, 2 ** 50, 100)).toEqual(filled(100, 0));
  expect(bytes.equals(2 ** 50, filled(100, 0))).toBe(true);
  expect(bytes.equals(2 ** 50, filled(100, 1))).toBe(false);
  expect(bytes.allocatedBytes).toBe(0);
});

test("a part of a buffer is read and written where it lies in it, and nothing beside it", () => {
  const bytes = new SparseBytes(plenty);
  const offset = CHUNK_BYTES - 3;
  expect(bytes.write(offset, Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 9), 1, 7)).toBe(true);
  const into = filled(10, 7);
  bytes.read(offset, into, 2, 8);
  expect([...into]).toEqual([7, 7, 1, 2, 3, 4, 5, 6, 7, 7]);
});

test("what is written takes whole chunks, wherever it lies", () => {
  const bytes = new SparseBytes(plenty);
  const places = [0, CHUNK_BYTES * 1024 - 4, CHUNK_BYTES * 1024 ** 2 - 4, 2 ** 52 + 17];
  for (const [i, place] of places.entries())
    expect(bytes.write(place, filled(8, i + 1))).toBe(true);
  for (const [i, place] of places.entries()) {
    expect(read(bytes, place - (place > 0 ? 1 : 0), 10)).toContain(i + 1);
    expect(read(bytes, place, 8)).toEqual(filled(8, i + 1));
    expect(bytes.equals(place, filled(8, i + 1))).toBe(true);
  }
  // Two of the places lie across the end of a chunk.
  expect(bytes.allocatedBytes).toBe(6 * CHUNK_BYTES);
});

test("extents say which bytes take room, over holes of any size", () => {
  const bytes = new SparseBytes(plenty);
  const far = CHUNK_BYTES * 1024 ** 2 * 3;
  bytes.write(CHUNK_BYTES * 2, filled(CHUNK_BYTES + 1, 1));
  bytes.write(far, filled(1, 1));
  const all = far + CHUNK_BYTES * 2;
  const extents: [number, boolean][] = [];
  for (let at = 100; at < all;) {
    const { end, isAllocated } = bytes.extentAt(at, all);
    extents.push([end, isAllocated]);
    at = end;
  }
  expect(extents).toEqual([
    [CHUNK_BYTES * 2, false],
    [CHUNK_BYTES * 4, true],
    [far, false],
    [far + CHUNK_BYTES, true],
    [all, false],
  ]);
  expect(bytes.extentAt(0, 10)).toEqual({ end: 10, isAllocated: false });
});

describe("clearing", () => {
  test("frees chunks that lie within, zeroes parts of others, and adds none", () => {
    const bytes = new SparseBytes(plenty);
    bytes.write(0, filled(4 * CHUNK_BYTES, 7));
    bytes.clear(10, 3 * CHUNK_BYTES + 10);
    expect(bytes.allocatedBytes).toBe(2 * CHUNK_BYTES);
    expect(read(bytes, 0, 12)).toEqual(Uint8Array.of(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0));
    expect(read(bytes, 3 * CHUNK_BYTES + 8, 4)).toEqual(Uint8Array.of(0, 0, 7, 7));
    bytes.clear(5 * CHUNK_BYTES + 1, 7 * CHUNK_BYTES - 1);
    expect(bytes.allocatedBytes).toBe(2 * CHUNK_BYTES);
  });

  test("within one chunk touches nothing else", () => {
    const bytes = new SparseBytes(plenty);
    bytes.write(0, filled(CHUNK_BYTES, 7));
    bytes.clear(4, 6);
    expect(read(bytes, 3, 4)).toEqual(Uint8Array.of(7, 0, 0, 7));
    bytes.clear(0, 0);
    bytes.clear(CHUNK_BYTES, CHUNK_BYTES);
    expect(read(bytes, 0, 1)).toEqual(Uint8Array.of(7));
  });

  test("all of a huge space looks only at what is there", () => {
    const bytes = new SparseBytes(plenty);
    const places = [0, 2 ** 40, 2 ** 52];
    for (const place of places) bytes.write(place, filled(1, 1));
    bytes.clear(0, 2 ** 53 - 1);
    expect(bytes.allocatedBytes).toBe(0);
    for (const place of places) expect(read(bytes, place, 1)).toEqual(filled(1, 0));
  });
});

test("memory ends where it was said to, and what is freed may be used again", () => {
  const bytes = new SparseBytes(2 * CHUNK_BYTES);
  expect(bytes.write(0, filled(2 * CHUNK_BYTES, 1))).toBe(true);
  expect(bytes.write(2 * CHUNK_BYTES, filled(1, 1))).toBe(false);
  expect(bytes.write(100, filled(1, 2))).toBe(true);
  bytes.clear(0, CHUNK_BYTES);
  expect(bytes.write(2 ** 40, filled(1, 1))).toBe(true);
  expect(bytes.allocatedBytes).toBe(2 * CHUNK_BYTES);
  expect(new SparseBytes(0).write(0, filled(1, 1))).toBe(true);
});

test("it holds what an array of bytes would hold", () => {
  const size = 4 * CHUNK_BYTES;
  const offset = fc.oneof(
    fc.integer({ min: 0, max: size - 1 }),
    fc.constantFrom(0, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, size - 1),
  );
  const count = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: size }));
  const step = fc.record({ clear: fc.boolean(), offset, count, value: fc.integer({ max: 255 }) });
  // Far from zero, so that all levels of the tree are walked.
  const base = 1024 * 1024 * CHUNK_BYTES - 2 * CHUNK_BYTES;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const model = new Uint8Array(size);
      const bytes = new SparseBytes(plenty);
      for (const { clear, offset, count, value } of steps) {
        const end = Math.min(size, offset + count);
        model.fill(clear ? 0 : value, offset, end);
        if (clear) bytes.clear(base + offset, base + end);
        else bytes.write(base + offset, filled(end - offset, value));
      }
      expect(bytes.equals(base, model)).toBe(true);
      expect(Buffer.compare(read(bytes, base, size), model)).toBe(0);
    }),
    { numRuns: 50 },
  );
});
