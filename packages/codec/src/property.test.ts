// Properties as numbers, and what their bits mean.

import { expect, test } from "vitest";
import { decodeDwords, encodeDword } from "./dword.ts";
import { decode, encoded, viewOf } from "./layout.ts";
import { hexBytes, hexText } from "./nqn.ts";
import {
  Cap,
  Cc,
  Crto,
  Csts,
  NSSR_RESET,
  Property,
  Shst,
  Vs,
  pageBytes,
  propertyBytes,
  versionText,
} from "./property.ts";

// nvmet of Linux 6.18: 128 entries, 7.5 s, NVM and several command sets, ready with media.
const cap = hexBytes("7f 00 01 0f  20 08 00 08");

test("CAP counts queue entries from one and keeps its low bits beside the highest", () => {
  expect(decode(Cap, viewOf(cap))).toMatchObject({
    mqes: 128,
    cqr: 1,
    to: 15,
    ncss: 1,
    iocss: 1,
    noiocss: 0,
    mpsmin: 0,
    mpsmax: 0,
    crwms: 1,
    crims: 0,
  });
  const fields = { mqes: 128, cqr: 1, to: 15, ncss: 1, iocss: 1, crwms: 1 };
  expect(encoded(Cap, fields)).toEqual(cap);
});

test("CAP written in place of a Property Get's result leaves the rest of the CQE", () => {
  const cqe = new Uint8Array(16).fill(0xa5);
  cqe.set(encoded(Cap, { mqes: 65_536 }));
  expect(cqe).toEqual(hexBytes(`ffff000000000000 ${"a5".repeat(8)}`));
});

test("CC of a host that enables a controller, and of one that shuts it down", () => {
  expect(decodeDwords(Cc, 0x0046_0001)).toMatchObject({ en: 1, css: 0, iosqes: 6, iocqes: 4 });
  expect(decodeDwords(Cc, 0x0046_4061)).toMatchObject({ en: 1, css: 6, shn: 1 });
  expect(encodeDword(Cc, { crime: 1, mps: 15, ams: 7 })).toBe(0x0100_3f80);
});

test("CSTS of a ready, a failed and a shut down controller", () => {
  expect(decodeDwords(Csts, 0x1)).toMatchObject({ rdy: 1, cfs: 0, shst: Shst.Normal });
  expect(decodeDwords(Csts, 0x2)).toMatchObject({ rdy: 0, cfs: 1 });
  expect(decodeDwords(Csts, 0x9)).toMatchObject({ rdy: 1, shst: Shst.Complete });
  expect(decodeDwords(Csts, 0x70)).toMatchObject({ nssro: 1, pp: 1, st: 1 });
});

test("VS and CRTO", () => {
  expect(decodeDwords(Vs, 0x0002_0100)).toEqual({ mjr: 2, mnr: 1, ter: 0 });
  expect(versionText(0x0002_0100)).toBe("2.1.0");
  expect(versionText(0x0001_0300)).toBe("1.3.0");
  expect(decodeDwords(Crto, 0x0004_003c)).toEqual({ crwmt: 60, crimt: 4 });
});

test("memory pages are powers of two from 4 KiB up", () => {
  expect(pageBytes(0)).toBe(4096);
  expect(pageBytes(15)).toBe(128 * 1024 * 1024);
});

test("CAP has 8 bytes, the other properties 4, and other offsets none", () => {
  expect(propertyBytes(Property.Cap)).toBe(8);
  expect(propertyBytes(Property.Csts)).toBe(4);
  expect(propertyBytes(Property.Crto)).toBe(4);
  expect(propertyBytes(0x0c)).toBeUndefined();
  expect(propertyBytes(0x04)).toBeUndefined();
});

test("the word that resets a subsystem spells NVMe", () => {
  expect(hexText(encoded(Vs, decodeDwords(Vs, NSSR_RESET)))).toBe("654d564e");
});
