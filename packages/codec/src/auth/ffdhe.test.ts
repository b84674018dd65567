// The groups are those of RFC 7919, and values that would give the secret away are refused.

import { checkPrimeSync, createDiffieHellman, createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hexText } from "../nqn.ts";
import { FFDHE_GENERATOR, ffdhePrime, isDhPublicValue } from "./ffdhe.ts";
import {
  DhGroup,
  authHashBytes,
  authHashName,
  dhGroupBytes,
  dhGroupName,
  isAuthHash,
  isDhGroup,
} from "./names.ts";

/** SHA-256 of each prime; `openssl pkeyparam` calls them by the names of the groups. */
const digests = {
  [DhGroup.Ffdhe2048]: "9cd3b7f336872f46c09428d1bbc19877a4d440512cda8d1c1cf0cd6e33698966",
  [DhGroup.Ffdhe3072]: "0eaf67db3a839156d5013494a5318a772b5697d270d721f37f092efc69ea5a17",
  [DhGroup.Ffdhe4096]: "4648414224ac881b3d0dc59b466f96d06a558278776807797ecf1f66ff397b3e",
  [DhGroup.Ffdhe6144]: "227ac9066b3ddd9e193670cda2388fa884f65ba0cf98b742d1fe77a6687c79c7",
  [DhGroup.Ffdhe8192]: "770b14efaf6f049929c523113b3fa99a8d11dab1b18af3609590122075d19833",
} as const;

const groups = Object.entries(digests).map(
  ([group, digest]) => [Number(group) as DhGroup, digest] as const,
);

describe.each(groups)("group %d", (group, digest) => {
  const prime = ffdhePrime(group);

  test("has the prime of the RFC", () => {
    expect(prime.length).toBe(dhGroupBytes(group));
    expect(createHash("sha256").update(prime).digest("hex")).toBe(digest);
    expect(hexText(prime.subarray(0, 16))).toBe("ffffffffffffffffadf85458a2bb4a9a");
    expect(ffdhePrime(group)).toBe(prime);
  });

  test("is known to the system's library as a safe one", () => {
    expect(createDiffieHellman(prime, FFDHE_GENERATOR).verifyError).toBe(0);
  });

  /** The value of p plus `delta`. */
  const near = (delta: number): Uint8Array => {
    const value = prime.slice();
    value[value.length - 1]! += delta;
    return value;
  };
  const small = (value: number): Uint8Array => {
    const bytes = new Uint8Array(prime.length);
    bytes[bytes.length - 1] = value;
    return bytes;
  };

  test.each([
    ["0", small(0)],
    ["1", small(1)],
    ["p - 1", near(-1)],
    ["p", prime],
    ["more than p", new Uint8Array(prime.length).fill(0xff)],
    ["a byte too short", small(5).subarray(1)],
    ["a byte too long", new Uint8Array(prime.length + 1).fill(5)],
    ["nothing", new Uint8Array(0)],
  ])("does not take %s [A6]", (_what, value) => {
    expect(isDhPublicValue(group, value)).toBe(false);
  });

  test("takes 2, p - 2 and what lies between", () => {
    expect(isDhPublicValue(group, small(2))).toBe(true);
    expect(isDhPublicValue(group, near(-2))).toBe(true);
    expect(isDhPublicValue(group, new Uint8Array(prime.length).fill(0x5a))).toBe(true);
    const below = prime.slice();
    below[9]! -= 1;
    expect(isDhPublicValue(group, below)).toBe(true);
  });
});

test("the smallest group is a safe prime, and the additions of the RFC are the first that give one", () => {
  const p = BigInt(`0x${hexText(ffdhePrime(DhGroup.Ffdhe2048))}`);
  expect(checkPrimeSync(p)).toBe(true);
  expect(checkPrimeSync((p - 1n) / 2n)).toBe(true);
});

test("the null group has no prime", () => {
  expect(() => ffdhePrime(DhGroup.Null)).toThrow(RangeError);
});

test("hashes and groups have names and sizes", () => {
  expect([1, 2, 3].map((id) => authHashName(id))).toEqual(["sha256", "sha384", "sha512"]);
  expect(([1, 2, 3] as const).map(authHashBytes)).toEqual([32, 48, 64]);
  expect(dhGroupName(0)).toBe("null");
  expect(dhGroupName(5)).toBe("ffdhe8192");
  expect([authHashName(9), dhGroupName(0x10)]).toEqual(["unknown (9)", "unknown (16)"]);
  expect([0, 1, 3, 4].map(isAuthHash)).toEqual([false, true, true, false]);
  expect([0, 5, 6, 16].map(isDhGroup)).toEqual([true, true, false, false]);
});

test("a value is judged by all of its bytes", () => {
  const group = DhGroup.Ffdhe2048;
  const length = dhGroupBytes(group);
  const value = (...bytes: [at: number, byte: number][]): Uint8Array => {
    const made = new Uint8Array(length);
    for (const [at, byte] of bytes) made.set([byte], at);
    return made;
  };
  const last = length - 1;
  for (const byte of [0, 1]) {
    expect(isDhPublicValue(group, value([last, byte]))).toBe(false);
    // With anything before it, it is a large number that ends so.
    for (const at of [0, 1, last - 1]) {
      expect(isDhPublicValue(group, value([at, 2], [last, byte]))).toBe(true);
    }
  }
  expect(isDhPublicValue(group, value([last, 2]))).toBe(true);
  // The same as the prime but for one byte: less, or more.
  const prime = ffdhePrime(group);
  const changed = (at: number, by: number): Uint8Array => {
    const made = prime.slice();
    made[at] = made[at]! + by;
    return made;
  };
  const middle = prime.findIndex((byte) => byte > 0 && byte < 0xff);
  expect(isDhPublicValue(group, changed(middle, -1))).toBe(true);
  expect(isDhPublicValue(group, changed(middle, 1))).toBe(false);
  expect([0, -1, -2].map((by) => isDhPublicValue(group, changed(last, by)))).toEqual([
    false,
    false,
    true,
  ]);
});

test("the prime of a group is made once, and is that of the group", () => {
  expect(ffdhePrime(DhGroup.Ffdhe3072)).toBe(ffdhePrime(DhGroup.Ffdhe3072));
  expect(ffdhePrime(DhGroup.Ffdhe2048)).toHaveLength(256);
});
