// Splitting: requests of any size for a device that takes only small ones, or none across a boundary.
// Read first: block-device.ts, BlockLimits.

import { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type {
  BlockChannel,
  BlockDevice,
  BlockLimits,
  BlockRequest,
  BlockSettle,
} from "./block-device.ts";
import { DelegatingDevice } from "./delegate.ts";
import {
  CHANNEL_CLOSED,
  type RequestTarget,
  changesBlocks,
  checkRequest,
  movesData,
} from "./request-check.ts";
import { SettleQueue } from "./settle-queue.ts";

/** The two limits that a transfer is split by. */
export type TransferLimits = Pick<BlockLimits, "transferBlocksMax" | "boundaryBlocks">;

/**
 * Number of blocks of the first piece of a transfer of `blockCount` blocks at `lba`: as many as the
 * limits allow, 1 or more. Called again with what is left, it gives all pieces in turn.
 */
export function firstPieceBlocks(lba: number, blockCount: number, limits: TransferLimits): number {
  const most = Math.min(blockCount, limits.transferBlocksMax);
  if (limits.boundaryBlocks === 0) return most;
  return Math.min(most, limits.boundaryBlocks - (lba % limits.boundaryBlocks));
}

/** How a device is made to take requests of any size. */
export interface SplittingOptions {
  readonly clock: Pick<Clock, "defer">;
  /** Most blocks of one transfer before splitting. Default: 64 MiB of them. */
  readonly transferBlocksMax?: number | undefined;
  /** Most requests in flight on one channel before splitting. Default 1024. */
  readonly inflightMax?: number | undefined;
}

const TRANSFER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The same device without its limits: transfers are split where they have to be, and wait for room
 * in order instead of being refused. A request that was split settles once, when all of its pieces
 * have, with the first error; after an error no further pieces are submitted.
 */
export function splitting(device: BlockDevice, options: SplittingOptions): BlockDevice {
  return new SplittingDevice(device, options);
}

class SplittingDevice extends DelegatingDevice {
  readonly #limits: BlockLimits;
  /** Limits of the device as they are whenever somebody looks: they may change while it is open. */
  readonly #limitsNow: BlockLimits = liveLimits(this.device);
  readonly #clock: Pick<Clock, "defer">;

  constructor(device: BlockDevice, options: SplittingOptions) {
    super(device);
    this.#clock = options.clock;
    this.#limits = {
      transferBlocksMax: options.transferBlocksMax ?? TRANSFER_BYTES_MAX / device.blockBytes,
      boundaryBlocks: 0,
      inflightMax: options.inflightMax ?? 1024,
    };
  }

  override get limits(): BlockLimits {
    return this.#limits;
  }

  openChannel(): BlockChannel {
    return new SplitChannel(this.device.openChannel(), this.#limitsNow, this, this.#clock);
  }
}

const liveLimits = (device: BlockDevice): BlockLimits => ({
  get transferBlocksMax() {
    return device.limits.transferBlocksMax;
  },
  get boundaryBlocks() {
    return device.limits.boundaryBlocks;
  },
  get inflightMax() {
    return device.limits.inflightMax;
  },
});

/** A request as its user submitted it, and what became of its pieces. Reused. */
interface Whole {
  request: BlockRequest | undefined;
  settle: BlockSettle | undefined;
  /** Where the next piece begins, blocks from the start. */
  nextBlock: number;
  /** Blocks that are not submitted and still shall be; 1 for a flush that is not. */
  leftBlocks: number;
  /** Pieces in flight. */
  pieces: number;
  /** Pieces that succeeded or were tried: something may have changed. */
  triedPieces: number;
  error: NvmeofError | undefined;
  anyUnknown: boolean;
}

/** A piece in flight. Reused: its settle is made once. */
class Piece {
  /** What it is a piece of; undefined for a request that is one piece. */
  whole: Whole | undefined;
  /** Of a request that is one piece. */
  alone: BlockSettle | undefined;
  readonly request: BlockRequest = { op: 0, lba: 0, blockCount: 0, data: undefined, fua: false };
  readonly settle: BlockSettle;

  constructor(settled: (piece: Piece, error: NvmeofError | undefined) => void) {
    this.settle = (error) => settled(this, error);
  }
}

/** A channel that splits, in front of one that must be split for. Closes that one at its end. */
export class SplitChannel implements BlockChannel {
  readonly #channel: BlockChannel;
  readonly #limits: BlockLimits;
  readonly #target: RequestTarget;
  /** Limits that requests are held to before they are split. */
  readonly #most: BlockLimits;
  readonly #refusals: SettleQueue;
  readonly #pieceSettled = (piece: Piece, error: NvmeofError | undefined): void =>
    this.#settled(piece, error);
  /** Requests with pieces left to submit, oldest first. Only the first has some in flight. */
  readonly #waiting: Whole[] = [];
  readonly #idleWholes: Whole[] = [];
  readonly #idlePieces: Piece[] = [];
  #piecesInflight = 0;
  #inflight = 0;
  #closed: string | undefined;

  /**
   * `limits` are those of `channel`, looked at for each piece; `target` says what a request may be before it is split, and
   * `clock` settles what is refused because it may not.
   */
  constructor(
    channel: BlockChannel,
    limits: BlockLimits,
    target: RequestTarget,
    clock: Pick<Clock, "defer">,
  ) {
    this.#channel = channel;
    this.#limits = limits;
    this.#target = target;
    this.#most = target.limits;
    this.#refusals = new SettleQueue(clock, () => this.#release());
  }

  get inflight(): number {
    return this.#inflight;
  }

  submit(request: BlockRequest, settle: BlockSettle): void {
    if (this.#goesAlone(request)) {
      this.#inflight++;
      this.#piecesInflight++;
      const piece = this.#idlePieces.pop() ?? new Piece(this.#pieceSettled);
      piece.alone = settle;
      this.#channel.submit(request, piece.settle);
      return;
    }
    const refused = checkRequest(request, this.#target, this.#inflight, this.#closed);
    this.#inflight++;
    if (refused !== undefined) return this.#refusals.add(settle, refused);
    const whole = this.#idleWholes.pop() ?? newWhole();
    whole.request = request;
    whole.settle = settle;
    whole.nextBlock = 0;
    whole.leftBlocks = movesData(request.op) ? request.blockCount : 1;
    this.#waiting.push(whole);
    this.#submitPieces();
  }

  /**
   * Most requests need no splitting, and find nobody before them: they go on as they are, and are
   * checked where they come to.
   */
  #goesAlone({ op, lba, blockCount }: BlockRequest): boolean {
    const limits = this.#limits;
    const most = this.#most;
    if (this.#closed !== undefined || this.#inflight >= most.inflightMax) return false;
    if (this.#waiting.length > 0 || this.#piecesInflight >= limits.inflightMax) return false;
    if (!movesData(op)) return true;
    return (
      blockCount <= most.transferBlocksMax &&
      firstPieceBlocks(lba, blockCount, limits) === blockCount
    );
  }

  close(): void {
    if (this.#closed !== undefined) return;
    this.#closed = CHANNEL_CLOSED;
    if (this.#inflight === 0) this.#channel.close();
  }

  /** Submits pieces in order while there is room. Never re-entered: `submit` below does not settle. */
  #submitPieces(): void {
    while (this.#piecesInflight < this.#limits.inflightMax) {
      const whole = this.#waiting[0];
      if (whole === undefined) return;
      this.#submitPiece(whole);
      if (whole.leftBlocks === 0) this.#waiting.shift();
    }
  }

  #submitPiece(whole: Whole): void {
    const request = whole.request!;
    const piece = this.#idlePieces.pop() ?? new Piece(this.#pieceSettled);
    piece.whole = whole;
    whole.pieces++;
    this.#piecesInflight++;
    const lba = request.lba + whole.nextBlock;
    const count = movesData(request.op)
      ? firstPieceBlocks(lba, whole.leftBlocks, this.#limits)
      : whole.leftBlocks;
    whole.leftBlocks -= count;
    // Whole after all: it had to wait for room.
    if (whole.nextBlock === 0 && whole.leftBlocks === 0) {
      return this.#channel.submit(request, piece.settle);
    }
    const { blockBytes } = this.#target;
    const from = whole.nextBlock * blockBytes;
    whole.nextBlock += count;
    piece.request.op = request.op;
    piece.request.lba = lba;
    piece.request.blockCount = count;
    piece.request.data = request.data!.subarray(from, from + count * blockBytes);
    piece.request.fua = request.fua === true;
    this.#channel.submit(piece.request, piece.settle);
  }

  #settled(piece: Piece, error: NvmeofError | undefined): void {
    const { whole, alone } = piece;
    piece.whole = undefined;
    piece.alone = undefined;
    piece.request.data = undefined;
    this.#idlePieces.push(piece);
    this.#piecesInflight--;
    if (whole === undefined) {
      this.#release();
      try {
        alone!(error);
      } finally {
        if (this.#waiting.length > 0) this.#submitPieces();
      }
      return;
    }
    whole.pieces--;
    if (error?.outcome !== "not-sent") whole.triedPieces++;
    if (error?.outcome === "unknown") whole.anyUnknown = true;
    if (error !== undefined && whole.error === undefined) {
      whole.error = error;
      this.#giveUpRest(whole);
    }
    try {
      if (whole.pieces === 0 && whole.leftBlocks === 0) this.#settle(whole);
    } finally {
      this.#submitPieces();
    }
  }

  /** The rest of a request that failed is not submitted. Only the first that waits can have one. */
  #giveUpRest(whole: Whole): void {
    if (whole.leftBlocks === 0) return;
    whole.leftBlocks = 0;
    this.#waiting.shift();
  }

  #settle(whole: Whole): void {
    const settle = whole.settle!;
    const error = errorOf(whole);
    whole.request = undefined;
    whole.settle = undefined;
    whole.triedPieces = 0;
    whole.error = undefined;
    whole.anyUnknown = false;
    this.#idleWholes.push(whole);
    this.#release();
    settle(error);
  }

  #release(): void {
    this.#inflight--;
    if (this.#inflight === 0 && this.#closed !== undefined) this.#channel.close();
  }
}

const newWhole = (): Whole => ({
  request: undefined,
  settle: undefined,
  nextBlock: 0,
  leftBlocks: 0,
  pieces: 0,
  triedPieces: 0,
  error: undefined,
  anyUnknown: false,
});

/**
 * The first error of a request's pieces, with an outcome that is true for all of them: `unknown` if
 * one of them is, and `not-sent` only if no piece changed anything.
 */
function errorOf(whole: Whole): NvmeofError | undefined {
  const { error } = whole;
  if (error === undefined) return undefined;
  let { outcome } = error;
  if (outcome === "not-sent" && whole.triedPieces > 0 && changesBlocks(whole.request!.op)) {
    outcome = "failed";
  }
  if (whole.anyUnknown) outcome = "unknown";
  if (outcome === error.outcome) return error;
  return new NvmeofError(error.code, error.message, {
    hint: error.hint,
    phase: error.phase,
    status: error.status,
    outcome,
    cause: error,
  });
}
