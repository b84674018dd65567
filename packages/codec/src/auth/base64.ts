// Base64 as keys are written in: the usual alphabet, with padding, and nothing else between.
// Read first: RFC 4648 §4 "Base 64 Encoding", §3.5 "Canonical Encoding".

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Bytes as base64, with padding. */
export function base64Text(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const word = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += ALPHABET[word >>> 18]! + ALPHABET[(word >>> 12) & 63]!;
    text += left > 1 ? ALPHABET[(word >>> 6) & 63]! : "=";
    text += left > 2 ? ALPHABET[word & 63]! : "=";
  }
  return text;
}

/**
 * The bytes of a base64 text; `undefined` where it is none: another alphabet, white space, padding that
 * is absent or in the wrong place, bits left over that are not zero.
 */
export function base64Bytes(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let word = 0;
  let to = 0;
  for (let at = 0; at < text.length - padding; at++) {
    const value = ALPHABET.indexOf(text[at]!);
    if (value === -1) return undefined;
    word = ((word << 6) | value) & 0xff_ffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[to++] = (word >>> bits) & 0xff;
  }
  const isCanonical = (word & ((1 << bits) - 1)) === 0;
  return isCanonical ? bytes : undefined;
}
