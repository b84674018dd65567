// Lists that say how many entries they have: at their bounds, with several entries, and cut.
// Read first: identify.ts, copy.ts, log.ts, reservation.ts beside this file; Base 2.0 §5.17.2.

import { expect, test } from "vitest";
import { ParseError } from "../errors.ts";
import { viewOf } from "../layout.ts";
import { decodeCopyRanges, encodeCopyRanges } from "./copy.ts";
import {
  Domain,
  NamespaceGranularity,
  NvmSet,
  SecondaryController,
  UuidEntry,
  decodeDomains,
  decodeEnduranceGroups,
  decodeGranularity,
  decodeNvmSets,
  decodeSecondaryControllers,
  decodeUuids,
  extendedLbaFormatOffset,
} from "./identify.ts";
import {
  decodeReservationReport,
  encodeReservationReport,
  reservationReportBytes,
} from "./reservation.ts";

/** Entry `i` has the number `i + 7` in its first two bytes. */
function listOf(bytes: number, count: number, first: number, size: number): Uint8Array {
  const list = new Uint8Array(bytes);
  list[0] = count;
  for (let i = 0; i < count && first + i * size + 2 <= bytes; i++) {
    viewOf(list).setUint16(first + i * size, i + 7, true);
  }
  return list;
}

const lists = [
  {
    what: "Secondary Controller List",
    read: (data: Uint8Array) => decodeSecondaryControllers(data).map(({ scid }) => scid),
    first: 32,
    size: SecondaryController.size,
    max: 127,
  },
  {
    what: "NVM Set List",
    read: (data: Uint8Array) => decodeNvmSets(data).map(({ nvmsetid }) => nvmsetid),
    first: 128,
    size: NvmSet.size,
    max: 31,
  },
  {
    what: "Domain List",
    read: (data: Uint8Array) => decodeDomains(data).map(({ domainid }) => domainid),
    first: 128,
    size: Domain.size,
    max: 31,
  },
];

test.each(lists)("$what: none, several, as many as fit, and no more", (list) => {
  const { read, first, size, max } = list;
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 7);
  for (const count of [0, 1, 3, max]) {
    const bytes = first + count * size;
    expect(read(listOf(bytes, count, first, size))).toEqual(numbers(count));
    const cut = listOf(bytes - 1, count, first, size);
    if (count > 0) expect(() => read(cut)).toThrow(ParseError);
  }
  expect(() => read(listOf(first + 200 * size, max + 1, first, size))).toThrow(ParseError);
});

test("Namespace Granularity List: 0's based, one for all formats or one for each", () => {
  const { size } = NamespaceGranularity;
  const list = (count: number, bytes = 32 + count * size): Uint8Array => {
    const data = new Uint8Array(bytes);
    data[4] = count - 1;
    for (let i = 0; 32 + (i + 1) * size <= bytes; i++) {
      viewOf(data).setBigUint64(32 + i * size, BigInt(i + 1), true);
    }
    return data;
  };
  const sizes = (data: Uint8Array) => decodeGranularity(data).descriptors.map((d) => d.nszegran);
  expect(sizes(list(1)).map(Number)).toEqual([1]);
  expect(sizes(list(16)).map(Number)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  expect(decodeGranularity(list(2)).perFormat).toBe(false);
  expect(decodeGranularity(list(2).fill(3, 0, 1)).perFormat).toBe(true);
  expect(() => decodeGranularity(list(17))).toThrow(ParseError);
  expect(() => decodeGranularity(list(3, 32 + 3 * size - 1))).toThrow(ParseError);
});

test("UUID List: ends at the first of zeroes, or with the data", () => {
  const data = new Uint8Array(4 * UuidEntry.size);
  for (const at of [1, 2, 3]) data.fill(at, at * UuidEntry.size + 16, (at + 1) * UuidEntry.size);
  expect(decodeUuids(data).map(({ uuid }) => uuid[0])).toEqual([1, 2, 3]);
  expect(decodeUuids(data.subarray(0, data.length - 1)).map(({ uuid }) => uuid[0])).toEqual([1, 2]);
  data.fill(0, 2 * UuidEntry.size, 3 * UuidEntry.size);
  expect(decodeUuids(data).map(({ uuid }) => uuid[0])).toEqual([1]);
});

test("Endurance Group List: as many as it says, and none of what is cut", () => {
  const list = Uint8Array.of(2, 0, 5, 0, 0x34, 0x12);
  expect(decodeEnduranceGroups(list)).toEqual([5, 0x1234]);
  expect(decodeEnduranceGroups(list.fill(0, 0, 1).subarray(0, 2))).toEqual([]);
  expect(() => decodeEnduranceGroups(new Uint8Array(1))).toThrow(ParseError);
  expect(() => decodeEnduranceGroups(Uint8Array.of(2, 0, 5, 0, 6))).toThrow(ParseError);
});

test("extended LBA formats follow each other", () => {
  expect([0, 1, 63].map(extendedLbaFormatOffset)).toEqual([12, 16, 264]);
});

test("copy ranges: 1 to 256 of them, each at its place", () => {
  const sources = Array.from({ length: 256 }, (_, i) => ({ slba: 1_000 + i, blockCount: i + 1 }));
  for (const count of [1, 2, 256]) {
    const some = sources.slice(0, count);
    expect(decodeCopyRanges(encodeCopyRanges(some), count)).toEqual(some);
  }
  expect(() => encodeCopyRanges([])).toThrow(RangeError);
  expect(() => encodeCopyRanges([...sources, sources[0]!])).toThrow(RangeError);
  expect(() => decodeCopyRanges(encodeCopyRanges(sources.slice(0, 2)), 3)).toThrow(ParseError);
});

test("a report of reservations: its size by registrants, and what is cut is counted all the same", () => {
  expect([0, 1, 3].map((count) => reservationReportBytes(count, true))).toEqual([64, 128, 256]);
  expect([0, 1, 3].map((count) => reservationReportBytes(count, false))).toEqual([24, 48, 96]);
  const registrant = { cntlid: 1, holds: true, hostid: new Uint8Array(16).fill(7), rkey: 5n };
  const report = { generation: 9, rtype: 1, ptpls: 0, registrants: [registrant, registrant] };
  const data = encodeReservationReport(report);
  expect(decodeReservationReport(data, true)).toMatchObject({ ...report, registrantCount: 2 });
  const head = decodeReservationReport(data.subarray(0, 64), true);
  expect([head.registrantCount, head.registrants]).toEqual([2, []]);
  expect(() => decodeReservationReport(data.subarray(0, 63), true)).toThrow(ParseError);
});
