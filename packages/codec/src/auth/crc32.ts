// CRC-32 as in Ethernet and zip files: what protects keys that people copy from one place to another.
// Read first: RFC 1952 §8 (the polynomial, reflected); not CRC32C, which digests have (../crc32c.ts).

const POLYNOMIAL = 0xedb8_8320;

const table = /* @__PURE__ */ makeTable();

function makeTable(): Uint32Array {
  const made = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    made[byte] = crc >>> 0;
  }
  return made;
}

/** CRC-32 of `bytes`: 0 to 2^32 - 1. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffff_ffff) >>> 0;
}
