// Lists of Identify as bytes, and the endless, broken and lying ones.

import { expect, test } from "vitest";
import { ParseError } from "./errors.ts";
import {
  decodeCommandSets,
  decodeControllerList,
  decodeNamespaceDescriptors,
  decodeNsidList,
  encodeCommandSets,
  encodeControllerList,
  encodeNamespaceDescriptors,
  encodeNsidList,
} from "./identify-list.ts";
import { hexBytes, hexText, uuidBytes } from "./nqn.ts";

/** Where `run` found the bytes bad. */
function faultAt(run: () => unknown): number | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof ParseError) return error.offset;
    throw error;
  }
  return undefined;
}

test("a namespace list ends at the first zero", () => {
  const list = hexBytes("01 00 00 00  03 00 00 00  00 00 00 00  07 00 00 00");
  expect(decodeNsidList(list)).toEqual([1, 3]);
});

test("a full namespace list has no zero", () => {
  const nsids = Array.from({ length: 1024 }, (_, i) => i + 1);
  expect(decodeNsidList(encodeNsidList(nsids))).toEqual(nsids);
});

test("namespace lists are written page by page, each above the last NSID of the one before", () => {
  const nsids = Array.from({ length: 1030 }, (_, i) => 2 * i + 1);
  const first = decodeNsidList(encodeNsidList(nsids));
  expect(first).toHaveLength(1024);
  expect(decodeNsidList(encodeNsidList(nsids, first.at(-1)), first.at(-1))).toEqual(
    nsids.slice(1024),
  );
  expect(encodeNsidList([], 5)).toEqual(new Uint8Array(4096));
});

test.each([
  ["is not sorted", "02 00 00 00 01 00 00 00", 0, 4],
  ["names one twice", "01 00 00 00 01 00 00 00", 0, 4],
  ["repeats the page before", "01 00 00 00 02 00 00 00", 2, 0],
  ["names all namespaces", "01 00 00 00 ff ff ff ff", 0, 4],
])("a namespace list that %s is refused [H49]", (_what, hex, after, offset) => {
  expect(faultAt(() => decodeNsidList(hexBytes(hex), after))).toBe(offset);
});

test("a controller list has a count in front", () => {
  const list = hexBytes("02 00  01 00  ff 01  77 77");
  expect(decodeControllerList(list)).toEqual([1, 0x1ff]);
  const written = encodeControllerList([1, 0x1ff]);
  expect(written).toHaveLength(4096);
  expect(hexText(written.subarray(0, 8))).toBe("02000100ff010000");
  expect(decodeControllerList(encodeControllerList([]))).toEqual([]);
});

test.each([
  ["counts more than it holds", "03 00 01 00 02 00", 0],
  ["is cut in its count", "03", 0],
  ["is not sorted", "02 00 05 00 04 00", 4],
  ["names one twice", "02 00 05 00 05 00", 4],
])("a controller list that %s is refused [H20]", (_what, hex, offset) => {
  expect(faultAt(() => decodeControllerList(hexBytes(hex)))).toBe(offset);
});

test("a controller list of 2048 is refused, and not written", () => {
  const list = new Uint8Array(8192).fill(0xff);
  list.set(hexBytes("00 08"));
  expect(faultAt(() => decodeControllerList(list))).toBe(0);
  expect(() => encodeControllerList(Array.from({ length: 2048 }, (_, i) => i))).toThrow(RangeError);
});

const uuid = "00112233-4455-6677-8899-aabbccddeeff";
const descriptors = hexBytes(`01 08 00 00  02 46 8a ce 13 57 9b df
                              03 10 00 00  00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff
                              04 01 00 00  00`);

test("namespace identification descriptors: EUI64, UUID and command set", () => {
  const ids = { eui64: hexBytes("02468ace13579bdf"), uuid: uuidBytes(uuid), csi: 0 };
  const page = new Uint8Array(4096);
  page.set(descriptors);
  expect(decodeNamespaceDescriptors(page)).toEqual(ids);
  expect(encodeNamespaceDescriptors(ids)).toEqual(page);
});

