// Structures of management as hex, and what they mean; broken ones, and where they are broken.

import { describe, expect, test } from "vitest";
import { Fid } from "../feature.ts";
import { ParseError } from "../errors.ts";
import { decode, encoded, viewOf } from "../layout.ts";
import { hexBytes, hexText } from "../nqn.ts";
import { AdminOpcode, NvmOpcode } from "../opcode.ts";
import {
  AcquireAction,
  AcquireKeys,
  CopyCommand,
  EnduranceGroupLog,
  FormatNvmCommand,
  NamespaceManagement,
  NamespaceManagementCommand,
  Registrant,
  ReservationAcquireCommand,
  ReservationEvent,
  ReservationNotification,
  ReservationRegisterCommand,
  ReservationStatus,
  ReservationType,
  SanitizeCommand,
  SanitizeLog,
  SanitizeState,
  SelfTest,
  SelfTestOutcome,
  TelemetryHeader,
  copyRangeBytes,
  decodeCopyRanges,
  decodeDomains,
  decodeEnduranceGroups,
  decodeGranularity,
  decodeNvmSets,
  decodeReservationReport,
  decodeSecondaryControllers,
  decodeSelfTestLog,
  decodeUuids,
  encodeCopyRanges,
  encodeReservationReport,
  encodeSelfTestLog,
  featureOf,
  featureTable,
} from "./index.ts";

/** CDW10 to CDW12 of an SQE, as a specification draws them. */
const dwords = (sqe: Uint8Array): string[] =>
  [40, 44, 48].map((at) => viewOf(sqe).getUint32(at, true).toString(16).padStart(8, "0"));

describe("commands", () => {
  test("Namespace Management says what to do, and of which command set", () => {
    const sqe = encoded(NamespaceManagementCommand, {
      opc: AdminOpcode.NamespaceManagement,
      sel: NamespaceManagement.Delete,
      csi: 2,
    });
    expect(dwords(sqe)).toEqual(["00000001", "02000000", "00000000"]);
  });

  test("Format NVM has the upper bits of its format apart from the lower ones", () => {
    const sqe = encoded(FormatNvmCommand, { lbafl: 5, mset: 1, pi: 3, pil: 1, ses: 2, lbafu: 1 });
    expect(dwords(sqe)[0]).toBe("00001575");
  });

  test("Sanitize: two passes of a pattern, inverted between them", () => {
    const sqe = encoded(SanitizeCommand, {
      sanact: 3,
      ause: 1,
      owpass: 2,
      oipbp: 1,
      ovrpat: 0xdeadbeef,
    });
    expect(dwords(sqe).slice(0, 2)).toEqual(["0000012b", "deadbeef"]);
  });

  test("Reservation Register and Acquire", () => {
    const register = encoded(ReservationRegisterCommand, { rrega: 2, iekey: 1, cptpl: 3 });
    expect(dwords(register)[0]).toBe("c000000a");
    const acquire = encoded(ReservationAcquireCommand, {
      racqa: AcquireAction.PreemptAndAbort,
      rtype: ReservationType.ExclusiveAccessAllRegistrants,
    });
    expect(dwords(acquire)[0]).toBe("00000602");
    expect(hexText(encoded(AcquireKeys, { crkey: 1n, prkey: 0xabn }))).toBe(
      "0100000000000000ab00000000000000",
    );
  });

  test("Copy: destination, ranges and format", () => {
    const sqe = encoded(CopyCommand, { opc: NvmOpcode.Copy, sdlba: 2 ** 32 + 7, nr: 3, fua: 1 });
    expect(dwords(sqe)).toEqual(["00000007", "00000001", "40000002"]);
  });
});

