// One good PDU of each type as bytes that can be held against the specification, and what they mean.
// Read first: NVMe/TCP 1.0 §3.6.2 "PDU Definitions". Digests were computed by another program.

import { describe, expect, test } from "vitest";
import { Cqe } from "./cqe.ts";
import { crc32c } from "./crc32c.ts";
import { type Decoded, decode, encode, viewOf } from "./layout.ts";
import { hexBytes } from "./nqn.ts";
import {
  CAPSULE_OFFSET,
  DataPdu,
  HeaderBytes,
  IcReq,
  IcResp,
  PduHeader,
  type PduType,
  R2t,
  TermReq,
  alignmentBytes,
  dataOffsetOf,
  pduBytesOf,
} from "./pdu.ts";
import { Sqe } from "./sqe.ts";

const zeroes = (count: number): string => "00 ".repeat(count);
const both = { header: true, data: true };
const none = { header: false, data: false };

interface Vector {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Common header: type, flags, HLEN, PDO, PLEN. */
  readonly header: Decoded<typeof PduHeader>;
  /** The fields that follow. */
  readonly layout: { readonly size: number };
  readonly fields: Record<string, number>;
  /** Where the layout begins, if not with the common header. */
  readonly at?: number;
}

const vectors: Vector[] = [
  {
    name: "ICReq: data aligned to 128 bytes, both digests, four R2Ts",
    bytes: hexBytes(`00 00 80 00  80 00 00 00
                     00 00        1f  03           03 00 00 00 ${zeroes(112)}`),
    header: { type: 0, flags: 0, hlen: 128, pdo: 0, plen: 128 },
    layout: IcReq,
    fields: { pfv: 0, hpda: 31, hdgst: 1, ddgst: 1, maxr2t: 4 },
  },
  {
    name: "ICResp: header digest only, 128 KiB of data in one H2CData",
    bytes: hexBytes(`01 00 80 00  80 00 00 00
                     00 00        00  01           00 00 02 00 ${zeroes(112)}`),
    header: { type: 1, flags: 0, hlen: 128, pdo: 0, plen: 128 },
    layout: IcResp,
    fields: { pfv: 0, cpda: 0, hdgst: 1, ddgst: 0, maxh2cdata: 131_072 },
  },
  {
    name: "H2CTermReq: FES 1, field at byte 20, with the 24 bytes that it objects to",
    bytes: hexBytes(`02 00 18 00  30 00 00 00
                     01 00  14 00 00 00  ${zeroes(10)}
                     05 00 18 00  18 00 00 00  ${zeroes(12)} ff ff 00 00`),
    header: { type: 2, flags: 0, hlen: 24, pdo: 0, plen: 48 },
    layout: TermReq,
    fields: { fes: 1, fei: 20 },
  },
  {
    name: "C2HTermReq: FES 3 with the digest received, which does not lie at a multiple of 4",
    bytes: hexBytes(`03 00 18 00  18 00 00 00
                     03 00  ef be ad de  ${zeroes(10)}`),
    header: { type: 3, flags: 0, hlen: 24, pdo: 0, plen: 24 },
    layout: TermReq,
    fields: { fes: 3, fei: 0xdeadbeef },
  },
  {
    name: "CapsuleCmd: a write with 8 bytes in the capsule, both digests",
    bytes: hexBytes(`04 03 48 4c  58 00 00 00
                     01 40 2a 00  01 00 00 00  ${zeroes(16)}
                     ${zeroes(8)}  08 00 00 00  00 00 00 01
                     10 00 00 00  ${zeroes(20)}
                     9a 9a e7 24
                     de ad be ef  01 02 03 04
                     1f d5 68 82`),
    header: { type: 4, flags: 3, hlen: 72, pdo: 76, plen: 88 },
    layout: Sqe,
    at: CAPSULE_OFFSET,
    fields: { opc: 1, psdt: 1, cid: 0x2a, nsid: 1, sglAddress: 0, sglLength: 8, sglId: 1 },
  },
  {
    name: "CapsuleResp: ANA Inaccessible (SCT 3h, SC 02h), SQ head 12, header digest",
    bytes: hexBytes(`05 01 18 00  1c 00 00 00
                     ${zeroes(8)}  0c 00 01 00  2a 00 04 06
                     ed 2d 38 f3`),
    header: { type: 5, flags: 1, hlen: 24, pdo: 0, plen: 28 },
    layout: Cqe,
    at: CAPSULE_OFFSET,
    fields: { sqhd: 12, sqid: 1, cid: 0x2a, sct: 3, sc: 2, dnr: 0 },
  },
  {
    name: "H2CData: the last 8 bytes of R2T 7, at 4096, aligned to 128 bytes, both digests",
    bytes: hexBytes(`06 07 18 80  8c 00 00 00
                     2a 00 07 00  00 10 00 00  08 00 00 00  00 00 00 00
                     33 be 02 b4  ${zeroes(100)}
                     de ad be ef  01 02 03 04
                     1f d5 68 82`),
    header: { type: 6, flags: 7, hlen: 24, pdo: 128, plen: 140 },
    layout: DataPdu,
    fields: { cccid: 0x2a, ttag: 7, datao: 4096, datal: 8 },
  },
  {
    name: "C2HData: all 8 bytes of a read, SUCCESS, aligned to 32 bytes, both digests",
    bytes: hexBytes(`07 0f 18 20  2c 00 00 00
                     2a 00 00 00  00 00 00 00  08 00 00 00  00 00 00 00
                     5e 50 06 4d  ${zeroes(4)}
                     de ad be ef  01 02 03 04
                     1f d5 68 82`),
    header: { type: 7, flags: 15, hlen: 24, pdo: 32, plen: 44 },
    layout: DataPdu,
    fields: { cccid: 0x2a, ttag: 0, datao: 0, datal: 8 },
  },
  {
    name: "C2HData without digests: data begins where the header ends",
    bytes: hexBytes(`07 04 18 18  20 00 00 00
                     2a 00 00 00  00 02 00 00  08 00 00 00  00 00 00 00
                     de ad be ef  01 02 03 04`),
    header: { type: 7, flags: 4, hlen: 24, pdo: 24, plen: 32 },
    layout: DataPdu,
    fields: { cccid: 0x2a, ttag: 0, datao: 512, datal: 8 },
  },
  {
    name: "R2T: 8 KiB from 4096 on, header digest",
    bytes: hexBytes(`09 01 18 00  1c 00 00 00
                     2a 00 07 00  00 10 00 00  00 20 00 00  00 00 00 00
                     a7 bd a9 26`),
    header: { type: 9, flags: 1, hlen: 24, pdo: 0, plen: 28 },
    layout: R2t,
    fields: { cccid: 0x2a, ttag: 7, r2to: 4096, r2tl: 8192 },
  },
];

