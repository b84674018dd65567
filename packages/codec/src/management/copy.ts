// Source ranges of Copy: descriptor formats 0 to 3, written and read as one.
// Read first: NVM Command Set 1.0 §3.2.2 "Copy command", "Source Range Entries".

import { ParseError } from "../errors.ts";
import { u16, u32, u64n, zeroBased } from "../field.ts";
import { encode, viewOf } from "../layout.ts";

/** Copy Descriptor Formats (CDFMT): 2 and 3 name the source namespace. NVM Command Set 1.0 §3.2.2. */
export const CopyFormat = { Short: 0, Long: 1, ShortCross: 2, LongCross: 3 } as const;

/** Bits of OCFS in Identify Controller: which formats a controller takes. */
export const Ocfs = { Format0: 1, Format1: 2, Format2: 4, Format3: 8 } as const;

/** One source range of format 0 or 2, 32 bytes. NVM Command Set 1.0 §3.2.2. */
export const CopyRange = {
  size: 32,
  snsid: u32(0), // Source Namespace Identifier, in format 2
  slba: u64n(8), // Starting LBA
  nlb: zeroBased(u16(16)), // Number of Logical Blocks
  elbrt: u32(24), // Expected Logical Block Reference Tag
  elbatm: u16(28), // Expected Logical Block Application Tag Mask
  elbat: u16(30), // Expected Logical Block Application Tag
} as const;

/** Bytes of one source range by descriptor format; undefined for formats that are not known. */
export const copyRangeBytes = (format: number): 32 | 40 | undefined =>
  format > 3 ? undefined : format % 2 === 0 ? 32 : 40;

/** Blocks to copy from. */
export interface CopySource {
  readonly slba: number;
  readonly blockCount: number;
}

/**
 * Writes source ranges of format 0.
 *
 * @throws RangeError for none, or more than 256.
 */
export function encodeCopyRanges(sources: readonly CopySource[]): Uint8Array {
  if (sources.length < 1 || sources.length > 256) throw new RangeError(`${sources.length} ranges`);
  const data = new Uint8Array(sources.length * CopyRange.size);
  for (const [i, { slba, blockCount }] of sources.entries()) {
    encode(CopyRange, viewOf(data), i * CopyRange.size, { slba, nlb: blockCount });
  }
  return data;
}

/**
 * Reads `count` source ranges of format 0.
 *
 * @throws ParseError when the data holds fewer.
 */
export function decodeCopyRanges(data: Uint8Array, count: number): CopySource[] {
  if (data.length < count * CopyRange.size) {
    throw new ParseError("Copy ranges", data.length, `${count} ranges in ${data.length} bytes`);
  }
  const view = viewOf(data);
  return Array.from({ length: count }, (_, i) => ({
    slba: CopyRange.slba.get(view, i * CopyRange.size),
    blockCount: CopyRange.nlb.get(view, i * CopyRange.size),
  }));
}
