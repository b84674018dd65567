// Content that can be verified without a copy of it: a function of the LBA and a seed.
// A block holds its LBA first, so that a block in the wrong place says where it belongs.

/** The pattern is made of 32-bit words; blocks are a multiple of that. */
export const PATTERN_WORD_BYTES = 4;

const words = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / PATTERN_WORD_BYTES);

/** First word of what follows the LBA: every bit of LBA and seed has a part in it. */
function mixed(lba: number, seed: number): number {
  let state = Math.imul(lba >>> 0, 0x9e37_79b1) ^ Math.imul(seed | 0, 0x85eb_ca6b);
  state ^= Math.imul(Math.floor(lba / 0x1_0000_0000), 0xc2b2_ae35);
  state = Math.imul(state ^ (state >>> 16), 0x7feb_352d);
  state = Math.imul(state ^ (state >>> 15), 0x846c_a68b);
  return state ^ (state >>> 16) || 1; // xorshift stays at zero for ever
}

function fillBlock(block: Uint32Array, lba: number, seed: number): void {
  block[0] = lba >>> 0;
  block[1] = Math.floor(lba / 0x1_0000_0000);
  let state = mixed(lba, seed);
  for (let i = 2; i < block.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block[i] = state;
  }
}

/**
 * Fills whole blocks with the content of `lba` and those after it.
 *
 * @throws RangeError when `bytes` does not lie at a multiple of 4 in its memory.
 */
export function fillPattern(
  bytes: Uint8Array,
  blockBytes: number,
  lba: number,
  seed: number,
): void {
  const all = words(bytes);
  const step = blockBytes / PATTERN_WORD_BYTES;
  for (let at = 0, block = lba; at < all.length; at += step, block++) {
    fillBlock(all.subarray(at, at + step), block, seed);
  }
}

/**
 * Compares whole blocks with what `fillPattern` puts there, and tells each that differs, with the
 * LBA that its first words claim.
 *
 * @param scratch of one block, 4-byte aligned; what it holds is lost.
 */
export function checkPattern(
  bytes: Uint8Array,
  scratch: Uint8Array,
  lba: number,
  seed: number,
  differs: (lba: number, claims: number) => void,
): void {
  const all = words(bytes);
  const expected = words(scratch);
  const step = expected.length;
  for (let at = 0, block = lba; at < all.length; at += step, block++) {
    fillBlock(expected, block, seed);
    for (let i = 0; i < step; i++) {
      if (all[at + i] === expected[i]) continue;
      differs(block, all[at]! + all[at + 1]! * 0x1_0000_0000);
      break;
    }
  }
}
