// Secrets of DH-HMAC-CHAP as people hand them on: DHHC-1:hh:base64:, with a checksum.
// Read first: Base 2.0 §8.13.5.8 "DH-HMAC-CHAP Security Requirements", "Secret representation".

import { NvmeofError } from "../errors.ts";
import { crc32 } from "./crc32.ts";
import { bodyOfSecret, secretOfBody } from "./key-body.ts";
import { type AuthHash, authHashBytes } from "./names.ts";

/** What is wrong with the text of a secret. */
export type DhchapKeyFault =
  | "white-space"
  | "no-prefix"
  | "unknown-hash"
  | "no-end"
  | "not-base64"
  | "bad-length"
  | "hash-length"
  | "bad-crc";

const faults: Readonly<Record<DhchapKeyFault, string>> = {
  "white-space": "there is white space in it",
  "no-prefix": "it does not begin with DHHC-1: and two digits and a colon",
  "unknown-hash": "the two digits after DHHC-1: are not 00, 01, 02 or 03",
  "no-end": "the colon at its end is missing",
  "not-base64": "what is between the last two colons is not base64",
  "bad-length": "it does not hold 32, 48 or 64 bytes and a checksum",
  "hash-length": "its length is not that of the hash (01: 32 bytes, 02: 48, 03: 64)",
  "bad-crc": "its checksum (CRC-32) is wrong: a character was changed",
};

/** A text that is no secret. The text itself is nowhere in it. */
export class DhchapKeyError extends NvmeofError {
  override readonly name = "DhchapKeyError";
  readonly fault: DhchapKeyFault;

  constructor(fault: DhchapKeyFault) {
    super("NVME_ERR_AUTH_KEY", `the DH-HMAC-CHAP secret cannot be used: ${faults[fault]}`, {
      hint: "`nvmeof keys gen-dhchap-key` makes one; `nvmeof keys check-dhchap-key` checks it.",
    });
    this.fault = fault;
  }
}

/** How a secret becomes the key that is used: as it is (0), or by HMAC with a hash and a name. */
export type KeyTransform = 0 | AuthHash;

const PREFIX_LENGTH = "DHHC-1:00:".length;
const isKeyLength = (bytes: number): boolean => bytes === 32 || bytes === 48 || bytes === 64;

/**
 * A secret. What it holds shows nowhere unless it is asked for by name: not in `toString`, in JSON, in
 * what `inspect` prints, nor in a copy of its fields.
 */
export class DhchapKey {
  /** How the key that is used is made of it. */
  readonly transform: KeyTransform;
  readonly #secret: Uint8Array;

  /**
   * @param secret 32, 48 or 64 bytes, as many as the hash of `transform` has; copied.
   * @throws DhchapKeyError for another number of bytes.
   */
  constructor(secret: Uint8Array, transform: KeyTransform = 0) {
    if (!isKeyLength(secret.length)) throw new DhchapKeyError("bad-length");
    if (transform !== 0 && authHashBytes(transform) !== secret.length) {
      throw new DhchapKeyError("hash-length");
    }
    this.transform = transform;
    this.#secret = secret.slice();
  }

  /**
   * Reads `DHHC-1:hh:base64:`.
   *
   * @throws DhchapKeyError
   */
  static parse(text: string): DhchapKey {
    if (/\s/.test(text)) throw new DhchapKeyError("white-space");
    const hash = /^DHHC-1:(\d\d):/.exec(text)?.[1];
    if (hash === undefined) throw new DhchapKeyError("no-prefix");
    const transform = Number(hash);
    if (transform > 3) throw new DhchapKeyError("unknown-hash");
    if (!text.endsWith(":") || text.length <= PREFIX_LENGTH) throw new DhchapKeyError("no-end");
    const body = text.slice(PREFIX_LENGTH, -1);
    const secret = secretOfBody(body, isKeyLength, (fault) => new DhchapKeyError(fault));
    const key = new DhchapKey(secret, transform as KeyTransform);
    secret.fill(0);
    return key;
  }

  /** Bytes of the secret: 32, 48 or 64. */
  get length(): number {
    return this.#secret.length;
  }

  /** CRC-32 of the secret. */
  get checksum(): number {
    return crc32(this.#secret);
  }

  /** A copy of the secret itself. Whoever takes it sees to it that it ends nowhere, and clears it. */
  reveal(): Uint8Array {
    return this.#secret.slice();
  }

  /** `DHHC-1:hh:base64:`, with the secret in it. */
  revealText(): string {
    return `DHHC-1:0${this.transform}:${bodyOfSecret(this.#secret)}:`;
  }

  /** Without the secret. */
  toString(): string {
    return `DHHC-1:0${this.transform}:(secret of ${this.length} bytes):`;
  }

  /** Without the secret. */
  toJSON(): string {
    return this.toString();
  }
}
