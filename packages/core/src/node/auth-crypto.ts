// The cryptography of authentication, by Node's own. Diffie-Hellman included: 1 ms to 14 ms an exchange.
// Read first: ../auth/crypto.ts. The primes are given explicitly: Node has no names for these groups, but
// its library knows them by their value, and takes private halves of a fitting length.

import {
  createDiffieHellman,
  createHash,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import {
  AuthHash,
  type DhGroup,
  FFDHE_GENERATOR,
  dhGroupBytes,
  ffdhePrime,
} from "@nvmeof/codec/auth";
import type { AuthCrypto, DhPair } from "../auth/crypto.ts";

const names: Readonly<Record<AuthHash, string>> = {
  [AuthHash.Sha256]: "sha256",
  [AuthHash.Sha384]: "sha384",
  [AuthHash.Sha512]: "sha512",
};

/** `value` with zeroes before it: `length` bytes. */
function padded(value: Uint8Array, length: number): Uint8Array {
  if (value.length === length) return value;
  const bytes = new Uint8Array(length);
  bytes.set(value, length - value.length);
  return bytes;
}

function dh(group: DhGroup): DhPair {
  const length = dhGroupBytes(group);
  const pair = createDiffieHellman(Buffer.from(ffdhePrime(group)), FFDHE_GENERATOR);
  return {
    publicValue: padded(pair.generateKeys(), length),
    secret: (peerValue) => padded(pair.computeSecret(peerValue), length),
  };
}

/** Node's. */
export const authCrypto: AuthCrypto = {
  digest: (hash, data) => createHash(names[hash]).update(data).digest(),
  hmac: (hash, key, parts) => {
    const hmac = createHmac(names[hash], key);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  },
  random: (bytes) => randomBytes(bytes),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  dh,
};
