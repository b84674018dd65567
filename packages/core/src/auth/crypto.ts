// What authentication needs of cryptography, as a port: five calls, none of which knows the protocol.
// Read first: proof.ts for what is made of them; the implementation for Node is in ../node/.

import type { AuthHash, DhGroup } from "@nvmeof/codec/auth";

/** A Diffie-Hellman key pair of one exchange. The private half stays inside. */
export interface DhPair {
  /** As long as the group's prime, most significant byte first. */
  readonly publicValue: Uint8Array;
  /**
   * The secret shared with whoever has the private half of `peerValue`: as long as the group's prime.
   *
   * @param peerValue has passed `isDhPublicValue`.
   */
  secret(peerValue: Uint8Array): Uint8Array;
}

/** Hashes, chance and Diffie-Hellman. None of the calls may fail for what a peer sent. */
export interface AuthCrypto {
  /** Digest of `data`. */
  digest(hash: AuthHash, data: Uint8Array): Uint8Array;
  /** HMAC with `key` over `parts`, one behind the other. */
  hmac(hash: AuthHash, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array;
  /** Bytes that nobody can foresee. */
  random(bytes: number): Uint8Array;
  /** Whether both are the same, in a time that depends on their lengths alone. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** A fresh key pair. Never asked for the null group. */
  dh(group: DhGroup): DhPair;
}
