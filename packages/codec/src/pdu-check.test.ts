// Common headers that break a rule, each with the field that is reported, by its row in the table of
// bad input. Read first: NVMe/TCP 1.0 §3.6.1 "Common Header (CH)".

import { describe, expect, test } from "vitest";
import { ProtocolError } from "./errors.ts";
import { viewOf } from "./layout.ts";
import { hexBytes } from "./nqn.ts";
import { type PduContext, checkPduHeader, pduName } from "./pdu-check.ts";

const LIMIT = 131_072;

const to = (receiver: "host" | "controller", shape: Partial<PduContext> = {}): PduContext => ({
  toHost: receiver === "host",
  headerDigest: false,
  dataDigest: false,
  alignment: 4,
  dataBytesMax: LIMIT,
  ...shape,
});

const controller = to("controller");
const host = to("host");
const headerDigest = { headerDigest: true };
const dataDigest = { dataDigest: true };
const bothDigests = { ...headerDigest, ...dataDigest };

/** The header at an odd place among bytes of something else. */
function check(header: string, context: PduContext): number {
  const bytes = new Uint8Array(40).fill(0xff);
  bytes.set(hexBytes(header), 3);
  return checkPduHeader(viewOf(bytes), 3, context);
}

function refusal(header: string, context: PduContext): ProtocolError {
  try {
    check(header, context);
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("what is right is taken, and its bytes of data counted", () => {
  test.each<[string, string, PduContext, number]>([
    ["ICReq", "00 00 80 00  80 00 00 00", controller, 0],
    [
      "ICReq, whatever digests are on",
      "00 00 80 00  80 00 00 00",
      to("controller", bothDigests),
      0,
    ],
    ["ICResp", "01 00 80 00  80 00 00 00", host, 0],
    ["H2CTermReq without a header", "02 00 18 00  18 00 00 00", controller, 0],
    ["H2CTermReq with 128 bytes", "02 00 18 00  98 00 00 00", controller, 128],
    ["C2HTermReq, whatever digests are on", "03 00 18 00  20 00 00 00", to("host", bothDigests), 8],
    ["C2HTermReq with a PDO, which is reserved", "03 00 18 18  20 00 00 00", host, 8],
    ["CapsuleCmd", "04 00 48 00  48 00 00 00", controller, 0],
    ["CapsuleCmd, header digest", "04 01 48 00  4c 00 00 00", to("controller", headerDigest), 0],
    [
      "CapsuleCmd without data has no data digest",
      "04 00 48 00  48 00 00 00",
      to("controller", dataDigest),
      0,
    ],
    ["CapsuleCmd with 512 bytes", "04 00 48 48  48 02 00 00", controller, 512],
    [
      "CapsuleCmd with 512 bytes, both digests",
      "04 03 48 4c  50 02 00 00",
      to("controller", bothDigests),
      512,
    ],
    [
      "CapsuleCmd with 1 byte, aligned to 128",
      "04 00 48 80  81 00 00 00",
      to("controller", { alignment: 128 }),
      1,
    ],
    ["CapsuleCmd with more padding than it needs", "04 00 48 80  81 00 00 00", controller, 1],
    ["CapsuleResp", "05 00 18 00  18 00 00 00", host, 0],
    ["CapsuleResp, header digest", "05 01 18 00  1c 00 00 00", to("host", headerDigest), 0],
    ["H2CData with as much as may be", "06 04 18 18  18 00 02 00", controller, LIMIT],
    ["H2CData that is not the last", "06 00 18 18  1c 00 00 00", controller, 4],
    ["C2HData, LAST_PDU and SUCCESS", "07 0c 18 18  18 10 00 00", host, 4096],
    ["C2HData, both digests", "07 03 18 1c  20 10 00 00", to("host", bothDigests), 4096],
    ["R2T", "09 00 18 00  18 00 00 00", host, 0],
  ])("%s", (_name, header, context, dataBytes) => {
    expect(check(header, context)).toBe(dataBytes);
  });
});

type Bad = [
  row: string,
  what: string,
  header: string,
  context: PduContext,
  fes: number,
  fei: number,
];

const types: Bad[] = [
  ["T5", "GET / HTTP/1.1", "47 45 54 20  2f 20 48 54", controller, 1, 0],
  ["T5", "POST of HTTP", "50 4f 53 54  20 2f 20 48", controller, 1, 0],
  ["T6", "TLS ClientHello", "16 03 01 02  00 01 00 01", controller, 1, 0],
  ["T16", "ICResp to a controller", "01 00 80 00  80 00 00 00", controller, 1, 0],
  ["T16", "C2HTermReq to a controller", "03 00 18 00  18 00 00 00", controller, 1, 0],
  ["T16", "CapsuleResp to a controller", "05 00 18 00  18 00 00 00", controller, 1, 0],
  ["T16", "C2HData to a controller", "07 04 18 18  1c 00 00 00", controller, 1, 0],
  ["T16", "R2T to a controller", "09 00 18 00  18 00 00 00", controller, 1, 0],
  ["T17", "type 08h", "08 00 18 00  18 00 00 00", controller, 1, 0],
  ["T17", "type 0Ah, KDReq", "0a 00 18 00  18 00 00 00", controller, 1, 0],
  ["T17", "type FFh", "ff 00 18 00  18 00 00 00", controller, 1, 0],
  ["H1", "banner of SSH", "53 53 48 2d  32 2e 30 2d", host, 1, 0],
  ["H1", "HTTP/1.1 400", "48 54 54 50  2f 31 2e 31", host, 1, 0],
  ["H1", "TLS alert", "15 03 03 00  02 02 28 00", host, 1, 0],
  ["H1", "TLS alert of record version 3.1", "15 03 01 00  02 02 28 00", host, 1, 0],
  ["H1", "zeroes", "00 00 00 00  00 00 00 00", host, 1, 0],
  ["H6", "ICReq to a host", "00 00 80 00  80 00 00 00", host, 1, 0],
  ["H6", "H2CTermReq to a host", "02 00 18 00  18 00 00 00", host, 1, 0],
  ["H6", "CapsuleCmd to a host", "04 00 48 00  48 00 00 00", host, 1, 0],
  ["H6", "H2CData to a host", "06 04 18 18  1c 00 00 00", host, 1, 0],
];

const flags: Bad[] = [
  ["T18", "reserved flag on CapsuleCmd", "04 80 48 00  48 00 00 00", controller, 1, 1],
  ["T18", "reserved flag on ICReq", "00 10 80 00  80 00 00 00", controller, 1, 1],
  ["T18", "LAST_PDU on CapsuleCmd", "04 04 48 00  48 00 00 00", controller, 1, 1],
  ["T18", "SUCCESS on H2CData", "06 0c 18 18  1c 00 00 00", controller, 1, 1],
  ["T19", "HDGSTF set, not negotiated", "04 01 48 00  4c 00 00 00", controller, 1, 1],
  [
    "T19",
    "HDGSTF clear, negotiated",
    "04 00 48 00  4c 00 00 00",
    to("controller", headerDigest),
    1,
    1,
  ],
  ["T20", "DDGSTF set, not negotiated", "06 06 18 18  20 00 00 00", controller, 1, 1],
  [
    "T20",
    "DDGSTF on CapsuleCmd without data",
    "04 02 48 00  48 00 00 00",
    to("controller", dataDigest),
    1,
    1,
  ],
  [
    "T20",
    "DDGSTF clear with data, negotiated",
    "06 04 18 18  20 00 00 00",
    to("controller", dataDigest),
    1,
    1,
  ],
  ["H10", "HDGSTF set, not negotiated", "05 01 18 00  1c 00 00 00", host, 1, 1],
  ["H10", "HDGSTF clear, negotiated", "09 00 18 00  1c 00 00 00", to("host", headerDigest), 1, 1],
  ["H10", "DDGSTF on CapsuleResp", "05 02 18 00  18 00 00 00", to("host", dataDigest), 1, 1],
  [
    "H10",
    "DDGSTF clear with data, negotiated",
    "07 04 18 18  20 00 00 00",
    to("host", dataDigest),
    1,
    1,
  ],
  ["H10", "SUCCESS on R2T", "09 08 18 00  18 00 00 00", host, 1, 1],
];

const lengths: Bad[] = [
  ["T8", "ICReq, HLEN 127", "00 00 7f 00  80 00 00 00", controller, 1, 2],
  ["T8", "ICReq, PDO 128", "00 00 80 80  80 00 00 00", controller, 1, 3],
  ["T8", "ICReq, PLEN 129", "00 00 80 00  81 00 00 00", controller, 1, 4],
  ["T21", "CapsuleCmd, HLEN 0", "04 00 00 00  48 00 00 00", controller, 1, 2],
  ["T21", "CapsuleCmd, HLEN 7", "04 00 07 00  48 00 00 00", controller, 1, 2],
  ["T21", "CapsuleCmd, HLEN 71", "04 00 47 00  48 00 00 00", controller, 1, 2],
  ["T21", "CapsuleCmd, HLEN 73", "04 00 49 00  48 00 00 00", controller, 1, 2],
  ["T21", "CapsuleCmd, HLEN 255", "04 00 ff 00  48 00 00 00", controller, 1, 2],
  ["T22", "CapsuleCmd, PLEN 0", "04 00 48 00  00 00 00 00", controller, 1, 4],
  ["T22", "CapsuleCmd, PLEN 71", "04 00 48 00  47 00 00 00", controller, 1, 4],
  [
    "T22",
    "CapsuleCmd, PLEN without the header digest",
    "04 01 48 00  48 00 00 00",
    to("controller", headerDigest),
    1,
    4,
  ],
  ["T22", "H2CData, PLEN 0", "06 04 18 18  00 00 00 00", controller, 1, 4],
  ["T22", "H2CData, PLEN 23", "06 04 18 18  17 00 00 00", controller, 1, 4],
  ["T23", "CapsuleCmd, PLEN 2^31", "04 00 48 48  00 00 00 80", controller, 1, 4],
  ["T23", "H2CData, PLEN 2^32 - 1", "06 04 18 18  ff ff ff ff", controller, 1, 4],
  ["T24", "H2CData, PDO in the header", "06 04 18 14  1c 00 00 00", controller, 1, 3],
  [
    "T24",
    "H2CData, PDO on the header digest",
    "06 05 18 18  20 00 00 00",
    to("controller", headerDigest),
    1,
    3,
  ],
  ["T24", "H2CData, PDO beyond PLEN", "06 04 18 20  1c 00 00 00", controller, 1, 3],
  [
    "T24",
    "H2CData, PDO not aligned to 128",
    "06 04 18 1c  20 00 00 00",
    to("controller", { alignment: 128 }),
    1,
    3,
  ],
  ["T24", "H2CData, PDO not aligned to 4", "06 04 18 19  1d 00 00 00", controller, 1, 3],
  ["T24", "CapsuleCmd, PDO without data", "04 00 48 48  48 00 00 00", controller, 1, 3],
  ["T24", "CapsuleCmd, data without PDO", "04 00 48 00  4c 00 00 00", controller, 1, 3],
  [
    "T24",
    "H2CData, neither PDO nor PLEN: the lower field is told",
    "06 04 18 00  00 00 00 00",
    controller,
    1,
    3,
  ],
  ["T25", "H2CData, PLEN leaves nothing for data", "06 04 18 18  18 00 00 00", controller, 1, 4],
  [
    "T25",
    "H2CData, 1 byte for data and digest",
    "06 06 18 18  19 00 00 00",
    to("controller", dataDigest),
    1,
    4,
  ],
  [
    "T25",
    "H2CData, 4 bytes for data and digest",
    "06 06 18 18  1c 00 00 00",
    to("controller", dataDigest),
    1,
    4,
  ],
  ["T31", "H2CTermReq, PLEN 8", "02 00 18 00  08 00 00 00", controller, 1, 4],
  ["T31", "H2CTermReq, PLEN 23", "02 00 18 00  17 00 00 00", controller, 1, 4],
  ["T31", "H2CTermReq, PLEN 153", "02 00 18 00  99 00 00 00", controller, 1, 4],
  ["T31", "H2CTermReq, PLEN 2^20", "02 00 18 00  00 00 10 00", controller, 1, 4],
  ["T54", "H2CData, one more byte than may be", "06 04 18 18  19 00 02 00", controller, 5, 0],
  ["H2", "ICResp, HLEN 24", "01 00 18 00  80 00 00 00", host, 1, 2],
  ["H2", "ICResp, PDO 128", "01 00 80 80  80 00 00 00", host, 1, 3],
  ["H2", "ICResp, PLEN 124", "01 00 80 00  7c 00 00 00", host, 1, 4],
  [
    "H7",
    "HLEN 255 with a header digest",
    "05 01 ff 00  1c 00 00 00",
    to("host", headerDigest),
    1,
    2,
  ],
  ["H7", "HLEN 0", "07 04 00 18  1c 00 00 00", host, 1, 2],
  ["H8", "C2HData, PLEN 2^32 - 1", "07 04 18 18  ff ff ff ff", host, 1, 4],
  ["H8", "CapsuleResp, PLEN 2^31", "05 00 18 00  00 00 00 80", host, 1, 4],
  ["H9", "C2HData, PDO 0", "07 04 18 00  1c 00 00 00", host, 1, 3],
  ["H9", "C2HData, PDO 255", "07 04 18 ff  1c 00 00 00", host, 1, 3],
  [
    "H9",
    "C2HData, PDO not aligned as we asked",
    "07 04 18 18  1c 00 00 00",
    to("host", { alignment: 64 }),
    1,
    3,
  ],
  ["H11", "CapsuleResp with data", "05 00 18 00  1c 00 00 00", host, 1, 4],
  ["H11", "CapsuleResp with data and PDO", "05 00 18 18  1c 00 00 00", host, 1, 3],
  ["H39", "C2HTermReq, PLEN 2^31", "03 00 18 00  00 00 00 80", host, 1, 4],
];

describe.each([
  { about: "type", rows: types },
  { about: "flags", rows: flags },
  { about: "lengths and offsets", rows: lengths },
])("$about", ({ rows }) => {
  test.each(rows)("%s: %s", (_row, _what, header, context, fes, fei) => {
    expect(refusal(header, context)).toMatchObject({ code: "NVME_ERR_PROTOCOL", fes, fei });
  });
});

test("T5, T6, H1: what speaks something else is told by its name, with a hint", () => {
  expect(refusal("47 45 54 20  2f 20 48 54", controller).message).toContain("speaks HTTP");
  expect(refusal("16 03 01 02  00 01 00 01", controller).message).toContain("speaks TLS");
  const ssh = refusal("53 53 48 2d  32 2e 30 2d", host);
  expect(ssh.message).toContain("speaks SSH");
  expect(refusal("4e 42 44 4d  41 47 49 43", host).message).toContain("speaks NBD");
  expect(refusal("16 03 03 00  40 01 00 01", controller).message).toContain("speaks TLS");
  expect(refusal("15 03 01 00  02 02 28 00", host).message).toContain("speaks TLS");
  expect(refusal("16 03 02 00  40 01 00 01", controller).message).toContain("unknown type 16h");
  expect(refusal("15 03 03 00  02 02 16 00", host).hint).toContain("would want TLS");
  expect(ssh.hint).toContain("4420");
  expect(refusal("00 00 00 00  00 00 00 00", host).hint).toContain("4420");
});

test("every byte of a header makes an answer or an error with a place in it, never another", () => {
  const good = hexBytes("07 0f 18 1c  20 10 00 00");
  const context = to("host", bothDigests);
  let taken = 0;
  for (let at = 0; at < 8; at++) {
    for (let value = 0; value < 256; value++) {
      const bytes = good.slice();
      bytes[at] = value;
      try {
        checkPduHeader(viewOf(bytes), 0, context);
        taken++;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        const { fes, fei } = error;
        if (fes === 5 ? fei !== 0 : fes !== 1 || fei > 4) throw error;
      }
    }
  }
  expect(taken).toBeGreaterThan(0);
});

test("a PDU type has the name of the specification, and one that does not exist its number", () => {
  expect([0, 4, 7, 9].map(pduName)).toEqual(["ICReq", "CapsuleCmd", "C2HData", "R2T"]);
  expect(pduName(0x0a)).toBe("type 0ah");
});
