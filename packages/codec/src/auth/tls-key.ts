// Keys of TLS as people hand them on, the PSK interchange format: NVMeTLSkey-1:hh:base64:, with a checksum.
// Read first: NVMe/TCP 1.0 §3.6.1.5 "PSK Interchange Format", §3.6.1.3 "Configured PSK".

import { NvmeofError } from "../errors.ts";
import { bodyOfSecret, secretOfBody } from "./key-body.ts";

/** What is wrong with the text of a key. */
export type TlsKeyFault =
  | "white-space"
  | "no-prefix"
  | "unknown-version"
  | "unknown-hash"
  | "no-end"
  | "not-base64"
  | "bad-length"
  | "hash-length"
  | "bad-crc";

const faults: Readonly<Record<TlsKeyFault, string>> = {
  "white-space": "there is white space in it",
  "no-prefix": "it does not begin with NVMeTLSkey-1:, two digits and a colon",
  "unknown-version": "its format is not version 1 (NVMeTLSkey-1:)",
  "unknown-hash": "the two digits after NVMeTLSkey-1: are not 00, 01 or 02",
  "no-end": "the colon at its end is missing",
  "not-base64": "what is between the last two colons is not base64",
  "bad-length": "it does not hold 32 or 48 bytes and a checksum",
  "hash-length": "its length is not that of the hash (01: 32 bytes, 02: 48)",
  "bad-crc": "its checksum (CRC-32) is wrong: a character was changed",
};

/** A text that is no key. The text itself is nowhere in it. */
export class TlsKeyError extends NvmeofError {
  override readonly name = "TlsKeyError";
  readonly fault: TlsKeyFault;

  constructor(fault: TlsKeyFault) {
    super("NVME_ERR_TLS_KEY", `the TLS key cannot be used: ${faults[fault]}`, {
      hint: "`nvmeof keys gen-tls-key` makes one; `nvmeof keys check-tls-key` checks it.",
    });
    this.fault = fault;
  }
}

/** Hash that makes a retained PSK of a configured one: none, SHA-256 or SHA-384. */
export const TlsKeyHash = { None: 0, Sha256: 1, Sha384: 2 } as const;
export type TlsKeyHash = (typeof TlsKeyHash)[keyof typeof TlsKeyHash];

const PREFIX_LENGTH = "NVMeTLSkey-1:00:".length;

const isKeyLength = (bytes: number): boolean => bytes === 32 || bytes === 48;

/** Bytes of a key by its hash; with none it may have either length. */
const lengths: readonly (readonly number[])[] = [[32, 48], [32], [48]];

/** Checks the number of bytes of a key. Not exported: two classes share it. */
function checkLength(hash: TlsKeyHash, bytes: number): void {
  if (!isKeyLength(bytes)) throw new TlsKeyError("bad-length");
  if (!lengths[hash]!.includes(bytes)) throw new TlsKeyError("hash-length");
}

const bodyBytes = (body: string): Uint8Array =>
  secretOfBody(body, isKeyLength, (fault) => new TlsKeyError(fault));

/** `NVMeTLSkey-v:hh:base64:`, with the key in it. */
const keyText = (version: number, hash: number, key: Uint8Array): string =>
  `NVMeTLSkey-${version}:0${hash}:${bodyOfSecret(key)}:`;

/**
 * A configured PSK: what somebody has set up on a host and on a subsystem, and of which the keys of TLS
 * are derived (`deriveTlsPsk`). What it holds shows nowhere unless it is asked for by name: not in
 * `toString`, in JSON, in what `inspect` prints, nor in a spread.
 */
export class TlsKey {
  /** How a retained PSK is made of it. */
  readonly hash: TlsKeyHash;
  readonly #secret: Uint8Array;

  /**
   * @param secret 32 bytes for SHA-256, 48 for SHA-384, either for none; copied.
   * @throws TlsKeyError for another number of bytes.
   */
  constructor(secret: Uint8Array, hash: TlsKeyHash = TlsKeyHash.Sha256) {
    checkLength(hash, secret.length);
    this.hash = hash;
    this.#secret = secret.slice();
  }

  /**
   * Reads `NVMeTLSkey-1:hh:base64:`.
   *
   * @throws TlsKeyError
   */
  static parse(text: string): TlsKey {
    if (/\s/.test(text)) throw new TlsKeyError("white-space");
    const [, version, hh] = /^NVMeTLSkey-(\d):(\d\d):/.exec(text) ?? [];
    if (version === undefined) throw new TlsKeyError("no-prefix");
    if (version !== "1") throw new TlsKeyError("unknown-version");
    const hash = Number(hh);
    if (hash > TlsKeyHash.Sha384) throw new TlsKeyError("unknown-hash");
    if (!text.endsWith(":") || text.length <= PREFIX_LENGTH) throw new TlsKeyError("no-end");
    const bytes = bodyBytes(text.slice(PREFIX_LENGTH, -1));
    const key = new TlsKey(bytes, hash as TlsKeyHash);
    bytes.fill(0);
    return key;
  }