describe.each(vectors)("$name", ({ bytes, header, layout, fields, at = 0 }) => {
  const view = viewOf(bytes);

  test("is read", () => {
    expect(decode(PduHeader, view)).toEqual(header);
    expect(decode(layout, view, at)).toMatchObject(fields);
    expect(bytes.length).toBe(header.plen);
    expect(HeaderBytes[header.type as PduType]).toBe(header.hlen);
  });

  test("is written the same into a dirty buffer, at any place", () => {
    const dirty = new Uint8Array(200).fill(0xa5);
    const out = viewOf(dirty);
    for (const base of [0, 13]) {
      encode(layout, out, base + at, decode(layout, view, at));
      for (const [name, value] of Object.entries(header)) {
        PduHeader[name as keyof typeof header].set(out, base, value);
      }
      expect(dirty.subarray(base, base + header.hlen)).toEqual(bytes.subarray(0, header.hlen));
      expect(dirty[base + header.hlen]).toBe(0xa5);
    }
  });

  test("has its digests and its data where the layout functions put them", () => {
    const digests = { header: (header.flags & 1) !== 0, data: (header.flags & 2) !== 0 };
    if (digests.header) {
      expect(crc32c(view, 0, header.hlen)).toBe(view.getInt32(header.hlen, true));
    }
    if (header.pdo === 0) return;
    const end = header.plen - (digests.data ? 4 : 0);
    const alignment = header.pdo === 128 ? 128 : header.pdo === 32 ? 32 : 4;
    expect(dataOffsetOf(header.hlen, digests, alignment)).toBe(header.pdo);
    expect(pduBytesOf(header.hlen, end - header.pdo, digests, alignment)).toBe(header.plen);
    if (digests.data) expect(crc32c(view, header.pdo, end)).toBe(view.getInt32(end, true));
  });
});

test("a PDU without data has neither padding nor a data digest", () => {
  expect(pduBytesOf(24, 0, both, 128)).toBe(28);
  expect(pduBytesOf(24, 0, none, 128)).toBe(24);
});

test("an alignment of 0 to 31 means 4 to 128 bytes, and padding never reaches that far", () => {
  for (let pda = 0; pda <= 31; pda++) {
    const alignment = alignmentBytes(pda);
    expect(alignment).toBe(4 * (pda + 1));
    for (const digests of [none, both]) {
      for (const headerBytes of [24, 72]) {
        const offset = dataOffsetOf(headerBytes, digests, alignment);
        const end = headerBytes + (digests.header ? 4 : 0);
        expect(offset % alignment).toBe(0);
        expect(offset).toBeGreaterThanOrEqual(end);
        expect(offset - end).toBeLessThan(alignment);
      }
    }
  }
});
