// What a block says of itself: the volume and the block that it was meant for, and the write it is of.
// Read first: reliability-anchors.md §4.1 (stamped blocks), I6, I7, I24, I29; disk.ts and oracles/register.ts
// both read it.

/** What the data of a block says. */
export interface Stamp {
  /** Number of the volume that it was written to, 0 to 65,535. */
  readonly volume: number;
  /** Number of the write, unique in a run, 1 to 2^32 - 1. */
  readonly write: number;
  /** Block of the volume, below 2^48. */
  readonly lba: number;
}

/** The data of a block: zeroes, a stamp, or what nobody wrote as a whole. */
export type BlockContent = Stamp | "zeroes" | "torn";

/** Check, volume with the high part of the LBA, write, low part of the LBA. */
const HEADER_WORDS = 4;
const WORD_BYTES = 4;
/** The golden ratio in 32 bits: each word differs from all others, so that shifted data is noticed. */
const STEP = 0x9e3779b9;
const LOW = 2 ** 32;

/** Fills one block of `data`, from byte `at` on. `blockBytes` is a multiple of 4, 16 or more. */
export function writeStamp(data: Uint8Array, at: number, blockBytes: number, stamp: Stamp): void {
  const view = new DataView(data.buffer, data.byteOffset + at, blockBytes);
  const { volume, write, lba } = stamp;
  const place = (volume << 16) | Math.floor(lba / LOW);
  const check = checkOf(place >>> 0, write, lba % LOW);
  view.setUint32(0, check);
  view.setUint32(4, place);
  view.setUint32(8, write);
  view.setUint32(12, lba);
  for (let word = HEADER_WORDS; word < blockBytes / WORD_BYTES; word++) {
    view.setUint32(word * WORD_BYTES, check + Math.imul(word, STEP));
  }
}

/** Reads one block of `data`, from byte `at` on, looking at every byte of it. */
export function readStamp(data: Uint8Array, at: number, blockBytes: number): BlockContent {
  const view = new DataView(data.buffer, data.byteOffset + at, blockBytes);
  const check = view.getUint32(0);
  const place = view.getUint32(4);
  const write = view.getUint32(8);
  const low = view.getUint32(12);
  if (write === 0) return isZero(view, blockBytes) ? "zeroes" : "torn";
  if (check !== checkOf(place, write, low)) return "torn";
  for (let word = HEADER_WORDS; word < blockBytes / WORD_BYTES; word++) {
    if (view.getUint32(word * WORD_BYTES) !== (check + Math.imul(word, STEP)) >>> 0) return "torn";
  }
  return { volume: place >>> 16, write, lba: (place & 0xffff) * LOW + low };
}

/** For messages. */
export function contentText(content: BlockContent): string {
  if (typeof content === "string") return content;
  return `write ${content.write} of block ${content.lba} of volume ${content.volume}`;
}

function isZero(view: DataView, blockBytes: number): boolean {
  for (let at = 0; at < blockBytes; at += WORD_BYTES) if (view.getUint32(at) !== 0) return false;
  return true;
}

function checkOf(place: number, write: number, low: number): number {
  let hash = Math.imul(place ^ 0x811c9dc5, 0x01000193);
  hash = Math.imul(hash ^ write ^ (hash >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ low ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
