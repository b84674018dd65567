// Keys of TLS on Node: which PSK a host uses for a subsystem, and which one a target finds for a host.
// Read first: @nvmeof/codec/auth tls-psk.ts for the derivation; NVMe/TCP 1.0 §3.6.1.3.

import { createHmac, timingSafeEqual } from "node:crypto";
import {
  type Hmac,
  TlsIdentityError,
  type TlsIdentityVersion,
  type TlsKey,
  TlsKeyHash,
  type TlsNames,
  type TlsPsk,
  type TlsSecret,
  deriveTlsPsk,
  isTlsKey,
  parseTlsIdentity,
  tlsSecret,
} from "@nvmeof/codec/auth";
import { TlsError } from "../tls-error.ts";

/** HMAC of the platform. */
export const nodeHmac: Hmac = (hash, key, ...data) => {
  const mac = createHmac(hash, key);
  for (const each of data) mac.update(each);
  return new Uint8Array(mac.digest());
};

/**
 * Gives the key for these names; `undefined` where there is none.
 *
 * @param identity the PSK identity that is meant, where one is: a target's host has offered it.
 */
export type TlsKeyFor = (names: TlsNames, identity?: string) => TlsSecret | undefined;

/** How a host proves who it is, and learns that it speaks to whom it means. */
export interface TlsOptions {
  readonly key: TlsSecret | TlsKeyFor;
  /**
   * Version of the PSK identity: 1, with a digest of the PSK, or 0, which targets of NVMe/TCP 1.0 want.
   * Default 1.
   */
  readonly identityVersion?: TlsIdentityVersion | undefined;
  /** Derive as nvme-cli before 3.0 does; see `TlsDerivation`. Default false. */
  readonly compat?: boolean | undefined;
  /**
   * The PSK identity as a whole, in place of both: of the names that are connected with, and made of the
   * key in one way or the other.
   */
  readonly identity?: string | undefined;
  /** Time for the handshake, ms; at most what is left for the connection. Default 5 s. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/** Longest PSK identity that Node passes on, bytes. */
const IDENTITY_BYTES_MAX = 256;

/** The same options with the key as text: plain data, which another thread can be given. */
export function revealed(options: TlsOptions): TlsOptions {
  const { key } = options;
  if (typeof key === "function" || typeof key === "string") return options;
  return { ...options, key: isTlsKey(key) ? key.revealText() : key.revealLine() };
}

/**
 * The PSK that a host uses for a subsystem. Without names, which a queue may not have, only one that is
 * derived already will do.
 *
 * @throws TlsError no-key, hash-unsupported, unknown-identity; TlsIdentityError, TlsKeyError
 */
export function pskOfHost(options: TlsOptions, names: TlsNames | undefined): TlsPsk {
  const { key } = options;
  const secret = typeof key === "function" ? names && key(names, options.identity) : key;
  const found = secret === undefined ? undefined : tlsSecret(secret);
  if (found === undefined || (names === undefined && isTlsKey(found))) {
    const whom = names === undefined ? "nobody" : `${names.hostNqn} and ${names.subsystemNqn}`;
    throw new TlsError("no-key", `there is no TLS key for ${whom}`);
  }
  const psk = isTlsKey(found) ? derived(found, names!, options) : found;
  checkUsable(psk.hash, psk.identity);
  const bytes = Buffer.byteLength(psk.identity);
  if (bytes > IDENTITY_BYTES_MAX) throw new TlsIdentityError(bytes, IDENTITY_BYTES_MAX);
  return psk;
}

function derived(key: TlsKey, names: TlsNames, options: TlsOptions): TlsPsk {
  const { identity, identityVersion: version = 1, compat = false } = options;
  if (identity === undefined) return deriveTlsPsk(nodeHmac, key, names, { version, compat });
  const said = parseTlsIdentity(identity);
  const tries = said === undefined ? [] : [compat, !compat];
  for (const compatible of tries) {
    const wanted = { version: said!.version, compat: compatible };
    const psk = deriveTlsPsk(nodeHmac, key, names, wanted);
    if (psk.identity === identity) return psk;
  }
  const why = said === undefined ? "it is none" : "it is not that of this key and these names";
  throw new TlsError("unknown-identity", `the PSK identity cannot be used: ${why}`, {
    identity,
    hint: "`nvmeof keys check-tls-key` prints the identity of a key.",
  });
}

/**
 * Node pins the hash of a PSK to SHA-256: with a suite of SHA-384 it would not find the PSK, and with one of
 * SHA-256 it would use it in a way that no other implementation does.
 */
function checkUsable(hash: number, identity: string): void {
  if (hash === TlsKeyHash.Sha256) return;
  throw new TlsError("hash-unsupported", "Node cannot use a TLS key for SHA-384 (NVMe…R02)", {
    identity,
    hint: "Set up a key for SHA-256 on both sides: `nvmeof keys gen-tls-key --hmac 1` makes one.",
  });
}

/** What a target found for a PSK identity. */
export interface FoundPsk {
  readonly names: TlsNames;
  readonly psk: TlsPsk;
}

/**
 * The PSK for an identity that a host offers; `undefined` where there is none, or none that Node can use.
 * With version 1 the digest tells in which of the two ways it was derived; with version 0 `compat` says it.
 */
export function pskForHost(
  keyFor: TlsKeyFor,
  compat: boolean,
  identity: string,
): FoundPsk | undefined {
  const said = parseTlsIdentity(identity);
  if (said === undefined || said.type !== "retained" || said.hash !== TlsKeyHash.Sha256) {
    return undefined;
  }
  const names = { hostNqn: said.hostNqn, subsystemNqn: said.subsystemNqn };
  const found = keyFor(names, identity);
  if (found === undefined) return undefined;
  const secret = tlsSecret(found);
  if (!isTlsKey(secret)) {
    return sameText(secret.identity, identity) ? { names, psk: secret } : undefined;
  }
  if (secret.length !== 32) return undefined;
  const { version } = said;
  for (const compatible of version === 0 ? [compat] : [compat, !compat]) {
    const psk = deriveTlsPsk(nodeHmac, secret, names, { version, compat: compatible });
    if (sameText(psk.identity, identity)) return { names, psk };
  }
  return undefined;
}

/** The digest in an identity is made of the key: how much of it is right must not show. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
