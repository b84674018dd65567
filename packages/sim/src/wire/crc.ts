// CRC32C for the wire checker: its own, so that a mistake of the codec's is not made twice.
// Read first: NVMe/TCP 1.0 §3.3.1.1 "PDU Header and Data Digests".

/** The polynomial 1EDC6F41h with its bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** `tables[k]`: the effect of a byte with `k` bytes behind it. */
const tables: readonly Int32Array[] = /*@__PURE__*/ (() => {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    return crc;
  });
  const all = [first];
  for (let at = 1; at < 4; at++) {
    const before = all[at - 1]!;
    all.push(before.map((crc) => (crc >>> 8) ^ first[crc & 0xff]!));
  }
  return all;
})();

/** What a digest begins with. */
export const CRC_BEGIN = -1;

/** Takes bytes `start` to `end` into a running digest, which begins as `CRC_BEGIN`. */
export function crcOn(running: number, bytes: Uint8Array, start: number, end: number): number {
  const [t0, t1, t2, t3] = tables as [Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = running;
  let at = start;
  for (const last = end - 4; at <= last; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = t3[crc & 0xff]! ^ t2[(crc >>> 8) & 0xff]! ^ t1[(crc >>> 16) & 0xff]! ^ t0[crc >>> 24]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
  return crc;
}

/** The digest as it stands on the wire, an int32. */
export const crcEnd = (running: number): number => ~running;