test("descriptors may end with the data instead of an empty one [H48]", () => {
  expect(decodeNamespaceDescriptors(descriptors)).toMatchObject({ csi: 0 });
  expect(decodeNamespaceDescriptors(new Uint8Array(0))).toEqual({});
  expect(decodeNamespaceDescriptors(hexBytes("01 08 00"))).toEqual({});
});

test("descriptors of unknown types are skipped, also at length 255 [H48]", () => {
  const unknown = hexBytes(`7f ff 00 00 ${"aa".repeat(255)} 04 01 00 00 02`);
  expect(decodeNamespaceDescriptors(unknown)).toEqual({ csi: 2 });
});

test("nothing is read after an empty descriptor [H48]", () => {
  expect(decodeNamespaceDescriptors(hexBytes("01 00 00 00 04 01 00 00 02"))).toEqual({});
});

test("of two descriptors of one type the first counts", () => {
  const twice = hexBytes("04 01 00 00 00  04 01 00 00 02");
  expect(decodeNamespaceDescriptors(twice)).toEqual({ csi: 0 });
});

test.each([
  ["an EUI64 of 7 bytes", `01 07 00 00 ${"aa".repeat(7)}`, 1],
  ["a UUID of 255 bytes", `03 ff 00 00 ${"aa".repeat(255)}`, 1],
  ["an NGUID cut short", `02 10 00 00 ${"aa".repeat(15)}`, 1],
  ["an unknown one beyond the data", "04 01 00 00 00 7f 05 00 00 aa", 6],
])("a descriptor with %s is refused at byte %i [H48]", (_what, hex, offset) => {
  expect(faultAt(() => decodeNamespaceDescriptors(hexBytes(hex)))).toBe(offset);
});

test("an identifier of the wrong length is not written", () => {
  expect(() => encodeNamespaceDescriptors({ nguid: new Uint8Array(8) })).toThrow(RangeError);
});

test("combinations of command sets end at the first empty one", () => {
  const page = encodeCommandSets([0b1n, 0b101n]);
  expect(page.subarray(0, 24)).toEqual(
    hexBytes(`0100000000000000 0500000000000000 ${"00".repeat(8)}`),
  );
  expect(decodeCommandSets(page)).toEqual([0b1n, 0b101n]);
  expect(decodeCommandSets(new Uint8Array(4096).fill(0xff))).toHaveLength(512);
});

test("lists at their bounds: the last NSID, a list of nothing, 2047 controllers and no more", () => {
  expect(decodeNsidList(hexBytes("fe ff ff ff"))).toEqual([0xffff_fffe]);
  expect(faultAt(() => decodeNsidList(hexBytes("ff ff ff ff")))).toBe(0);
  expect(decodeControllerList(hexBytes("00 00"))).toEqual([]);
  expect(faultAt(() => decodeControllerList(hexBytes("00")))).toBe(0);
  const cntlids = Array.from({ length: 2048 }, (_, i) => i);
  const most = cntlids.slice(0, 2047);
  expect(decodeControllerList(encodeControllerList(most))).toEqual(most);
  expect(() => encodeControllerList(cntlids)).toThrow(RangeError);
  const beyond = new Uint8Array(2 + 2 * 2048);
  for (const cntlid of cntlids) beyond.set([cntlid & 0xff, cntlid >> 8], 2 + 2 * cntlid);
  beyond.set([0x00, 0x08]);
  expect(faultAt(() => decodeControllerList(beyond))).toBe(0);
});

test("each kind of identifier is read; the first of its kind counts, one that ends with the list as well", () => {
  const eui64 = "0102030405060708";
  const nguid = "000102030405060708090a0b0c0d0e0f";
  const list = hexBytes(
    `01080000 ${eui64} 02100000 ${nguid} 02100000 ${"ff".repeat(16)} 04010000 02`,
  );
  const found = decodeNamespaceDescriptors(list);
  expect([hexText(found.eui64!), hexText(found.nguid!), found.csi]).toEqual([eui64, nguid, 2]);
  expect(decodeNamespaceDescriptors(hexBytes("00000000"))).toEqual({});
  expect(faultAt(() => decodeNamespaceDescriptors(hexBytes("04010000")))).toBe(1);
});
