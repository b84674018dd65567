// The digest of data is the same however it is computed, and wherever the data lies.

import { CRC32C_INITIAL, crc32cUpdate } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { Region } from "../copy.ts";
import { digestUpdate } from "./data-digest.ts";

const data = new Region(Uint8Array.from({ length: 150_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

test.each([0, 1, 4095, 4096, 4097, 8192, 32_768, 32_769, 100_000, 131_072])(
  "of %i bytes, from any place",
  (count) => {
    for (const start of [0, 1, 4, 24, 4093]) {
      const expected = crc32cUpdate(CRC32C_INITIAL, data.view, start, start + count);
      expect(digestUpdate(CRC32C_INITIAL, data, start, start + count)).toBe(expected);
    }
  },
);

test("and in as many pieces as it comes in", () => {
  let digest = CRC32C_INITIAL;
  for (const [start, end] of [
    [0, 5],
    [5, 5000],
    [5000, 60_001],
    [60_001, 60_001],
    [60_001, 150_000],
  ] as const) {
    digest = digestUpdate(digest, data, start, end);
  }
  expect(digest).toBe(crc32cUpdate(CRC32C_INITIAL, data.view, 0, 150_000));
});
