// Copying by whichever way is cheaper: the same bytes as `set` would give, for every place and length.

import { expect, test } from "vitest";
import { Region } from "./copy.ts";

const ramp = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 13 + 1) & 0xff);

test("every alignment of both ends, and every length to 80 bytes, copies what `set` copies", () => {
  const source = new Region(ramp(128));
  const wrong: string[] = [];
  for (let skew = 0; skew < 9; skew++) {
    const target = new Uint8Array(skew + 100).subarray(skew);
    const region = new Region(target);
    const expected = new Uint8Array(100);
    for (let from = 0; from < 9; from++) {
      for (let to = 0; to < 9; to++) {
        for (let count = 0; count <= 80; count++) {
          target.fill(0xa5);
          expected.fill(0xa5);
          expected.set(source.bytes.subarray(from, from + count), to);
          region.copy(to, source, from, from + count);
          if (target.some((byte, i) => byte !== expected[i])) {
            wrong.push(`skew ${skew}: ${count} bytes from ${from} to ${to}`);
          }
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

test("a region of any size, at any place, can be filled to its last byte", () => {
  const source = new Region(ramp(64));
  const wrong: string[] = [];
  for (let size = 0; size <= 40; size++) {
    for (let skew = 0; skew < 9; skew++) {
      const whole = new Uint8Array(skew + size + 8).fill(0xa5);
      new Region(whole.subarray(skew, skew + size)).copy(0, source, 0, size);
      const filled = whole.every((byte, i) =>
        i < skew || i >= skew + size ? byte === 0xa5 : byte === source.bytes[i - skew],
      );
      if (!filled) wrong.push(`${size} bytes at ${skew}`);
    }
  }
  expect(wrong).toEqual([]);
});

test.each([
  { bytes: 40_000, from: 3 },
  { bytes: 40_000, from: 8 },
  { bytes: 40_000, from: 4 },
  { bytes: 3 * 1024 * 1024, from: 8 },
])("a copy of $bytes bytes from $from copies what `set` copies", ({ bytes, from }) => {
  const source = ramp(bytes + from);
  const target = new Uint8Array(bytes);
  new Region(target).copy(0, new Region(source), from, from + bytes);
  expect(Buffer.compare(target, source.subarray(from))).toBe(0);
});
