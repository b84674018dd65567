// Authentication messages as hex and what they mean; what is no message, and what is answered to it.

import * as check from "fast-check";
import { describe, expect, test } from "vitest";
import { isNvmeofError } from "../errors.ts";
import { hexBytes } from "../nqn.ts";
import { AuthMessageError, authExplanationName } from "./message-error.ts";
import {
  AUTH_MESSAGE_BYTES_MAX,
  type AuthMessage,
  authTidOf,
  decodeAuthMessage,
  encodeAuthMessage,
} from "./message.ts";

const hash = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
const hexOf = (byte: string, length: number): string => byte.repeat(length);

/** Messages and their bytes. */
const vectors: readonly (readonly [what: string, bytes: Uint8Array, message: AuthMessage])[] = [
  [
    "AUTH_Negotiate: three hashes, and two groups from byte 34 of the descriptor",
    hexBytes(`00000000 3412 00 01
              01 00 03 02 010203 ${hexOf("00", 27)} 0001 ${hexOf("00", 28)}`),
    { type: "negotiate", tid: 0x1234, scc: 0, hashes: [1, 2, 3], groups: [0, 1] },
  ],
  [
    "Challenge without a group",
    hexBytes(`01010000 0100 20 00 01 00 0000 44332211 ${hexOf("c1", 32)}`),
    {
      type: "challenge",
      tid: 1,
      hash: 1,
      group: 0,
      seqnum: 0x1122_3344,
      challenge: hash(0xc1),
      dhValue: new Uint8Array(0),
    },
  ],
  [
    "Challenge with SHA-384 and a DH value, which follows the challenge",
    hexBytes(`01010000 0100 30 00 02 01 0001 01000000 ${hexOf("c1", 48)} ${hexOf("d1", 256)}`),
    {
      type: "challenge",
      tid: 1,
      hash: 2,
      group: 1,
      seqnum: 1,
      challenge: hash(0xc1, 48),
      dhValue: hash(0xd1, 256),
    },
  ],
  [
    "Reply of a host that asks for no proof: C2 and S2 are zero",
    hexBytes(`01020000 0100 20 00 00 00 0000 00000000 ${hexOf("a1", 32)} ${hexOf("00", 32)}`),
    {
      type: "reply",
      tid: 1,
      seqnum: 0,
      response: hash(0xa1),
      challenge: undefined,
      dhValue: new Uint8Array(0),
    },
  ],
  [
    "Reply that asks for a proof, with a DH value",
    hexBytes(`01020000 0100 20 00 01 00 0001 07000000
              ${hexOf("a1", 32)} ${hexOf("c2", 32)} ${hexOf("d2", 256)}`),
    {
      type: "reply",
      tid: 1,
      seqnum: 7,
      response: hash(0xa1),
      challenge: hash(0xc2),
      dhValue: hash(0xd2, 256),
    },
  ],
  [
    "Success1 without a proof says all the same how long a hash is",
    hexBytes(`01030000 0100 20 00 00 00000000000000 ${hexOf("00", 32)}`),
    { type: "success1", tid: 1, hashBytes: 32, response: undefined },
  ],
  [
    "Success1 with the controller's proof",
    hexBytes(`01030000 0100 20 00 01 00000000000000 ${hexOf("a2", 32)}`),
    { type: "success1", tid: 1, hashBytes: 32, response: hash(0xa2) },
  ],
  ["Success2", hexBytes("01040000 0100 0000 0000000000000000"), { type: "success2", tid: 1 }],
  [
    "AUTH_Failure1: authentication failed",
    hexBytes("00f10000 0100 01 01"),
    { type: "failure1", tid: 1, reason: 1, explanation: 1 },
  ],
  [
    "AUTH_Failure2: DH group not usable",
    hexBytes("00f00000 0100 01 05"),
    { type: "failure2", tid: 1, reason: 1, explanation: 5 },
  ],
];

describe.each(vectors)("%s", (_what, bytes, message) => {
  test("is written so, and read so", () => {
    expect(encodeAuthMessage(message)).toEqual(bytes);
    expect(decodeAuthMessage(bytes)).toEqual(message);
  });

  test("may be followed by anything, since who receives asks for more than there is", () => {
    const padded = new Uint8Array(bytes.length + 64).fill(0xa5);
    padded.set(bytes);
    expect(decodeAuthMessage(padded)).toEqual(message);
  });

  test("is refused when a byte of it is missing, wherever it is cut", () => {
    // Of Success1 without a proof the zeroes behind it may be missing.
    const needed =
      message.type === "success1" && message.response === undefined ? 16 : bytes.length;
    for (let length = 0; length < needed; length++) {
      expect(() => decodeAuthMessage(bytes.subarray(0, length))).toThrow(AuthMessageError);
    }
  });

  test("holds copies of its values", () => {
    const given = bytes.slice();
    const read = decodeAuthMessage(given);
    given.fill(0xa5);
    expect(read).toEqual(message);
  });
});

/** What is wrong with a message: the explanation to answer, the offset, and the words. */
function faultOf(hex: string): { explanation: number; offset: number; message: string } {
  try {
    decodeAuthMessage(hexBytes(hex));
  } catch (error) {
    if (!(error instanceof AuthMessageError)) throw error;
    expect(error.code).toBe("NVME_ERR_PARSE");
    return error;
  }
  throw new Error("was accepted");
}

const descriptor = (authid: string, halen: string, dhlen: string): string =>
  `${authid}00${halen}${dhlen} 0102${hexOf("00", 28)} 00${hexOf("00", 29)}`;

