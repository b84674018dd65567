// What stands between the last two colons of a secret's text: base64 of its bytes and of their CRC-32.
// Read first: NVMe/TCP 1.0 §3.6.1.5 "PSK Interchange Format"; secrets of DH-HMAC-CHAP have the same.

import { base64Bytes, base64Text } from "./base64.ts";
import { crc32 } from "./crc32.ts";

const CRC_BYTES = 4;

/** What is wrong with it. */
export type KeyBodyFault = "not-base64" | "bad-length" | "bad-crc";

/**
 * The secret in `body`; other copies of it are cleared.
 *
 * @param isLength which numbers of bytes a secret may have.
 * @param error what is thrown where there is none.
 */
export function secretOfBody(
  body: string,
  isLength: (bytes: number) => boolean,
  error: (fault: KeyBodyFault) => Error,
): Uint8Array {
  const bytes = base64Bytes(body);
  if (bytes === undefined) throw error("not-base64");
  const length = bytes.length - CRC_BYTES;
  if (!isLength(length)) throw error("bad-length");
  const secret = bytes.slice(0, length);
  const crc = new DataView(bytes.buffer, bytes.byteOffset + length).getUint32(0, true);
  bytes.fill(0);
  if (crc !== crc32(secret)) throw error("bad-crc");
  return secret;
}

/** The other way. */
export function bodyOfSecret(secret: Uint8Array): string {
  const bytes = new Uint8Array(secret.length + CRC_BYTES);
  bytes.set(secret);
  new DataView(bytes.buffer).setUint32(secret.length, crc32(secret), true);
  const body = base64Text(bytes);
  bytes.fill(0);
  return body;
}
