// Structures as small as an integer: the same declaration serves a number and a CQE in place.

import { expect, test } from "vitest";
import { decodeDwords, encodeDword } from "./dword.ts";
import { ConnectResult } from "./fabrics.ts";
import { viewOf } from "./layout.ts";
import { hexBytes } from "./nqn.ts";
import { Cap, Cc } from "./property.ts";

test("a result reads alike from its number and from the CQE it came in", () => {
  const cqe = viewOf(hexBytes("05 00 02 00  00 00 00 00  00 00 00 00  2a 00 00 00"));
  expect(decodeDwords(ConnectResult, 0x0002_0005)).toEqual({ cntlid: 5, atr: 1, ascr: 0 });
  expect(ConnectResult.cntlid.get(cqe)).toBe(5);
  expect(ConnectResult.atr.get(cqe)).toBe(1);
});

test("a property of 8 bytes takes both halves of the result", () => {
  expect(decodeDwords(Cap, 0x0f00_007f, 0x0000_0020)).toMatchObject({ mqes: 128, to: 15, ncss: 1 });
});

test("a value is built of the fields that are named", () => {
  expect(encodeDword(Cc, { en: 1, iosqes: 6, iocqes: 4 })).toBe(0x0046_0001);
  expect(encodeDword(Cc, {})).toBe(0);
});
