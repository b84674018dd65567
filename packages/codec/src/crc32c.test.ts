// The digest against the vectors of RFC 3720 §B.4 and against itself taken in pieces.

import { expect, test } from "vitest";
import { CRC32C_INITIAL, crc32c, crc32cFinish, crc32cUpdate } from "./crc32c.ts";
import { viewOf } from "./layout.ts";

const ramp = (first: number, step: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => first + step * i);

test.each([
  ["32 bytes of zeroes", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 bytes counting up", ramp(0, 1), 0x46dd794e],
  ["32 bytes counting down", ramp(31, -1), 0x113fdb5c],
  ["the digits 1 to 9", new TextEncoder().encode("123456789"), 0xe3069283],
  ["nothing", new Uint8Array(0), 0],
])("digest of %s", (_name, bytes, expected) => {
  expect(crc32c(viewOf(bytes)) >>> 0).toBe(expected);
});

test("a digest taken in pieces of any size equals the digest of the whole", () => {
  const bytes = Uint8Array.from({ length: 61 }, (_, i) => (i * 37) & 0xff);
  const view = viewOf(bytes);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const head = crc32cUpdate(CRC32C_INITIAL, view, 0, cut);
    expect(crc32cFinish(crc32cUpdate(head, view, cut, bytes.length))).toBe(crc32c(view));
  }
});
