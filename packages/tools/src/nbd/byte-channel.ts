// Ranges of bytes on a block device: whole blocks as they are, a block in part read, changed and written.
// Read first: change-lock.ts; @nvmeof/bdev block-device.ts for the channel below.

import { type BlockChannel, BlockOp, type BlockRequest, type BlockSettle } from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import type { Change } from "./change-lock.ts";
import type { NbdExport } from "./export.ts";

/** What is asked for. Integers, since they are switched on for every request. */
export const ByteOp = { Read: 0, Write: 1, Zero: 2, Trim: 3, Flush: 4, Cache: 5 } as const;
type ByteOp = (typeof ByteOp)[keyof typeof ByteOp];

/** What the block request under way is for. */
const Step = { Main: 0, HeadRead: 1, HeadWrite: 2, TailRead: 3, TailWrite: 4, Sync: 5 } as const;
type Step = (typeof Step)[keyof typeof Step];

/** Zeroes that are written as data go in pieces of this many bytes. */
const ZEROES = new Uint8Array(256 * 1024);

/**
 * A request for bytes. Made once, used for one request after the other; the object and its data belong to
 * the channel from `submit` until it has settled.
 */
export class ByteRequest implements Change {
  op: ByteOp = ByteOp.Read;
  /** First byte, and number of bytes; for Flush 0. Within the device. */
  offset = 0;
  length = 0;
  /** On stable media when it settles. */
  fua = false;
  /** Zero: the blocks may become a hole. */
  mayDeallocate = true;
  /** Read and Write: all blocks that the range touches, the range at `headBytes` from their beginning. */
  data: Uint8Array | undefined;

  // What follows is the channel's.
  firstLba = 0;
  endLba = 0;
  /** Bytes of the first block before the range, and of the last block behind it. */
  headBytes = 0;
  tailBytes = 0;
  isAlone = false;
  heldAt = -1;
  step: Step = Step.Main;
  /** Zero as data: the first block that is not zeroed yet. */
  zeroLba = 0;
  /** A block of which a part is changed. */
  edge: Uint8Array | undefined;
  readonly block: BlockRequest = { op: 0, lba: 0, blockCount: 0, data: undefined, fua: false };
  channel: ByteChannel | undefined;
  readonly settled: BlockSettle = (error) => this.channel!.stepped(this, error);

  granted(): void {
    this.channel!.begin(this);
  }

  /** Finds out which blocks the range touches. Bytes that `data` must have: `dataBytes`. */
  layOut(blockBytes: number): void {
    const end = this.offset + this.length;
    this.headBytes = this.offset % blockBytes;
    this.firstLba = (this.offset - this.headBytes) / blockBytes;
    this.tailBytes = end % blockBytes === 0 ? 0 : blockBytes - (end % blockBytes);
    this.endLba = (end + this.tailBytes) / blockBytes;
    const changes = this.op === ByteOp.Write || this.op === ByteOp.Zero;
    this.isAlone = changes && (this.headBytes > 0 || this.tailBytes > 0);
  }

  /** Bytes of all blocks that the range touches. */
  get dataBytes(): number {
    return this.headBytes + this.length + this.tailBytes;
  }
}

/** A user's way to an export, in bytes. */
export class ByteChannel {
  readonly #export: NbdExport;
  readonly #channel: BlockChannel;
  readonly #settled: (request: ByteRequest, error: NvmeofError | undefined) => void;

  /** @param settled called once for each request, inside `submit` where there is nothing to do. */
  constructor(
    to: NbdExport,
    settled: (request: ByteRequest, error: NvmeofError | undefined) => void,
  ) {
    this.#export = to;
    this.#channel = to.splitting.openChannel();
    this.#settled = settled;
  }

  /** Takes no more requests; what is in flight still settles. */
  close(): void {
    this.#channel.close();
  }

