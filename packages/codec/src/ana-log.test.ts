// The ANA log as hex, and the ways in which a target can get it wrong.

import { expect, test } from "vitest";
import { AnaState, anaLogBytesMax, anaStateName, decodeAnaLog, encodeAnaLog } from "./ana-log.ts";
import { ParseError } from "./errors.ts";
import { hexBytes } from "./nqn.ts";

// Change count 5, two groups: 1 optimized with NSIDs 1 and 3, 2 inaccessible without.
const header = "05 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00";
const group1 = `01 00 00 00  02 00 00 00  04 00 00 00 00 00 00 00  01 ${"00".repeat(15)}`;
const nsids1 = "01 00 00 00  03 00 00 00";
const group2 = `02 00 00 00  00 00 00 00  05 00 00 00 00 00 00 00  03 ${"00".repeat(15)}`;
const log = hexBytes(header + group1 + nsids1 + group2);

const meaning = {
  chgcnt: 5n,
  groups: [
    { anagrpid: 1, chgcnt: 4n, state: AnaState.Optimized, nsids: [1, 3] },
    { anagrpid: 2, chgcnt: 5n, state: AnaState.Inaccessible, nsids: [] },
  ],
};

test("a log of two groups reads and writes", () => {
  expect(decodeAnaLog(log)).toEqual(meaning);
  expect(encodeAnaLog(meaning)).toEqual(log);
  expect(anaLogBytesMax(2, 2)).toBe(log.length);
});

test("a log longer than its groups is read up to their end", () => {
  const padded = new Uint8Array(4096).fill(0xff);
  padded.set(log);
  expect(decodeAnaLog(padded)).toEqual(meaning);
});

test("a log without groups is empty", () => {
  expect(decodeAnaLog(new Uint8Array(16))).toEqual({ chgcnt: 0n, groups: [] });
});

test("a reserved state is kept as a number and named as unknown [H50]", () => {
  const reserved = log.slice();
  reserved[32] = 0xf7; // upper bits are reserved, too
  expect(decodeAnaLog(reserved).groups[0]?.state).toBe(7);
  expect(anaStateName(7)).toBe("unknown (07h)");
  expect(anaStateName(AnaState.PersistentLoss)).toBe("Persistent Loss");
});

/** The log with these bytes put at `offset`. */
function altered(offset: number, hex: string): Uint8Array {
  const copy = log.slice();
  copy.set(hexBytes(hex), offset);
  return copy;
}

test.each([
  ["has no whole header", log.subarray(0, 15), 15],
  ["counts a group more than it holds", altered(8, "03 00"), 8],
  ["counts 65,535 groups", altered(8, "ff ff"), 8],
  ["is cut within a group", log.subarray(0, 60), 8],
  ["is cut within the NSIDs", log.subarray(0, 52), 20],
  ["counts 2^32 - 1 NSIDs", altered(20, "ff ff ff ff"), 20],
  ["has a group 0", altered(16, "00"), 16],
  ["has a group twice", altered(56, "01"), 56],
  ["has an NSID 0", altered(48, "00"), 48],
  ["has an NSID that means all", altered(52, "ff ff ff ff"), 52],
  ["has an NSID twice", altered(52, "01"), 52],
])("a log that %s is refused [H50]", (_what, bytes, offset) => {
  expect(() => decodeAnaLog(bytes)).toThrow(ParseError);
  try {
    decodeAnaLog(bytes);
  } catch (error) {
    expect(error).toMatchObject({ code: "NVME_ERR_PARSE", offset });
  }
});

test("an NSID in two groups is refused [H50]", () => {
  const groups = [
    { anagrpid: 1, chgcnt: 0n, state: 1, nsids: [1] },
    { anagrpid: 2, chgcnt: 0n, state: 3, nsids: [1] },
  ];
  expect(() => decodeAnaLog(encodeAnaLog({ chgcnt: 0n, groups }))).toThrow("NSID 1");
});

test("a group above ANAGRPMAX is refused [H50]", () => {
  expect(() => decodeAnaLog(log, 2)).not.toThrow();
  expect(() => decodeAnaLog(log, 1)).toThrow("group ID 2");
});
