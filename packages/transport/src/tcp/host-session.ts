// The host's end of an NVMe/TCP connection: capsules out, data placed, completions in.
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer", §3.6.2 "PDU Definitions"; the rules that a
// controller's PDUs must obey are in host-rules.ts.

import {
  CAPSULE_OFFSET,
  CRC32C_INITIAL,
  Cqe,
  DataDirection,
  DataPdu,
  type NvmeofError,
  PduFlag,
  PduHeader,
  PduType,
  R2t,
  SglId,
  Status,
  crc32c,
  crc32cFinish,
  cqeStatus,
  setTransfer,
} from "@nvmeof/codec";
import { NO_DATA, NO_REGION, Region } from "../copy.ts";
import type { QueueEvents } from "../queue-link.ts";
import { digestUpdate } from "./data-digest.ts";
import { HostSlot } from "./host-slot.ts";
import { checkC2HData, checkCompletion, checkR2t } from "./host-rules.ts";
import { type Agreement, type SessionOptions, readIcResp, sendIcReq } from "./initialize.ts";
import { Session } from "./session.ts";

/** What a host session is made of. */
export interface HostSessionOptions extends SessionOptions {
  readonly qid: number;
  readonly slots: number;
  /** Most bytes of data in a capsule. */
  readonly inCapsuleBytes: number;
}

/** R2Ts that we let a controller have outstanding for one command. */
const R2T_MAX = 1;

/** With this many bytes queued, no more of what R2Ts asked for is staged: memory stays bounded. */
const SEND_BYTES_MAX = 512 * 1024;

/** Most data that a controller may put into one C2HData. */
const C2H_DATA_BYTES_MAX = 16 * 1024 * 1024;

/** The host's end of one NVMe/TCP connection: commands in, bytes out, and back. Knows no platform. */
export class HostSession extends Session {
  readonly #events: QueueEvents;
  readonly #host: HostSessionOptions;
  /** Made when they are first used: an idle queue has none, and a short load touches few. */
  readonly #slots: (HostSlot | undefined)[];
  /** A CQE of our own, for success without one, and for success that was none. */
  readonly #cqe = new DataView(new ArrayBuffer(Cqe.size));
  /** CIDs with data to send, a ring: each stands in it once at most. */
  readonly #sending: Uint16Array;
  #sendingFirst = 0;
  #sendingCount = 0;
  /** The C2HData under way. */
  #dataCid = 0;
  #dataBytes = 0;
  #dataFlags = 0;

  constructor(options: HostSessionOptions, events: QueueEvents, initializeByMs: number) {
    super(true, options, C2H_DATA_BYTES_MAX, initializeByMs);
    this.reader.context.alignment = (options.pda + 1) * 4;
    this.#host = options;
    this.#events = events;
    this.#slots = Array.from({ length: options.slots }, () => undefined);
    this.#sending = new Uint16Array(options.slots);
  }

  /** Begins the conversation: a host speaks first. */
  start(): void {
    sendIcReq(this.out, this.options, R2T_MAX);
  }

