// What a controller says of a namespace, read as one; H47 and H48 where they concern this package.

import {
  IDENTIFY_BYTES,
  IdentifyNamespace,
  LbaFormat,
  ParseError,
  encode,
  encodeNamespaceDescriptors,
  lbaFormatOffset,
  viewOf,
} from "@nvmeof/codec";
import { expect, test } from "vitest";
import { decodeNamespace, describesNamespace, noNamespace } from "./namespace-facts.ts";

interface Described {
  readonly nsze?: bigint;
  readonly ncap?: bigint;
  readonly lbads?: number;
}

function identifyOf({ nsze = 1024n, ncap = nsze, lbads = 9 }: Described = {}): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  encode(IdentifyNamespace, viewOf(bytes), 0, { nsze, ncap });
  LbaFormat.lbads.set(viewOf(bytes), lbaFormatOffset(0), lbads);
  return bytes;
}

const none = new Uint8Array(IDENTIFY_BYTES);

test("a namespace has a size, a format and identifiers", () => {
  const uuid = Uint8Array.from({ length: 16 }, (_, at) => at);
  const facts = decodeNamespace(3, identifyOf({ lbads: 12 }), encodeNamespaceDescriptors({ uuid }));
  expect(facts).toMatchObject({ nsid: 3, blockCount: 1024, identifiers: { uuid } });
  expect(facts.format.blockBytes).toBe(4096);
});

test("no descriptors are no identifiers", () => {
  expect(decodeNamespace(1, identifyOf(), none).identifiers).toEqual({});
});

test("all zeroes describe no namespace", () => {
  expect(describesNamespace(none)).toBe(false);
  expect(describesNamespace(identifyOf())).toBe(true);
  expect(noNamespace(7)).toMatchObject({ code: "NVME_ERR_NO_NAMESPACE" });
});

test.each([
  ["blocks of 1 byte", { lbads: 0 }],
  ["blocks of 2^63 bytes", { lbads: 63 }],
  ["a capacity beyond its size", { ncap: 1025n }],
  ["more than 2^63 bytes", { nsze: 2n ** 63n }],
])("H47: a namespace with %s is refused", (_name, described) => {
  expect(() => decodeNamespace(1, identifyOf(described), none)).toThrow(ParseError);
});

test("H47: more blocks than can be counted exactly are refused", () => {
  expect(() => decodeNamespace(1, identifyOf({ nsze: 2n ** 53n }), none)).toThrow(ParseError);
});
