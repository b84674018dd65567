// One slot of an I/O queue: the command in it, and the request that its device is given for it.
// Read first: NVM Command Set 1.0 §3 "I/O Commands"; io.ts moves the slot through its phases.

import { BlockOp, type BlockRequest, type BlockSettle } from "@nvmeof/bdev";
import { DsmCommand, DsmRange, NvmOpcode, RwCommand, Status, viewOf } from "@nvmeof/codec";
import type { DataSource } from "@nvmeof/transport";
import type { Loan } from "./buffer-pool.ts";
import type { CopyPlan } from "./copy-plan.ts";
import { final } from "./errors.ts";
import { isRare, prepareRare } from "./io-rare.ts";
import type { Seat } from "./seat.ts";

/** Where a command is. Integers: they are compared several times for every command. */
export const IoPhase = {
  Idle: 0,
  /** There was no buffer for it: it begins anew when there is one. */
  NoBuffer: 1,
  /** Its data is on its way from the host. */
  Fetching: 2,
  /** It has all it needs, but its device has as much to do as it takes. */
  NoRoom: 3,
  /** Its device has it. */
  Backend: 4,
  /** It is done when commands of others are: a preempt and abort. */
  Waiting: 5,
  /** It copies, and there is no buffer for what it carries. */
  NoCopyBuffer: 6,
} as const;
export type IoPhase = (typeof IoPhase)[keyof typeof IoPhase];

/** {@link IoCommand.prepare}: there is nothing to do, and that is success. */
export const NOTHING_TO_DO = -1;

const invalidField = final(Status.InvalidField);
const invalidOpcode = final(Status.InvalidOpcode);
const dataLengthInvalid = final(Status.SglDataLengthInvalid);
const outOfRange = final(Status.LbaOutOfRange);
const writeProtected = final(Status.NamespaceWriteProtected);

/** PRACT, the highest of the four bits of PRINFO: there is no metadata that it could be done with. */
const PRACT = 8;

/** What zeroes are written from, where a device cannot write them by itself. Never changed. */
const ZEROES = new Uint8Array(64 * 1024);

/** Ranges of one Dataset Management command. */
const RANGES_MAX = 256;

/** A slot. Made once for a queue, with its one callback; nothing is made per command. */
export class IoCommand implements DataSource {
  readonly tag: number;
  readonly settle: BlockSettle;
  readonly request: BlockRequest = {
    op: BlockOp.Read,
    lba: 0,
    blockCount: 0,
    data: undefined,
    fua: false,
  };
  phase: IoPhase = IoPhase.Idle;
  seat: Seat | undefined;
  op: BlockOp = BlockOp.Read;
  /** Bytes between host and controller; 0 for none. */
  dataBytes = 0;
  toController = false;
  /** The data, or where it will be; `ranges` of Dataset Management likewise. */
  data: Uint8Array | undefined;
  loan: Loan | undefined;
  fua = false;
  /** Opcode of a command of io-rare.ts; 0 for all others. */
  rare = 0;
  /** The requests of Copy; undefined for all other commands. */
  plan: CopyPlan | undefined;
  /** The range under way, and how much of it is done. */
  #lba = 0;
  #blockCount = 0;
  #doneBlocks = 0;
  /** Device and host agree on data: Read, Write, Compare. */
  #moves = false;
  #zeroes = false;
  #ranges = 0;
  #nextRange = 0;

  constructor(
    tag: number,
    settled: (command: IoCommand, ...result: Parameters<BlockSettle>) => void,
  ) {
    this.tag = tag;
    this.settle = (error) => settled(this, error);
  }

