// Diffie-Hellman values have the length of their group, whatever they begin with.
// Read first: Base 2.0 §8.13.5.3 "DH-HMAC-CHAP_Challenge Message", "DH Value"; auth-crypto.ts.

import { DhGroup, dhGroupBytes } from "@nvmeof/codec/auth";
import { expect, test } from "vitest";
import { authCrypto } from "./auth-crypto.ts";

/** One in 256 begins with a zero: that none of so many does is less likely than a broken machine. */
const TRIES_MAX = 10_000;

test("a public value that begins with zeroes keeps them, and both sides find the same secret", () => {
  const group = DhGroup.Ffdhe2048;
  const length = dhGroupBytes(group);
  let pair = authCrypto.dh(group);
  for (let tries = 0; pair.publicValue[0] !== 0 && tries < TRIES_MAX; tries++) {
    expect(pair.publicValue).toHaveLength(length);
    pair = authCrypto.dh(group);
  }
  expect(pair.publicValue[0]).toBe(0);
  expect(pair.publicValue).toHaveLength(length);
  const other = authCrypto.dh(group);
  const secret = pair.secret(other.publicValue);
  expect(secret).toHaveLength(length);
  expect(other.secret(pair.publicValue)).toEqual(secret);
});

test("proofs of other lengths are not equal, and nothing is thrown", () => {
  const equal = (a: Uint8Array, b: Uint8Array): boolean => authCrypto.equal(a, b);
  expect(equal(new Uint8Array(32), new Uint8Array(32))).toBe(true);
  expect(equal(new Uint8Array(32), new Uint8Array(48))).toBe(false);
  expect(equal(new Uint8Array(32), new Uint8Array(32).fill(1))).toBe(false);
});
