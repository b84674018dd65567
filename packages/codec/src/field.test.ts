// Every kind of declared field: what it reads, what it writes, and at the edges of its range.

import { expect, test } from "vitest";
import {
  ascii,
  bits,
  bytes,
  cstring,
  type Field,
  u128,
  u16,
  u32,
  u64,
  u64n,
  u8,
  zeroBased,
} from "./field.ts";
import { viewOf } from "./layout.ts";
import { hexBytes, hexText } from "./nqn.ts";

/** The bytes that `field` writes into 0xa5, as hexadecimal digits. */
function written<T>(field: Field<T>, value: T, base = 0): string {
  const buffer = new Uint8Array(field.offset + base + field.bytes + 1).fill(0xa5);
  field.set(viewOf(buffer), base, value);
  return hexText(buffer);
}

const read = <T>(field: Field<T>, hex: string, base = 0): T =>
  field.get(viewOf(hexBytes(hex)), base);

test.each<[string, Field<number>, number, string]>([
  ["u8", u8(1), 0xff, "a5 ff a5"],
  ["u16", u16(1), 0xfffe, "a5 fe ff a5"],
  ["u32", u32(1), 0xffff_fffe, "a5 fe ff ff ff a5"],
  ["u64n", u64n(1), 2 ** 53 - 1, "a5 ff ff ff ff ff ff 1f 00 a5"],
  ["u64n of 2^32", u64n(0), 2 ** 32, "00 00 00 00 01 00 00 00 a5"],
])("%s is little-endian and leaves its neighbours alone", (_kind, field, value, hex) => {
  expect(written(field, value)).toBe(hex.replaceAll(" ", ""));
  expect(read(field, hex)).toBe(value);
});

test.each<[string, Field<bigint>, bigint, string]>([
  ["u64", u64(0), 2n ** 64n - 2n, "fe ff ff ff ff ff ff ff a5"],
  ["u128", u128(0), 2n ** 128n - 2n, `fe${"ff".repeat(15)} a5`],
  ["u128 of 2^64", u128(0), 2n ** 64n, `${"00".repeat(8)}01${"00".repeat(7)} a5`],
])("%s holds its whole range", (_kind, field, value, hex) => {
  expect(written(field, value)).toBe(hex.replaceAll(" ", ""));
  expect(read(field, hex)).toBe(value);
});

test("a base moves every field, also in a view that does not begin at its buffer", () => {
  const buffer = hexBytes("00 00 00 00 34 12 00 00");
  const view = new DataView(buffer.buffer, 2, 6);
  expect(u16(0).get(view, 2)).toBe(0x1234);
  expect(hexText(bytes(1, 2).get(view, 1))).toBe("3412");
  expect(ascii(1, 1).get(view, 1)).toBe("4");
});

test("a 64-bit number beyond 2^53 shows as such, if not exactly", () => {
  expect(read(u64n(0), "ff ff ff ff ff ff ff ff")).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
});

test("bits read and write their part of the container only", () => {
  const middle = bits(u16(0), 4, 3);
  expect(read(middle, "5f ff")).toBe(5);
  expect(written(middle, 0)).toBe("85a5a5");
  expect(written(middle, 7)).toBe("f5a5a5");
});

test("bits are cut to their width", () => {
  expect(written(bits(u8(0), 0, 2), 7)).toBe("a7a5");
});

test("bits reach the top of 32 without a sign", () => {
  expect(read(bits(u32(0), 31, 1), "00 00 00 80")).toBe(1);
  expect(written(bits(u32(0), 31, 1), 1)).toBe("a5a5a5a5a5");
  expect(written(bits(u32(0), 31, 1), 0)).toBe("a5a5a525a5");
  expect(read(bits(u32(0), 0, 32), "ff ff ff ff")).toBe(0xffff_ffff);
  expect(written(bits(u32(0), 0, 32), 0xffff_ffff)).toBe("ffffffffa5");
});

test("bits of a container wider than 32 bits are refused, not read wrongly", () => {
  expect(() => bits(u64n(0), 40, 8)).toThrow(RangeError);
});

test("a 0's based count speaks of the count itself", () => {
  expect(read(zeroBased(u16(0)), "00 00")).toBe(1);
  expect(read(zeroBased(u16(0)), "ff ff")).toBe(65_536);
  expect(written(zeroBased(u16(0)), 1)).toBe("0000a5");
  expect(written(zeroBased(u16(0)), 65_536)).toBe("ffffa5");
  expect(read(zeroBased(bits(u8(0), 4, 4)), "30")).toBe(4);
});

test("text is padded with spaces and trimmed of them and of zeroes", () => {
  expect(written(ascii(0, 5), "ab c")).toBe("6162206320a5");
  expect(read(ascii(0, 6), "61 62 20 63 20 20")).toBe("ab c");
  expect(read(ascii(0, 6), "61 62 00 63 20 20")).toBe("ab");
  expect(read(ascii(0, 3), "20 20 20")).toBe("");
});

test("a C string is padded with zeroes, and may fill its field", () => {
  expect(written(cstring(0, 4), "ab")).toBe("61620000a5");
  expect(read(cstring(0, 4), "61 62 20 20")).toBe("ab  ");
  expect(read(cstring(0, 2), "61 62 63")).toBe("ab");
});

test("what does not print in text is replaced when read [H46]", () => {
  expect(read(ascii(0, 6), "61 0a 1b 5b 7f c3")).toBe("a\ufffd\ufffd[\ufffd\ufffd");
});

test("text that does not fit is refused", () => {
  expect(() => written(ascii(0, 2), "abc")).toThrow(RangeError);
  expect(() => written(bytes(0, 2), new Uint8Array(3))).toThrow(RangeError);
});

test("bytes are copied, so that they outlive the buffer", () => {
  const buffer = hexBytes("01 02 03");
  const copy = bytes(1, 2).get(viewOf(buffer));
  buffer.fill(0);
  expect(hexText(copy)).toBe("0203");
});

test("a field knows where it lies, for whoever highlights it", () => {
  expect(bits(u16(14), 9, 3)).toMatchObject({ offset: 14, bytes: 2, bit: { shift: 9, width: 3 } });
  expect(zeroBased(u16(48))).toMatchObject({ offset: 48, bytes: 2, bit: undefined });
  expect(u128(32)).toMatchObject({ offset: 32, bytes: 16, bit: undefined });
});

test("text and bytes fill their field to the last byte, and not beyond", () => {
  expect(written(ascii(1, 3), "abc")).toBe("a5616263a5");
  expect(() => written(ascii(0, 3), "abcd")).toThrow(RangeError);
  expect(written(bytes(1, 2), Uint8Array.of(1, 2))).toBe("a50102a5");
  expect(() => written(bytes(0, 2), Uint8Array.of(1))).toThrow(RangeError);
  expect(() => written(bytes(0, 2), Uint8Array.of(1, 2, 3))).toThrow(RangeError);
});

test.each([0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001])("u64n holds %d", (value) => {
  expect(BigInt(read(u64n(0), written(u64n(0), value)))).toBe(BigInt(value));
  expect(read(u64(0), written(u64n(0), value))).toBe(BigInt(value));
});