  /**
   * Reads and checks a command. Returns the status to refuse it with, {@link NOTHING_TO_DO}, or 0.
   *
   * @param transferBytes length of its data, as its SGL says.
   */
  prepare(sqe: DataView, opcode: number, transferBytes: number, transferBytesMax: number): number {
    const { namespace } = this.seat!;
    const { features } = namespace.device;
    this.#zeroes = false;
    this.#ranges = 0;
    this.rare = 0;
    switch (opcode) {
      case NvmOpcode.Read:
        return this.#transfer(sqe, BlockOp.Read, transferBytes, transferBytesMax);
      case NvmOpcode.Write:
        if (namespace.readOnly) return writeProtected;
        return this.#transfer(sqe, BlockOp.Write, transferBytes, transferBytesMax);
      case NvmOpcode.Compare:
        if (!features.compare) return invalidOpcode;
        if (transferBytes === 0) return invalidField;
        return this.#transfer(sqe, BlockOp.Compare, transferBytes, transferBytesMax);
      case NvmOpcode.Flush:
        this.#dataless(BlockOp.Flush, 0, 0);
        return features.volatileCache ? 0 : NOTHING_TO_DO;
      case NvmOpcode.WriteZeroes:
        if (namespace.readOnly) return writeProtected;
        return this.#writeZeroes(sqe, features.writeZeroes);
      case NvmOpcode.Verify:
        return features.verify ? this.#range(sqe, BlockOp.Verify) : invalidOpcode;
      case NvmOpcode.DatasetManagement:
        return this.#datasetManagement(sqe, transferBytes);
      default:
        return isRare(opcode) ? this.#rare(sqe, opcode, transferBytes) : invalidOpcode;
    }
  }

  /** Whether it reads blocks that are at hand: then {@link fill} is all there is to do. */
  get readsAtHand(): boolean {
    return this.op === BlockOp.Read && this.seat!.atHand?.has(this.#lba, this.#blockCount) === true;
  }

  fill(into: Uint8Array, at: number): void {
    this.seat!.atHand!.read(this.#lba, this.#blockCount, into, at);
  }

  /** Writes the blocks of a Write from byte `at` of `from`. Returns false where its device has to. */
  writeAtHand(from: Uint8Array, at: number): boolean {
    return (
      this.op === BlockOp.Write &&
      this.seat!.atHand?.write(this.#lba, this.#blockCount, from, at) === true
    );
  }

  /** Its data has arrived. Returns as {@link prepare} does. */
  dataArrived(): number {
    return this.#ranges === 0 ? 0 : this.#checkRanges();
  }

  /** Fills `request` with what the device is to do next. */
  fillRequest(): void {
    const { request } = this;
    if (this.plan !== undefined) return this.plan.fill(request);
    const count = this.#moves ? this.#pieceBlocks() : this.#blockCount;
    request.op = this.op;
    request.lba = this.#lba + this.#doneBlocks;
    request.blockCount = count;
    request.fua = this.fua;
    request.data = this.#moves ? this.#pieceData(count) : undefined;
  }

  /** What `request` asked for is done. Returns whether there is more to do. */
  advance(): boolean {
    if (this.plan !== undefined) return this.plan.advance(this.request);
    this.#doneBlocks += this.request.blockCount;
    return this.#doneBlocks < this.#blockCount || this.#takeRange();
  }

  /** Forgets the command and gives its loan to the caller. */
  clear(): Loan | undefined {
    const { loan } = this;
    this.phase = IoPhase.Idle;
    this.loan = undefined;
    this.data = undefined;
    this.request.data = undefined;
    this.plan = undefined;
    return loan;
  }

  #transfer(sqe: DataView, op: BlockOp, transferBytes: number, transferBytesMax: number): number {
    const status = this.#range(sqe, op);
    if (status !== 0 && status !== outOfRange) return status;
    const bytes = this.#blockCount * this.seat!.namespace.blockBytes;
    // Both before anything is allocated: the lengths are the host's word.
    if (bytes > transferBytesMax) return invalidField;
    if (bytes !== transferBytes) return dataLengthInvalid;
    this.dataBytes = bytes;
    this.toController = op !== BlockOp.Read;
    this.#moves = true;
    return status;
  }

  #rare(sqe: DataView, opcode: number, transferBytes: number): number {
    // No operation that is counted: what they do to blocks is not the host's data.
    this.#dataless(BlockOp.Verify, 0, 0);
    const { status, dataBytes } = prepareRare(sqe, opcode, transferBytes, this.seat!.namespace);
    this.rare = opcode;
    this.dataBytes = dataBytes;
    this.toController = true;
    return status;
  }

  #dataless(op: BlockOp, lba: number, blockCount: number): void {
    this.op = op;
    this.#lba = lba;
    this.#blockCount = blockCount;
    this.#doneBlocks = 0;
    this.dataBytes = 0;
    this.#moves = false;
    this.fua = false;
  }