test.each([
  ["no descriptor [A3]", "00000000 0100 00 00", 6, 7],
  [
    "255 descriptors and one that is there [A3]",
    `00000000 0100 00 ff ${descriptor("01", "02", "01")}`,
    6,
    72,
  ],
  ["HALEN beyond its list [A3]", `00000000 0100 00 01 ${descriptor("01", "1f", "01")}`, 6, 10],
  ["DHLEN beyond its list [A3]", `00000000 0100 00 01 ${descriptor("01", "02", "ff")}`, 6, 11],
  [
    "DHVLEN that is no multiple of 4 [A9]",
    `01020000 0100 20 00 00 00 0500 00000000 ${hexOf("a1", 69)}`,
    6,
    10,
  ],
  [
    "DHVLEN beyond what was sent [A9]",
    `01020000 0100 20 00 00 00 0004 00000000 ${hexOf("a1", 68)}`,
    6,
    84,
  ],
  [
    "HL beyond what was sent [A8]",
    `01020000 0100 ff 00 00 00 0000 00000000 ${hexOf("a1", 64)}`,
    6,
    80,
  ],
  [
    "a challenge that is too short for its HL [A4]",
    `01010000 0100 40 00 03 00 0000 01000000 ${hexOf("c1", 63)}`,
    6,
    79,
  ],
  ["a type that does not exist", "02000000 0100 00 00", 7, 0],
  ["an ID that does not exist", "01050000 0100 00 00", 7, 0],
  ["a common message with the ID of another kind", "00010000 0100 00 00", 7, 0],
])("%s is refused", (_what, hex, explanation, offset) => {
  expect(faultOf(hex)).toMatchObject({ explanation, offset });
});

test("a descriptor of another protocol is passed over", () => {
  const bytes = hexBytes(
    `00000000 0100 00 02 ${descriptor("02", "ff", "ff")} ${descriptor("01", "02", "01")}`,
  );
  expect(decodeAuthMessage(bytes)).toMatchObject({ hashes: [1, 2], groups: [0] });
});

test("without a descriptor of ours there are neither hashes nor groups", () => {
  const bytes = hexBytes(`00000000 0100 00 01 ${descriptor("02", "02", "01")}`);
  const nothing = { hashes: undefined, groups: undefined };
  expect(decodeAuthMessage(bytes)).toEqual({ type: "negotiate", tid: 1, scc: 0, ...nothing });
});

test("lists longer than their fields are not written", () => {
  const hashes = Array.from({ length: 31 }, () => 1);
  expect(() =>
    encodeAuthMessage({ type: "negotiate", tid: 1, scc: 0, hashes, groups: [] }),
  ).toThrow(RangeError);
});

test("any bytes are a message or are refused, and nothing larger than them is made", () => {
  const byte = check.oneof(check.constant(0), check.integer({ min: 0, max: 4 }), check.nat(255));
  check.assert(
    check.property(check.array(byte, { maxLength: 300 }), (bytes) => {
      try {
        const read = decodeAuthMessage(Uint8Array.from(bytes));
        const values = Object.values(read).filter((each) => each instanceof Uint8Array);
        const held = values.reduce((sum, each) => sum + each.length, 0);
        expect(held).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect(isNvmeofError(error)).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

test("the longest message is one with all the descriptors that can be counted", () => {
  expect(AUTH_MESSAGE_BYTES_MAX).toBe(16_328);
});

test("explanations have names, unknown ones too", () => {
  expect(authExplanationName(4)).toBe("Hash function not usable");
  expect(authExplanationName(99)).toBe("unknown (99)");
});

describe("the lists of a descriptor", () => {
  const ids = (count: number): number[] => Array.from({ length: count }, (_, i) => (i % 3) + 1);
  const negotiate = (hashes: number[], groups: number[]): AuthMessage => ({
    type: "negotiate",
    tid: 1,
    scc: 0,
    hashes,
    groups,
  });

  test("hold 30 of each, and no more", () => {
    const most = negotiate(ids(30), ids(30));
    expect(decodeAuthMessage(encodeAuthMessage(most))).toEqual(most);
    expect(() => encodeAuthMessage(negotiate(ids(31), ids(1)))).toThrow(RangeError);
    expect(() => encodeAuthMessage(negotiate(ids(1), ids(31)))).toThrow(RangeError);
  });

  test("may be in any descriptor; one that is wrong is named by its place", () => {
    const one = encodeAuthMessage(negotiate([2], [3]));
    const descriptor = one.subarray(8);
    const two = new Uint8Array([...one, ...descriptor]);
    two[7] = 2;
    // Of another protocol: it is passed over.
    two[8] = 0x7f;
    expect(decodeAuthMessage(two)).toMatchObject({ hashes: [2], groups: [3] });
    const second = 8 + descriptor.length;
    for (const at of [2, 3]) {
      const wrong = two.slice();
      wrong[second + at] = 31;
      expect(() => decodeAuthMessage(wrong)).toThrow(
        expect.objectContaining({ offset: second + at }),
      );
    }
  });
});

test("a transaction has an ID where the message is long enough to say it", () => {
  const message = hexBytes("00000000 3412 00 00");
  expect(authTidOf(message)).toBe(0x1234);
  expect(authTidOf(message.subarray(0, 6))).toBe(0x1234);
  expect(authTidOf(message.subarray(0, 5))).toBe(0);
  expect(authTidOf(new Uint8Array(0))).toBe(0);
});
