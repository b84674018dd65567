// Secrets as nvme-cli prints them, every way to get one wrong, and that they show nowhere.

import { inspect } from "node:util";
import * as check from "fast-check";
import { describe, expect, test } from "vitest";
import { hexText } from "../nqn.ts";
import { base64Bytes, base64Text } from "./base64.ts";
import { crc32 } from "./crc32.ts";
import { DhchapKey, DhchapKeyError, type KeyTransform } from "./dhchap-key.ts";

const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i);

// By nvme-cli 2.13: nvme gen-dhchap-key -m 0 -l N -s 000102…
const plain: readonly (readonly [length: number, text: string])[] = [
  [32, "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"],
  [48, "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:"],
  [
    64,
    "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:",
  ],
];

test.each(plain)("%d bytes are written and read as nvme-cli does", (length, text) => {
  const key = new DhchapKey(counting(length));
  expect(key.revealText()).toBe(text);
  const read = DhchapKey.parse(text);
  expect(read.reveal()).toEqual(counting(length));
  expect([read.length, read.transform]).toEqual([length, 0]);
});

test("a secret made for a hash says so, and has its length", () => {
  // By the same: -m 1, -m 3.
  const one = DhchapKey.parse("DHHC-1:01:Q1vYMxhfnjFJeTFsT02bGaB8dpfB+sojKinuW09iqU93fC5k:");
  expect([one.transform, one.length, one.checksum.toString(16)]).toEqual([1, 32, "642e7c77"]);
  const three = DhchapKey.parse(
    "DHHC-1:03:r8HWxKQQDG8mYkQTyDcrk3Cn9TnnRPm5wMC+2XSAeD1MeE3Q/KN+q3bnKA2fLGwHg0Tp38SZVnR0p8Up+qcsDLA6Zn4=:",
  );
  expect([three.transform, three.length, three.checksum.toString(16)]).toEqual([3, 64, "7e663ab0"]);
});

const good = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
const short = base64Text(new Uint8Array(20));

test.each([
  ["a space behind it", `${good} `, "white-space"],
  ["a line end behind it", `${good}\n`, "white-space"],
  ["no colon at its end", good.slice(0, -1), "no-end"],
  ["nothing between the colons", "DHHC-1:00:", "no-end"],
  ["another beginning", good.replace("DHHC-1", "DHHC-2"), "no-prefix"],
  ["one digit", good.replace(":00:", ":0:"), "no-prefix"],
  ["nothing at all", "", "no-prefix"],
  ["the key of TLS", good.replace("DHHC-1", "NVMeTLSkey-1"), "no-prefix"],
  ["a hash that there is not", good.replace(":00:", ":04:"), "unknown-hash"],
  ["another alphabet", good.replace("AAEC", "AA_C"), "not-base64"],
  ["padding that is missing", plain[1]![1].replace("==", "="), "not-base64"],
  ["bits left over", plain[1]![1].replace("BQ==", "BR=="), "not-base64"],
  ["too few bytes", `DHHC-1:00:${short}:`, "bad-length"],
  ["the length of another hash", good.replace(":00:", ":02:"), "hash-length"],
  ["a character that was changed", good.replace("AAEC", "BAEC"), "bad-crc"],
])("with %s it is no secret [A12]", (_what, text, fault) => {
  let thrown: unknown;
  try {
    DhchapKey.parse(text);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DhchapKeyError);
  const error = thrown as DhchapKeyError;
  expect([error.code, error.fault]).toEqual(["NVME_ERR_AUTH_KEY", fault]);
  // Whatever it is that was given, it is not said again.
  if (text.length > 12) expect(inspect(error)).not.toContain(text.slice(10, 40));
});

test("another number of bytes makes no secret", () => {
  for (const length of [0, 31, 33, 65]) {
    expect(() => new DhchapKey(new Uint8Array(length))).toThrow(DhchapKeyError);
  }
  expect(() => new DhchapKey(counting(32), 3)).toThrow(DhchapKeyError);
});

describe("a secret", () => {
  const key = DhchapKey.parse(good);
  const shown = [good.slice(10, -1), hexText(key.reveal()), "0, 1, 2, 3"];

  test.each([
    ["toString", () => `${String(key)} ${key.toString()}`],
    ["JSON", () => JSON.stringify({ key })],
    ["inspect, all of it", () => inspect(key, { showHidden: true, depth: 9, getters: true })],
    ["a copy of its fields", () => inspect(Object.assign({}, key))],
  ])("does not show in %s", (_where, print) => {
    for (const text of shown) expect(print()).not.toContain(text);
  });

  test("is a copy of what it was made of, and gives copies", () => {
    const bytes = counting(32);
    const made = new DhchapKey(bytes);
    bytes.fill(0);
    made.reveal().fill(0);
    expect(made.reveal()).toEqual(counting(32));
  });
});

test("a secret reads back as it was written, whatever it is", () => {
  const kinds = check.constantFrom<[KeyTransform, number]>(
    [0, 32],
    [0, 48],
    [0, 64],
    [1, 32],
    [2, 48],
    [3, 64],
  );
  const secrets = kinds.chain(([transform, length]) =>
    check.record({
      transform: check.constant(transform),
      bytes: check.uint8Array({ minLength: length, maxLength: length }),
    }),
  );
  check.assert(
    check.property(secrets, ({ transform, bytes }) => {
      const text = new DhchapKey(bytes, transform).revealText();
      expect(DhchapKey.parse(text).reveal()).toEqual(bytes);
      expect(DhchapKey.parse(text).revealText()).toBe(text);
    }),
  );
});

test("a secret with any one character changed is refused, or is the same", () => {
  check.assert(
    check.property(
      check.nat(good.length - 1),
      check.string({ minLength: 1, maxLength: 1 }),
      (at, to) => {
        const text = good.slice(0, at) + to + good.slice(at + 1);
        let read: string | undefined;
        try {
          read = DhchapKey.parse(text).revealText();
        } catch (error) {
          expect(error).toBeInstanceOf(DhchapKeyError);
        }
        if (read !== undefined) expect(read.slice(10)).toBe(good.slice(10));
      },
    ),
    { numRuns: 500 },
  );
});

test("CRC-32 of the usual nine digits", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf4_3926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("base64 as Node has it, for every length", () => {
  for (let length = 0; length < 100; length++) {
    const bytes = counting(length).map((byte) => byte * 7 + 3);
    const text = Buffer.from(bytes).toString("base64");
    expect(base64Text(bytes)).toBe(text);
    expect(base64Bytes(text)).toEqual(bytes);
  }
  expect(base64Bytes("AA=A")).toBeUndefined();
  expect(base64Bytes("====")).toBeUndefined();
});
