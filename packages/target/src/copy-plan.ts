// A Copy command as requests of its device: read a piece, write it, and so on to the end.
// Read first: NVM Command Set 1.0 §3.2.2 "Copy command"; io-command.ts.

import { BlockOp, type BlockRequest } from "@nvmeof/bdev";
import type { CopySource } from "@nvmeof/codec/management";
import type { Namespace } from "./namespace.ts";

/** Most bytes of one Copy command (MCL), and of one of its ranges (MSSRL). */
const COPY_BYTES_MAX = 64 * 1024 * 1024;
const RANGE_BLOCKS_MAX = 0xffff;
/** Ranges of one Copy command (MSRC). */
export const COPY_RANGES_MAX = 128;
/** Bytes that are on their way at a time. */
const BUFFER_BYTES_MAX = 1024 * 1024;

/** What a namespace takes of Copy, in blocks. */
export function copyLimits({ blockBytes }: Pick<Namespace, "blockBytes">) {
  const mcl = COPY_BYTES_MAX / blockBytes;
  return { mcl, mssrl: Math.min(mcl, RANGE_BLOCKS_MAX) };
}

/** The requests of one Copy command. */
export class CopyPlan {
  readonly #namespace: Namespace;
  readonly #sources: readonly CopySource[];
  readonly #fua: boolean;
  readonly #pieceMax: number;
  #buffer: Uint8Array | undefined;
  #source = 0;
  /** Blocks of the source that are done, and of the whole command. */
  #sourceDone = 0;
  #done = 0;
  readonly #destination: number;
  #step: "read" | "write" = "read";

  constructor(
    namespace: Namespace,
    destination: number,
    sources: readonly CopySource[],
    fua: boolean,
    bufferBytesMax: number,
  ) {
    const { blockBytes, transferBlocksMax } = namespace;
    this.#namespace = namespace;
    this.#destination = destination;
    this.#sources = sources;
    this.#fua = fua;
    const bytesMax = Math.min(BUFFER_BYTES_MAX, bufferBytesMax);
    const longest = Math.max(...sources.map(({ blockCount }) => blockCount));
    this.#pieceMax = Math.min(longest, transferBlocksMax, bytesMax / blockBytes);
  }

  /** Bytes of the buffer that it needs. */
  get bufferBytes(): number {
    return this.#pieceMax * this.#namespace.blockBytes;
  }

  /** Gives it its buffer. */
  begin(buffer: Uint8Array): void {
    this.#buffer = buffer;
  }

  /** Fills `request` with what the device is to do next. */
  fill(request: BlockRequest): void {
    const { blockBytes } = this.#namespace;
    const { slba } = this.#sources[this.#source]!;
    const from = slba + this.#sourceDone;
    const to = this.#destination + this.#done;
    const isRead = this.#step === "read";
    const count = isRead ? this.#pieceBlocks(from, to) : request.blockCount;
    request.op = isRead ? BlockOp.Read : BlockOp.Write;
    request.lba = isRead ? from : to;
    request.blockCount = count;
    request.fua = !isRead && this.#fua;
    request.data = this.#buffer!.subarray(0, count * blockBytes);
  }

  /** What `request` asked for is done. Returns whether there is more to do. */
  advance(request: BlockRequest): boolean {
    if (this.#step === "read") {
      this.#step = "write";
      return true;
    }
    this.#step = "read";
    this.#sourceDone += request.blockCount;
    this.#done += request.blockCount;
    if (this.#sourceDone < this.#sources[this.#source]!.blockCount) return true;
    this.#sourceDone = 0;
    this.#source++;
    return this.#source < this.#sources.length;
  }

  /** Neither the read nor the write of a piece may cross a boundary of the device. */
  #pieceBlocks(from: number, to: number): number {
    const { boundaryBlocks } = this.#namespace;
    const left = this.#sources[this.#source]!.blockCount - this.#sourceDone;
    const count = Math.min(this.#pieceMax, left);
    if (boundaryBlocks === 0) return count;
    const toBoundary = (lba: number): number => boundaryBlocks - (lba % boundaryBlocks);
    return Math.min(count, toBoundary(from), toBoundary(to));
  }
}