  /** Stages the capsule of a command. See `QueueLink.submit`. */
  submit(cid: number, sqe: Uint8Array, direction: DataDirection, data = NO_DATA): void {
    // Whoever learns of the end later than us has settled the command already, or will.
    if (this.ended) return;
    const slot = (this.#slots[cid] ??= new HostSlot());
    if (slot.outstanding) throw new Error(`CID ${cid} is in use`);
    slot.outstanding = true;
    slot.direction = data.length === 0 ? DataDirection.None : direction;
    slot.transferBytes = data.length;
    if (slot.region.bytes !== data) slot.region = data.length === 0 ? NO_REGION : new Region(data);
    slot.detached = false;
    slot.lastSeen = false;
    slot.corrupt = false;
    const inCapsule =
      slot.direction === DataDirection.ToController && data.length <= this.#host.inCapsuleBytes;
    this.#capsule(cid, sqe, slot, inCapsule);
    slot.sentBytes = slot.movedBytes = inCapsule ? data.length : 0;
  }

  /** See `QueueLink.detach`. */
  detach(cid: number): void {
    const slot = this.#slots[cid];
    if (slot === undefined || !slot.outstanding || slot.detached) return;
    slot.detached = true;
    this.reader.unplace(slot.region);
    const owes =
      slot.direction === DataDirection.ToController && slot.sentBytes < slot.transferBytes;
    slot.region = owes ? new Region(slot.region.bytes.slice()) : NO_REGION;
  }

  protected initialize(type: number, view: DataView, base: number): Agreement {
    if (type !== PduType.ICResp) throw this.unexpected(type);
    return readIcResp(view, base, this.options, R2T_MAX);
  }

  protected opened(): void {
    this.#events.opened();
  }

  protected failed(error: NvmeofError): void {
    this.#events.lost(error);
  }

  protected running(type: number, view: DataView, base: number, dataBytes: number): void {
    if (type === PduType.C2HData) this.#c2hData(view, base, dataBytes);
    else if (type === PduType.CapsuleResp) this.#capsuleResp(view, base + CAPSULE_OFFSET);
    else if (type === PduType.R2T) this.#r2t(view, base);
    else throw this.unexpected(type);
  }

  protected placed(intact: boolean): void {
    const slot = this.#slots[this.#dataCid]!;
    if (!intact) slot.corrupt = true;
    slot.movedBytes += this.#dataBytes;
    if ((this.#dataFlags & PduFlag.Last) !== 0) slot.lastSeen = true;
    if ((this.#dataFlags & PduFlag.Success) === 0) return;
    this.#clearCqe(this.#dataCid);
    this.#complete(this.#dataCid, slot, this.#cqe, 0);
  }

  #c2hData(view: DataView, base: number, dataBytes: number): void {
    const cid = DataPdu.cccid.get(view, base);
    const slot = this.#slots[cid];
    this.#dataFlags = PduHeader.flags.get(view, base);
    checkC2HData(slot, view, base, dataBytes);
    this.#dataCid = cid;
    this.#dataBytes = dataBytes;
    if (!slot.detached) this.reader.place(slot.region, slot.movedBytes);
  }

  #capsuleResp(view: DataView, base: number): void {
    const cid = Cqe.cid.get(view, base);
    const slot = this.#slots[cid];
    checkCompletion(slot, view, base, this.#host.qid);
    this.#complete(cid, slot, view, base);
  }

  /** The one place where a command of this session ends by an answer. */
  #complete(cid: number, slot: HostSlot, view: DataView, base: number): void {
    slot.outstanding = false;
    const short = slot.direction === DataDirection.ToHost && slot.movedBytes < slot.transferBytes;
    if ((slot.corrupt || short) && cqeStatus.get(view, base) === 0) {
      // Success was claimed, but the data is not there: short data is never success.
      this.#clearCqe(cid);
      const status = slot.corrupt ? Status.TransientTransport : Status.DataTransferError;
      cqeStatus.set(this.#cqe, 0, status);
      this.#events.completed(cid, this.#cqe, 0);
      return;
    }
    this.#events.completed(cid, view, base);
  }

  #clearCqe(cid: number): void {
    for (let at = 0; at < Cqe.size; at += 4) this.#cqe.setUint32(at, 0, true);
    Cqe.cid.set(this.#cqe, 0, cid);
    // No SQ head pointer came with the answer: FFFFh says so, as without SQ flow control.
    Cqe.sqhd.set(this.#cqe, 0, 0xffff);
  }

  #capsule(cid: number, sqe: Uint8Array, slot: HostSlot, inCapsule: boolean): void {
    const agreement = this.agreement!;
    const withDigest = agreement.headerDigest ? 4 : 0;
    const base = this.out.reserve(72 + withDigest);
    const { view } = this.out;
    const bytes = slot.transferBytes;
    this.writeHeader(view, base, PduType.CapsuleCmd, 0, 72, inCapsule ? bytes : 0);
    const at = base + CAPSULE_OFFSET;
    this.out.bytes.set(sqe, at);
    setTransfer(view, at, cid, bytes, inCapsule ? SglId.InCapsule : SglId.Transport);
    if (withDigest > 0) view.setInt32(base + 72, crc32c(view, base, base + 72), true);
    if (inCapsule) this.#payload(slot.region, 0, bytes, 72 + withDigest);
  }

  /**
   * Padding after the `headerEnd` bytes of the header, data, and its digest. Data is copied, however
   * large: its owner gets it back when the command ends or is detached, and the peer decides when
   * the stream takes it. By reference, it would send what the owner puts there next.
   */
  #payload(data: Region, start: number, end: number, headerEnd: number): void {
    const { sendAlignment, dataDigest } = this.agreement!;
    const padding = Math.ceil(headerEnd / sendAlignment) * sendAlignment - headerEnd;
    if (padding > 0) {
      const base = this.out.reserve(padding);
      for (let i = 0; i < padding; i++) this.out.view.setUint8(base + i, 0);
    }
    this.out.copy(data.bytes, start, end);
    if (!dataDigest) return;
    const base = this.out.reserve(4);
    const digest = crc32cFinish(digestUpdate(CRC32C_INITIAL, data, start, end));
    this.out.view.setInt32(base, digest, true);
  }

  /** Takes note of what an R2T asks for, and sends what there is room for. */
  #r2t(view: DataView, base: number): void {
    const cid = R2t.cccid.get(view, base);
    const slot = this.#slots[cid];
    checkR2t(slot, view, base);
    slot.ttag = R2t.ttag.get(view, base);
    slot.movedBytes += R2t.r2tl.get(view, base);
    // It may stand there still, from a command of this CID that ended before its data was sent.
    if (!slot.queued) {
      slot.queued = true;
      const end = (this.#sendingFirst + this.#sendingCount) % this.#sending.length;
      this.#sending[end] = cid;
      this.#sendingCount++;
    }
    this.pump();
  }

  /** Sends what R2Ts asked for, in their order; nothing more of a command that has ended. */
  override pump(): void {
    while (this.#sendingCount > 0 && this.out.queuedBytes < SEND_BYTES_MAX) {
      const cid = this.#sending[this.#sendingFirst]!;
      const slot = this.#slots[cid]!;
      if (slot.outstanding && slot.sentBytes < slot.movedBytes) this.#h2cData(cid, slot);
      if (slot.outstanding && slot.sentBytes < slot.movedBytes) continue;
      slot.queued = false;
      this.#sendingFirst = (this.#sendingFirst + 1) % this.#sending.length;
      this.#sendingCount--;
    }
  }

  override get pumps(): boolean {
    return this.#sendingCount > 0;
  }

  /** One H2CData, as large as MAXH2CDATA lets it be. */
  #h2cData(cid: number, slot: HostSlot): void {
    const start = slot.sentBytes;
    const end = Math.min(slot.movedBytes, start + this.agreement!.h2cDataBytesMax);
    slot.sentBytes = end;
    const headerEnd = 24 + (this.agreement!.headerDigest ? 4 : 0);
    const base = this.out.reserve(headerEnd);
    const { view } = this.out;
    const flags = end === slot.movedBytes ? PduFlag.Last : 0;
    this.writeHeader(view, base, PduType.H2CData, flags, 24, end - start);
    DataPdu.cccid.set(view, base, cid);
    DataPdu.ttag.set(view, base, slot.ttag);
    DataPdu.datao.set(view, base, start);
    DataPdu.datal.set(view, base, end - start);
    view.setUint32(base + 20, 0);
    if (headerEnd > 24) view.setInt32(base + 24, crc32c(view, base, base + 24), true);
    this.#payload(slot.region, start, end, headerEnd);
  }
}
