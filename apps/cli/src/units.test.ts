// Sizes and durations, both ways.

import { expect, test } from "vitest";
import {
  formatBinary,
  formatBytes,
  formatMs,
  formatRate,
  parseDuration,
  parseSize,
  parseWhole,
} from "./units.ts";

test.each([
  ["0", 0],
  ["4096", 4096],
  ["4096B", 4096],
  ["64k", 65_536],
  ["64K", 65_536],
  ["1M", 2 ** 20],
  ["1MiB", 2 ** 20],
  ["1.5G", 1.5 * 2 ** 30],
  ["1T", 2 ** 40],
  ["10kB", 10_000],
  ["10 GB", 10_000_000_000],
])("%s is %d bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(["", "k", "-1", "1.0.0", "0x10", "10iB", "1.0001k", "9000P", "1 2"])(
  '"%s" is no size',
  (text) => {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: "NVME_ERR_USAGE" }));
  },
);

test("a duration has a unit, or the one of its option", () => {
  expect(["500ms", "2s", "1.5m", "1h", "250"].map((text) => parseDuration(text))).toEqual([
    500, 2000, 90_000, 3_600_000, 250,
  ]);
  expect(parseDuration("10", "s")).toBe(10_000);
  expect(parseDuration("10ms", "s")).toBe(10);
  for (const wrong of ["", "s", "-1s", "1d", "1 2"]) {
    expect(() => parseDuration(wrong)).toThrow("is not a duration");
  }
});

test("a whole number keeps to its limits", () => {
  expect(parseWhole("0x1f", 0, 31)).toBe(31);
  for (const wrong of ["", "32", "-1", "1.5", "1e1", "ten"]) {
    expect(() => parseWhole(wrong, 0, 31)).toThrow("is not a whole number from 0 to 31");
  }
});

test("bytes are told in powers of 1000, and in those of 1024 where they are whole", () => {
  expect([0, 999, 1000, 67_108_864, 999_999_999_999].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.00 kB",
    "67.11 MB",
    "1.00 TB",
  ]);
  expect([0, 1000, 1024, 67_108_864, 3 * 2 ** 40].map(formatBinary)).toEqual([
    "",
    "",
    "1 KiB",
    "64 MiB",
    "3 TiB",
  ]);
  expect(formatRate(1_000_000, 500)).toBe("2.00 MB/s");
  expect(formatRate(5, 0)).toBe("0 B/s");
});

test("times are told with three figures or so", () => {
  expect([0.4123, 12.34, 123.4, 4560, 125_000].map(formatMs)).toEqual([
    "412 µs",
    "12.3 ms",
    "123 ms",
    "4.56 s",
    "2 min 5 s",
  ]);
});