  /** Bytes of the key: 32 or 48. */
  get length(): number {
    return this.#secret.length;
  }

  /** A copy of the key itself. Whoever takes it sees to it that it ends nowhere, and clears it. */
  reveal(): Uint8Array {
    return this.#secret.slice();
  }

  /** `NVMeTLSkey-1:hh:base64:`, with the key in it. */
  revealText(): string {
    return keyText(1, this.hash, this.#secret);
  }

  /** Without the key. */
  toString(): string {
    return `NVMeTLSkey-1:0${this.hash}:(key of ${this.length} bytes):`;
  }

  /** Without the key. */
  toJSON(): string {
    return this.toString();
  }
}

/** Version of a PSK identity: 0 of NVMe/TCP 1.0, 1 with a digest of the PSK in it. */
export type TlsIdentityVersion = 0 | 1;

/** Hash function of a cipher suite, and so of the PSK of a handshake. */
export type TlsHash = typeof TlsKeyHash.Sha256 | typeof TlsKeyHash.Sha384;

/** A line of a key file. What stands before the key is an identity: another key there would not be hidden. */
const keyLine = /^(NVMe[01][RG]0[12] \S+ \S+(?: \S+)?) NVMeTLSkey-([01]):(\d\d):\S*$/;

/** A PSK as TLS uses it, with its identity. Shows its secret nowhere unless it is asked for by name. */
export class TlsPsk {
  /** What a host says in clear when it connects: no secret. */
  readonly identity: string;
  readonly hash: TlsHash;
  readonly #secret: Uint8Array;

  /**
   * @param secret 32 bytes for SHA-256, 48 for SHA-384; copied.
   * @throws TlsKeyError for another number of bytes.
   */
  constructor(identity: string, hash: TlsHash, secret: Uint8Array) {
    checkLength(hash, secret.length);
    this.identity = identity;
    this.hash = hash;
    this.#secret = secret.slice();
  }

  /**
   * Reads a line of a key file, as `nvme tls-key --export` writes it: the identity, and the PSK as
   * `NVMeTLSkey-v:hh:base64:`, v being the version of the identity.
   *
   * @throws TlsKeyError
   */
  static parseLine(line: string): TlsPsk {
    const [, identity = "", version, hh] = keyLine.exec(line) ?? [];
    if (version === undefined) throw new TlsKeyError("no-prefix");
    if (hh !== "01" && hh !== "02") throw new TlsKeyError("unknown-hash");
    if (!line.endsWith(":")) throw new TlsKeyError("no-end");
    const bytes = bodyBytes(line.slice(line.lastIndexOf(`:${hh}:`) + 4, -1));
    const psk = new TlsPsk(identity, Number(hh) as TlsHash, bytes);
    bytes.fill(0);
    return psk;
  }

  /** A copy of the PSK itself. Whoever takes it sees to it that it ends nowhere, and clears it. */
  reveal(): Uint8Array {
    return this.#secret.slice();
  }

  /** The line of a key file that `nvme tls-key --import` reads, with the PSK in it. */
  revealLine(): string {
    const version = this.identity.startsWith("NVMe0") ? 0 : 1;
    return `${this.identity} ${keyText(version, this.hash, this.#secret)}`;
  }

  /** Without the PSK. */
  toString(): string {
    return `${this.identity} (PSK of ${this.#secret.length} bytes)`;
  }

  /** Without the PSK. */
  toJSON(): string {
    return this.toString();
  }
}

/**
 * A configured PSK, or a PSK as it is derived already: as an object, or as text, the PSK interchange format
 * (`NVMeTLSkey-1:…`) or a line of nvme-cli's key file. In an object it shows in no log.
 */
export type TlsSecret = TlsKey | TlsPsk | string;

/** The secret as an object. Raises {@link TlsKeyError} for text that is none. */
export function tlsSecret(secret: TlsSecret): TlsKey | TlsPsk {
  if (typeof secret !== "string") return secret;
  const text = secret.trim();
  return text.includes(" ") ? TlsPsk.parseLine(text) : TlsKey.parse(text);
}

/** Whether it is a configured PSK, also one of another copy of this package. */
export const isTlsKey = (secret: TlsKey | TlsPsk): secret is TlsKey => !("identity" in secret);
