// What is written and what must be read: content that says where it belongs, and which places have it.
// Read first: ../pattern.ts.

import { type BlockDevice, BlockOp, type BlockRequest, openDisk } from "@nvmeof/bdev";
import { runLanes } from "../lanes.ts";
import { checkPattern, fillPattern } from "../pattern.ts";
import type { Mismatch } from "../sweep.ts";

/** Reads in flight when everything is read back. */
const READ_BACK_LANES = 16;

/** What a verification came to. */
export interface PerfVerify {
  /** Blocks that were compared. */
  readonly checkedBlocks: number;
  /** Of those, how many differed. */
  readonly mismatches: number;
  /** The one with the lowest LBA. */
  readonly first: Mismatch | null;
  /** Whether what was written was read back at the end: `none` where nothing was written. */
  readonly readBack: "none" | "complete" | "not done";
}

/** Sizes, and which content. */
export interface ContentOptions {
  readonly blockBytes: number;
  readonly requestBlocks: number;
  readonly places: number;
  readonly seed: number;
  /** Nothing is written: all places hold the content already. */
  readonly readOnly: boolean;
}

export class Content {
  readonly #options: ContentOptions;
  readonly #scratch: Uint8Array;
  /** A bit for each place; undefined where all are taken to be written. */
  readonly #written: Uint8Array | undefined;
  #checkedBlocks = 0;
  #mismatches = 0;
  #first: Mismatch | undefined;
  #readBack: PerfVerify["readBack"];
  readonly #differs = (lba: number, claimsLba: number): void => {
    this.#mismatches++;
    if (this.#first === undefined || lba < this.#first.lba) this.#first = { lba, claimsLba };
  };

  constructor(options: ContentOptions) {
    this.#options = options;
    this.#scratch = new Uint8Array(options.blockBytes);
    this.#written = options.readOnly ? undefined : new Uint8Array(Math.ceil(options.places / 8));
    this.#readBack = options.readOnly ? "none" : "not done";
  }

  get result(): PerfVerify {
    return {
      checkedBlocks: this.#checkedBlocks,
      mismatches: this.#mismatches,
      first: this.#first ?? null,
      readBack: this.#readBack,
    };
  }

  /** Fills what is to be written. Says whether what is read can be compared. */
  prepare(request: BlockRequest, place: number): boolean {
    if (request.op === BlockOp.Read) return this.#isWritten(place);
    fillPattern(request.data!, this.#options.blockBytes, request.lba, this.#options.seed);
    return false;
  }

  /**
   * A write of the place succeeded. It stays true when a later one fails: that would have written the
   * same again.
   */
  wrote(place: number): void {
    if (this.#written !== undefined) this.#written[place >>> 3]! |= 1 << (place & 7);
  }

  /** Compares what was read. */
  check({ data, lba }: BlockRequest): void {
    const { seed, requestBlocks } = this.#options;
    this.#checkedBlocks += requestBlocks;
    checkPattern(data!, this.#scratch, lba, seed, this.#differs);
  }

  /** Reads and compares all that was written. Rejects with the first error, or the signal's reason. */
  async readBack(device: BlockDevice, signal: AbortSignal | undefined): Promise<void> {
    if (this.#written === undefined) return;
    const { requestBlocks, blockBytes, places } = this.#options;
    const disk = openDisk(device);
    let next = 0;
    try {
      await runLanes(READ_BACK_LANES, async (_lane, failed) => {
        const data = new Uint8Array(requestBlocks * blockBytes);
        while (!failed()) {
          while (next < places && !this.#isWritten(next)) next++;
          const place = next++;
          if (place >= places) return;
          signal?.throwIfAborted();
          const lba = place * requestBlocks;
          await disk.read(lba, data);
          this.check({ op: BlockOp.Read, lba, blockCount: requestBlocks, data });
        }
      });
      this.#readBack = "complete";
    } finally {
      await disk.close();
    }
  }

  #isWritten(place: number): boolean {
    return this.#written === undefined || (this.#written[place >>> 3]! & (1 << (place & 7))) !== 0;
  }
}