describe("source ranges of Copy", () => {
  const bytes = hexBytes(`00 00 00 00 00 00 00 00  10 00 00 00 00 00 00 00
                          07 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00`);

  test("a range has eight blocks where the wire says seven", () => {
    expect(encodeCopyRanges([{ slba: 16, blockCount: 8 }])).toEqual(bytes);
    expect(decodeCopyRanges(bytes, 1)).toEqual([{ slba: 16, blockCount: 8 }]);
  });

  test("more ranges than data are refused, and so is none", () => {
    expect(() => decodeCopyRanges(bytes, 2)).toThrow(ParseError);
    expect(() => encodeCopyRanges([])).toThrow(RangeError);
    const many = Array.from({ length: 257 }, () => ({ slba: 0, blockCount: 1 }));
    expect(() => encodeCopyRanges(many)).toThrow(RangeError);
  });

  test("formats with tags are longer, and those that nobody knows have no length", () => {
    expect([0, 1, 2, 3, 4].map(copyRangeBytes)).toEqual([32, 40, 32, 40, undefined]);
  });
});

describe("Reservation Report", () => {
  const registrants = [
    { cntlid: 3, holds: true, hostid: new Uint8Array(16).fill(1), rkey: 0xa1n },
    { cntlid: 0xffff, holds: false, hostid: new Uint8Array(16).fill(2), rkey: 0xb2n },
  ];

  test("with extended data: 64 bytes of header, 64 for each registrant", () => {
    const data = encodeReservationReport({ generation: 9, rtype: 1, ptpls: 0, registrants });
    expect(data).toHaveLength(192);
    expect(hexText(data.subarray(0, 10))).toBe("09000000010200000000");
    expect(hexText(data.subarray(64, 96))).toBe(
      `0300010000000000a100000000000000${"01".repeat(16)}`,
    );
    expect(decodeReservationReport(data, true)).toEqual({
      generation: 9,
      rtype: 1,
      registrantCount: 2,
      ptpls: 0,
      registrants,
    });
  });

  test("cut short it has the registrants that are whole, and how many there are", () => {
    const data = encodeReservationReport({ generation: 9, rtype: 1, ptpls: 0, registrants });
    const { registrantCount, registrants: read } = decodeReservationReport(
      data.subarray(0, 150),
      true,
    );
    expect([registrantCount, read.length]).toEqual([2, 1]);
    expect(() => decodeReservationReport(data.subarray(0, 63), true)).toThrow(ParseError);
  });

  test("without extended data: 24 bytes each", () => {
    const data = new Uint8Array(48);
    data.set(encoded(ReservationStatus, { gen: 1, rtype: 5, regstrnt: 1 }));
    data.set(
      encoded(Registrant, { cntlid: 7, holds: 1, rkey: 5n, hostid: new Uint8Array(8).fill(9) }),
      24,
    );
    expect(decodeReservationReport(data, false)).toEqual({
      generation: 1,
      rtype: 5,
      registrantCount: 1,
      ptpls: 0,
      registrants: [{ cntlid: 7, holds: true, rkey: 5n, hostid: new Uint8Array(8).fill(9) }],
    });
  });
});

