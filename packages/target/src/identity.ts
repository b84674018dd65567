// Names for what was given none: the same every time, so that hosts find again what they knew.
// Read first: Base 2.0 §4.7 "Unique Identifier"; RFC 9562 §5.8 "UUID Version 8" (made by an own rule).

import { CRC32C_INITIAL, crc32cFinish, crc32cUpdate, uuidText } from "@nvmeof/codec";

/** 32 bits that depend on all of `text`; `salt` makes one text give several. */
function digest(text: string, salt: number): number {
  const view = new DataView(new ArrayBuffer(4 + text.length * 2));
  view.setUint32(0, salt * 0x9e37_79b1);
  for (let i = 0; i < text.length; i++) view.setUint16(4 + 2 * i, text.charCodeAt(i));
  let mixed = crc32cFinish(crc32cUpdate(CRC32C_INITIAL, view, 0, view.byteLength));
  // A CRC is linear: without this, two salts would differ by the same bits for every text.
  for (let round = 0; round < 3; round++) {
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d + 2 * salt);
    mixed ^= mixed >>> 13;
  }
  return mixed >>> 0;
}

/** A UUID made of a name. Not for secrets: who knows the name knows it. */
export function derivedUuid(name: string): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word++) view.setUint32(4 * word, digest(name, word + 1));
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidText(bytes);
}

/** A serial number of 16 hexadecimal digits made of a name. */
export const derivedSerial = (name: string): string =>
  [5, 6].map((salt) => digest(name, salt).toString(16).padStart(8, "0")).join("");