  /** Does a request that was laid out. */
  submit(request: ByteRequest): void {
    request.channel = this;
    switch (request.op) {
      case ByteOp.Read:
      case ByteOp.Flush:
      case ByteOp.Cache:
        this.begin(request);
        return;
      case ByteOp.Trim:
        this.#roundInward(request);
        if (request.endLba <= request.firstLba) {
          this.#settled(request, undefined);
          return;
        }
        break;
      case ByteOp.Write:
      case ByteOp.Zero:
        break;
    }
    if (this.#export.lock.acquire(request)) this.begin(request);
  }

  /** For a request: it has the blocks that it changes. */
  begin(request: ByteRequest): void {
    switch (request.op) {
      case ByteOp.Read:
        this.#main(request, BlockOp.Read, request.data);
        break;
      case ByteOp.Write:
      case ByteOp.Zero:
        if (request.headBytes > 0) this.#readEdge(request, Step.HeadRead, request.firstLba);
        else this.#afterHead(request);
        break;
      case ByteOp.Trim:
        this.#main(request, BlockOp.Deallocate, undefined);
        break;
      case ByteOp.Flush:
        this.#send(request, Step.Main, BlockOp.Flush, 0, 0, undefined);
        break;
      case ByteOp.Cache:
        if (this.#export.device.features.verify) this.#main(request, BlockOp.Verify, undefined);
        else this.#settled(request, undefined);
        break;
    }
  }

  /** For a request: its block request has settled. */
  stepped(request: ByteRequest, error: NvmeofError | undefined): void {
    if (error !== undefined) return this.#end(request, error);
    const { step } = request;
    switch (step) {
      case Step.HeadRead:
        this.#headRead(request);
        break;
      case Step.HeadWrite:
        if (request.endLba - request.firstLba === 1) this.#end(request, undefined);
        else this.#afterHead(request);
        break;
      case Step.TailRead:
        this.#tailRead(request);
        break;
      case Step.TailWrite:
        this.#afterTail(request);
        break;
      case Step.Main:
        this.#mainDone(request);
        break;
      case Step.Sync:
        this.#end(request, undefined);
        break;
    }
  }

  /** What is trimmed is whole blocks; the rest may stay as it is. */
  #roundInward(request: ByteRequest): void {
    if (request.headBytes > 0) request.firstLba++;
    if (request.tailBytes > 0) request.endLba--;
  }

  #headRead(request: ByteRequest): void {
    const { blockBytes } = this.#export;
    const { headBytes, tailBytes, data } = request;
    const edge = request.edge!;
    const isOneBlock = request.endLba - request.firstLba === 1;
    if (request.op === ByteOp.Zero) {
      edge.fill(0, headBytes, isOneBlock ? blockBytes - tailBytes : blockBytes);
      this.#writeEdge(request, Step.HeadWrite, request.firstLba);
      return;
    }
    data!.set(edge.subarray(0, headBytes));
    if (!isOneBlock) return this.#afterHead(request);
    data!.set(edge.subarray(blockBytes - tailBytes), blockBytes - tailBytes);
    this.#afterTail(request);
  }

  #afterHead(request: ByteRequest): void {
    if (request.tailBytes > 0) this.#readEdge(request, Step.TailRead, request.endLba - 1);
    else this.#afterTail(request);
  }

  #tailRead(request: ByteRequest): void {
    const { blockBytes } = this.#export;
    const { tailBytes, data } = request;
    const edge = request.edge!;
    if (request.op === ByteOp.Zero) {
      edge.fill(0, 0, blockBytes - tailBytes);
      this.#writeEdge(request, Step.TailWrite, request.endLba - 1);
      return;
    }
    data!.set(edge.subarray(blockBytes - tailBytes), data!.length - tailBytes);
    this.#afterTail(request);
  }

  /** What is left is whole blocks, or has become so. */
  #afterTail(request: ByteRequest): void {
    if (request.op === ByteOp.Write) return this.#main(request, BlockOp.Write, request.data);
    if (request.headBytes > 0) request.firstLba++;
    if (request.tailBytes > 0) request.endLba--;
    request.zeroLba = request.firstLba;
    if (request.endLba <= request.firstLba) this.#end(request, undefined);
    else if (request.mayDeallocate && this.#export.device.features.writeZeroes) {
      request.zeroLba = request.endLba;
      this.#main(request, BlockOp.WriteZeroes, undefined);
    } else this.#zeroPiece(request);
  }

  #zeroPiece(request: ByteRequest): void {
    const { blockBytes } = this.#export;
    const lba = request.zeroLba;
    const count = Math.min(request.endLba - lba, ZEROES.length / blockBytes);
    request.zeroLba += count;
    const bytes = count * blockBytes;
    const data = bytes === ZEROES.length ? ZEROES : ZEROES.subarray(0, bytes);
    this.#send(request, Step.Main, BlockOp.Write, lba, count, data);
  }

  #mainDone(request: ByteRequest): void {
    if (request.op === ByteOp.Zero && request.zeroLba < request.endLba) this.#zeroPiece(request);
    else if (request.op === ByteOp.Trim && request.fua) {
      this.#send(request, Step.Sync, BlockOp.Flush, 0, 0, undefined);
    } else this.#end(request, undefined);
  }

  #readEdge(request: ByteRequest, step: Step, lba: number): void {
    const { blockBytes } = this.#export;
    if (request.edge?.length !== blockBytes) request.edge = new Uint8Array(blockBytes);
    this.#send(request, step, BlockOp.Read, lba, 1, request.edge);
  }

  #writeEdge(request: ByteRequest, step: Step, lba: number): void {
    this.#send(request, step, BlockOp.Write, lba, 1, request.edge);
  }

  #main(request: ByteRequest, op: BlockOp, data: Uint8Array | undefined): void {
    const { firstLba, endLba } = request;
    this.#send(request, Step.Main, op, firstLba, endLba - firstLba, data);
  }

  #send(
    request: ByteRequest,
    step: Step,
    op: BlockOp,
    lba: number,
    blockCount: number,
    data: Uint8Array | undefined,
  ): void {
    const { block } = request;
    request.step = step;
    block.op = op;
    block.lba = lba;
    block.blockCount = blockCount;
    block.data = data;
    block.fua = request.fua && (op === BlockOp.Write || op === BlockOp.WriteZeroes);
    this.#channel.submit(block, request.settled);
  }

  #end(request: ByteRequest, error: NvmeofError | undefined): void {
    request.block.data = undefined;
    if (request.heldAt !== -1) this.#export.lock.release(request);
    this.#settled(request, error);
  }
}
