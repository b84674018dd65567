// CRC32C (Castagnoli), the header and data digest of NVMe/TCP.
// Read first: NVMe/TCP 1.0 §3.3.1.1 "PDU Header and Data Digests"; RFC 3720 §B.4 for test vectors.

/** The polynomial 1EDC6F41h with its bits reversed. */
const REFLECTED = 0x82f63b78;

/** Slicing-by-8: `table[k * 256 + b]` is the CRC of byte `b` followed by `k` zero bytes. */
function makeTable(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ REFLECTED : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const previous = table[at - 256]!;
    table[at] = (previous >>> 8) ^ table[previous & 0xff]!;
  }
  return table;
}

const table = /*@__PURE__*/ makeTable();

/** Value to begin an incremental digest with, for {@link crc32cUpdate}. */
export const CRC32C_INITIAL = -1;

/**
 * Takes bytes `start` to `end` of `view` into a running digest. Values are int32, not uint32: V8
 * keeps those out of the heap.
 */
export function crc32cUpdate(running: number, view: DataView, start: number, end: number): number {
  let crc = running;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    const low = crc ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    crc =
      table[1792 + (low & 0xff)]! ^
      table[1536 + ((low >>> 8) & 0xff)]! ^
      table[1280 + ((low >>> 16) & 0xff)]! ^
      table[1024 + (low >>> 24)]! ^
      table[768 + (high & 0xff)]! ^
      table[512 + ((high >>> 8) & 0xff)]! ^
      table[256 + ((high >>> 16) & 0xff)]! ^
      table[high >>> 24]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ table[(crc ^ view.getUint8(at)) & 0xff]!;
  return crc;
}

/** Ends an incremental digest: the value as it stands on the wire, an int32. */
export const crc32cFinish = (running: number): number => ~running;

/** Digest of bytes `start` to `end` of `view`, as it stands little-endian on the wire; an int32. */
export function crc32c(view: DataView, start = 0, end: number = view.byteLength): number {
  return ~crc32cUpdate(CRC32C_INITIAL, view, start, end);
}