describe("logs", () => {
  test("a notification says which namespace lost what", () => {
    const log = hexBytes(`05 00 00 00 00 00 00 00  03 02 00 00  07 00 00 00 ${"00".repeat(48)}`);
    expect(decode(ReservationNotification, viewOf(log))).toEqual({
      lpc: 5n,
      rnlpt: ReservationEvent.ReservationPreempted,
      nalp: 2,
      nsid: 7,
    });
  });

  test("a self-test log leaves out the results that are not there", () => {
    const failed = {
      result: SelfTestOutcome.SegmentFailed,
      stc: SelfTest.Extended,
      segment: 2,
      nsidValid: 1,
      flbaValid: 1,
      poh: 11n,
      nsid: 1,
      flba: 4096n,
    };
    const log = encodeSelfTestLog({ operation: SelfTest.Short, completion: 25 }, [failed]);
    expect(log).toHaveLength(564);
    expect(hexText(log.subarray(0, 32))).toBe(
      "01190000270203000b0000000000000001000000001000000000000000000000",
    );
    const read = decodeSelfTestLog(log);
    expect(read).toMatchObject({ operation: 1, completion: 25 });
    expect(read.results).toEqual([{ ...failed, sctValid: 0, scValid: 0, sct: 0, sc: 0, vs: 0 }]);
    expect(decodeSelfTestLog(log.subarray(0, 40)).results).toHaveLength(1);
    expect(() => decodeSelfTestLog(log.subarray(0, 3))).toThrow(ParseError);
  });

  test("the sanitize log: half way through the second pass", () => {
    const log = encoded(SanitizeLog, { sprog: 0x8000, sos: SanitizeState.InProgress, passes: 1 });
    expect(hexText(log.subarray(0, 4))).toBe("00800a00");
  });

  test("telemetry and endurance have their counters where the specification has them", () => {
    const head = encoded(TelemetryHeader, { lid: 7, da1lb: 3, hostdgn: 5, ctrldgn: 6 });
    expect([head[0], head[8], head[381], head[383]]).toEqual([7, 3, 5, 6]);
    const group = encoded(EnduranceGroupLog, { duw: 2n, tegcap: 3n });
    expect([group[64], group[160]]).toEqual([2, 3]);
  });
});

describe("lists of Identify", () => {
  const list = (first: number, count: number, entry: Uint8Array): Uint8Array => {
    const data = new Uint8Array(4096);
    data[0] = count;
    data.set(entry, first);
    return data;
  };

  test("secondary controllers, NVM sets and domains have a count in front", () => {
    const secondary = decodeSecondaryControllers(list(32, 1, hexBytes("02 00 01 00 01")));
    expect(secondary).toMatchObject([{ scid: 2, pcid: 1, scs: 1 }]);
    expect(decodeNvmSets(list(128, 1, hexBytes("01 00 02 00")))).toMatchObject([
      { nvmsetid: 1, endgid: 2 },
    ]);
    expect(decodeDomains(list(128, 1, hexBytes("05 00")))).toMatchObject([{ domainid: 5 }]);
  });

  test.each([
    ["secondary controllers", decodeSecondaryControllers, 128],
    ["NVM sets", decodeNvmSets, 32],
    ["domains", decodeDomains, 32],
  ])("%s: a count beyond what fits is refused", (_what, read, count) => {
    expect(() => read(list(128, count, new Uint8Array(0)))).toThrow(ParseError);
    expect(() => read(new Uint8Array(64).fill(2))).toThrow(ParseError);
  });

  test("granularity counts from zero", () => {
    const data = new Uint8Array(4096);
    data[0] = 1;
    data[4] = 1;
    data[48] = 8;
    expect(decodeGranularity(data)).toEqual({
      perFormat: true,
      descriptors: [
        { nszegran: 0n, ncapgran: 0n },
        { nszegran: 8n, ncapgran: 0n },
      ],
    });
    data[4] = 16;
    expect(() => decodeGranularity(data)).toThrow(ParseError);
  });

  test("UUIDs end at the first of zeroes, endurance groups by their count", () => {
    const uuids = new Uint8Array(4096);
    uuids[32] = 1;
    uuids[48] = 0xaa;
    expect(decodeUuids(uuids)).toMatchObject([{ association: 1 }]);
    expect(decodeEnduranceGroups(hexBytes("02 00 01 00 07 00 09 00"))).toEqual([1, 7]);
    expect(() => decodeEnduranceGroups(hexBytes("03 00 01 00"))).toThrow(ParseError);
  });
});

test("features: every one has a name of its own, and is found by its identifier", () => {
  const keys = featureTable.map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  const fids = featureTable.map(({ fid }) => fid);
  expect(fids).toEqual([...fids].sort((a, b) => a - b));
  expect(featureOf(Fid.NumberOfQueues)).toMatchObject({ key: "num-queues", dataBytes: 0 });
  expect(featureOf(Fid.Timestamp)).toMatchObject({ key: "timestamp", dataBytes: 8 });
  expect(featureOf(0xc0)).toBeUndefined();
});