  /** SLBA, NLB and the flags, which all commands with a range have at the same place. */
  #range(sqe: DataView, op: BlockOp): number {
    this.#dataless(op, RwCommand.slba.get(sqe), RwCommand.nlb.get(sqe));
    this.fua = RwCommand.fua.get(sqe) === 1;
    const metadata = sqe.getUint32(16) | sqe.getUint32(20);
    if (metadata !== 0 || (RwCommand.prinfo.get(sqe) & PRACT) !== 0) return invalidField;
    // An LBA beyond 2^53 has lost low bits, but not so many that it came into range.
    return this.#lba + this.#blockCount > this.seat!.namespace.blockCount ? outOfRange : 0;
  }

  #writeZeroes(sqe: DataView, supported: boolean): number {
    const status = this.#range(sqe, supported ? BlockOp.WriteZeroes : BlockOp.Write);
    this.#zeroes = !supported;
    this.#moves = !supported;
    return status;
  }

  #datasetManagement(sqe: DataView, transferBytes: number): number {
    const { namespace } = this.seat!;
    const ranges = DsmCommand.nr.get(sqe);
    this.#dataless(BlockOp.Deallocate, 0, 0);
    // Hosts may give room for more ranges than they fill.
    if (transferBytes < ranges * DsmRange.size) return invalidField;
    if (transferBytes > RANGES_MAX * DsmRange.size) return dataLengthInvalid;
    // All the rest are hints that we make no use of.
    if (DsmCommand.ad.get(sqe) === 0) return NOTHING_TO_DO;
    if (namespace.readOnly) return writeProtected;
    if (!namespace.device.features.deallocate) return NOTHING_TO_DO;
    this.dataBytes = transferBytes;
    this.toController = true;
    this.#ranges = ranges;
    this.#nextRange = 0;
    return 0;
  }

  /** All ranges before the first is done: half a command is not done. */
  #checkRanges(): number {
    const view = viewOf(this.data!);
    const { blockCount } = this.seat!.namespace;
    for (let i = 0; i < this.#ranges; i++) {
      const at = i * DsmRange.size;
      if (DsmRange.slba.get(view, at) + DsmRange.nlb.get(view, at) > blockCount) return outOfRange;
    }
    return this.#takeRange() ? 0 : NOTHING_TO_DO;
  }

  #takeRange(): boolean {
    while (this.#nextRange < this.#ranges) {
      const view = viewOf(this.data!);
      const at = this.#nextRange * DsmRange.size;
      this.#nextRange++;
      this.#lba = DsmRange.slba.get(view, at);
      this.#blockCount = DsmRange.nlb.get(view, at);
      this.#doneBlocks = 0;
      if (this.#blockCount > 0) return true;
    }
    return false;
  }

  /** As many blocks as the device takes at once. */
  #pieceBlocks(): number {
    const { namespace } = this.seat!;
    const { boundaryBlocks } = namespace;
    let count = Math.min(this.#blockCount - this.#doneBlocks, namespace.transferBlocksMax);
    if (this.#zeroes) count = Math.min(count, ZEROES.length / namespace.blockBytes);
    if (boundaryBlocks > 0) {
      const lba = this.#lba + this.#doneBlocks;
      count = Math.min(count, boundaryBlocks - (lba % boundaryBlocks));
    }
    return count;
  }

  #pieceData(count: number): Uint8Array {
    const { blockBytes } = this.seat!.namespace;
    if (this.#zeroes) return ZEROES.subarray(0, count * blockBytes);
    if (count === this.#blockCount) return this.data!;
    const from = this.#doneBlocks * blockBytes;
    return this.data!.subarray(from, from + count * blockBytes);
  }
}
