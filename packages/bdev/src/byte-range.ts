// Bytes as blocks: which blocks a range of bytes touches, and which of them only in part.

/** Blocks that a range of bytes touches in the same way. */
export interface BlockPart {
  readonly lba: number;
  readonly blockCount: number;
  /** The bytes of the range that lie in it: `start` to `end` from the beginning of the range. */
  readonly start: number;
  readonly end: number;
  /** Bytes of the first block before the range. */
  readonly skip: number;
  /** Whether the range covers all of it. A part that is not whole is a single block. */
  readonly isWhole: boolean;
}

/**
 * The blocks under `length` bytes from byte `offset` on: at most a first block in part, whole blocks,
 * and a last block in part. None for a length of 0.
 */
export function blockParts(offset: number, length: number, blockBytes: number): BlockPart[] {
  const parts: BlockPart[] = [];
  for (let start = 0; start < length;) {
    const at = offset + start;
    const skip = at % blockBytes;
    const left = length - start;
    const isWhole = skip === 0 && left >= blockBytes;
    const blockCount = isWhole ? Math.floor(left / blockBytes) : 1;
    const end = isWhole
      ? start + blockCount * blockBytes
      : start + Math.min(left, blockBytes - skip);
    parts.push({ lba: (at - skip) / blockBytes, blockCount, start, end, skip, isWhole });
    start = end;
  }
  return parts;
}
