// The controller's end of an NVMe/TCP connection: capsules in, R2T and data, completions out.
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer", §3.6.2 "PDU Definitions"; the rules that a host's
// PDUs must obey are in controller-rules.ts.

import {
  CAPSULE_OFFSET,
  Cqe,
  DataPdu,
  Fes,
  type NvmeofError,
  OPC_FABRICS,
  PduFlag,
  PduType,
  ProtocolError,
  R2t,
  Sqe,
  Status,
  crc32c,
  cqeStatus,
} from "@nvmeof/codec";
import { NO_DATA, NO_REGION, Region } from "../copy.ts";
import { TransportError } from "../errors.ts";
import type { ControllerEvents, DataSource } from "../queue-link.ts";
import { ControllerSlot } from "./controller-slot.ts";
import { checkH2CData, dataPointerStatus, strayH2CData } from "./controller-rules.ts";
import { type Agreement, type SessionOptions, readIcReq, sendIcResp } from "./initialize.ts";
import { COPY_BYTES_MAX } from "./send-queue.ts";
import { Session } from "./session.ts";

/** What a controller session is made of. */
export interface ControllerSessionOptions extends SessionOptions {
  /** MAXH2CDATA that the host is told: most bytes of data in one H2CData. */
  readonly h2cDataBytesMax: number;
  /** In-capsule bytes taken before Connect says which queue this is. */
  readonly inCapsuleBytes: number;
  /** Time that a host has to answer an R2T with all its data, ms. Default 30 s. */
  readonly r2tTimeoutMs?: number;
}

const R2T_TIMEOUT_MS = 30_000;
/** Beyond this many bytes staged, read data is no more written where it goes: it takes a buffer. */
const STAGED_BYTES_MAX = 1024 * 1024;

/** The controller's end of one NVMe/TCP connection: bytes in, commands out, and back. Knows no platform. */
export class ControllerSession extends Session {
  readonly #events: ControllerEvents;
  readonly #controller: ControllerSessionOptions;
  #slots: ControllerSlot[] = [];
  readonly #idle: number[] = [];
  #flowControl = true;
  #sqhd = 0;
  #inCapsuleBytes: number;
  /** CIDs in use, a bit each: a duplicate must not disturb the command that it names. */
  readonly #cidsInUse = new Uint8Array(8192);
  /** Slot whose data is arriving, in a capsule or in H2CData. */
  #arriving: ControllerSlot | undefined;
  #arrivingTag = 0;
  /** Commands with an R2T out, so that a look at the deadlines costs nothing when there are none. */
  #fetching = 0;

  constructor(options: ControllerSessionOptions, events: ControllerEvents, initializeByMs: number) {
    super(
      false,
      options,
      Math.max(options.h2cDataBytesMax, options.inCapsuleBytes),
      initializeByMs,
    );
    this.reader.context.alignment = (options.pda + 1) * 4;
    this.#controller = options;
    this.#events = events;
    this.#inCapsuleBytes = options.inCapsuleBytes;
    // Only Connect may come until `configure`, but a host may well send it twice.
    this.#grow(2);
  }

  /** See `ControllerLink.configure`. */
  configure(slots: number, flowControl: boolean, inCapsuleBytes: number): void {
    this.#grow(slots);
    this.#flowControl = flowControl;
    this.#inCapsuleBytes = inCapsuleBytes;
    const { context } = this.reader;
    context.dataBytesMax = Math.max(context.dataBytesMax, inCapsuleBytes);
  }

  slot(tag: number): ControllerSlot {
    return this.#slots[tag]!;
  }

  /** See `ControllerLink.fetch`. */
  fetch(tag: number, buffer: Uint8Array, nowMs: number): void {
    if (this.ended) return;
    const slot = this.#slots[tag]!;
    const bytes = Math.min(buffer.length, slot.transferBytes);
    if (bytes === 0) throw new RangeError("there is nothing to fetch");
    slot.fetchBytes = bytes;
    if (slot.region.bytes !== buffer) slot.region = new Region(buffer);
    slot.fetching = true;
    this.#fetching++;
    slot.movedBytes = 0;
    slot.corrupt = false;
    slot.fetchByMs = nowMs + (this.#controller.r2tTimeoutMs ?? R2T_TIMEOUT_MS);
    const digest = this.agreement!.headerDigest ? 4 : 0;
    const base = this.out.reserve(R2t.size + digest);
    const { view } = this.out;
    this.writeHeader(view, base, PduType.R2T, 0, R2t.size, 0);
    R2t.cccid.set(view, base, slot.cid);
    // Tags begin at 1: a host that leaves the field zero is found out.
    R2t.ttag.set(view, base, tag + 1);
    R2t.r2to.set(view, base, 0);
    R2t.r2tl.set(view, base, bytes);
    view.setUint32(base + 20, 0);
    if (digest > 0) view.setInt32(base + R2t.size, crc32c(view, base, base + R2t.size), true);
  }

  /** See `ControllerLink.respond`. */
  respond(tag: number, status: number, dw0: number, dw1: number, data = NO_DATA): void {
    if (this.ended) return;
    const slot = this.#slots[tag]!;
    if (slot.fetching) {
      this.#answerLater(slot, { status, dw0, dw1 });
      return;
    }
    const plain = status === 0 && dw0 === 0 && dw1 === 0;
    // SUCCESS saves the response capsule, where the host does not need its SQ head pointer.
    const success = plain && data.length > 0 && !this.#flowControl;
    if (data.length > 0) this.#c2hData(slot.cid, data, success);
    this.#advance();
    if (!success) this.#capsuleResp(slot.cid, status, dw0, dw1);
    this.#free(tag, slot);
  }

  /** See `ControllerLink.respondFrom`. */
  respondFrom(tag: number, bytes: number, source: DataSource): boolean {
    const slot = this.#slots[tag]!;
    // What answers at once is bounded by what it has staged and not by the commands it holds.
    if (this.ended || slot.fetching || bytes > COPY_BYTES_MAX) return false;
    if (this.out.queuedBytes > STAGED_BYTES_MAX) return false;
    const success = !this.#flowControl;
    this.#c2hHeader(slot.cid, bytes, success);
    const base = this.out.reserve(bytes);
    source.fill(this.out.bytes, base);
    if (this.agreement!.dataDigest) this.out.appendDigest(bytes);
    this.#advance();
    if (!success) this.#capsuleResp(slot.cid, 0, 0, 0);
    this.#free(tag, slot);
    return true;
  }

  /** In-capsule data gets a place of its own, if it has none yet. */
  keepCapsule(slot: ControllerSlot): void {
    const { arrivedIn, arrivedAt, capsuleBytes } = slot;
    if (arrivedIn === undefined) return;
    slot.arrivedIn = undefined;
    slot.capsule.copy(0, arrivedIn, arrivedAt, arrivedAt + capsuleBytes);
  }

  override deadlineMs(): number {
    let deadline = super.deadlineMs();
    if (this.#fetching === 0 || this.ended) return deadline;
    for (const slot of this.#slots)
      if (slot.fetching) deadline = Math.min(deadline, slot.fetchByMs);
    return deadline;
  }

  override tick(nowMs: number): void {
    if (this.#slots.some((slot) => slot.fetching && slot.fetchByMs <= nowMs)) {
      const message = "the host did not answer an R2T in time";
      this.fail(new TransportError("receive-timeout", message, { limit: "r2tTimeoutMs" }));
      return;
    }
    super.tick(nowMs);
  }

  override postpone(ms: number): void {
    super.postpone(ms);
    for (const slot of this.#slots) slot.fetchByMs += ms;
  }

  protected initialize(type: number, view: DataView, base: number): Agreement {
    if (type !== PduType.ICReq) throw this.unexpected(type);
    const max = this.#controller.h2cDataBytesMax;
    const agreement = readIcReq(view, base, this.options, max);
    sendIcResp(this.out, agreement, this.options.pda);
    return agreement;
  }

  protected opened(): void {
    this.#events.opened();
  }

  protected failed(error: NvmeofError): void {
    this.#events.lost(error);
  }

  protected running(type: number, view: DataView, base: number, dataBytes: number): void {
    if (type === PduType.CapsuleCmd) this.#capsuleCmd(view, base + CAPSULE_OFFSET, dataBytes);
    else if (type === PduType.H2CData) this.#h2cData(view, base, dataBytes);
    else throw this.unexpected(type);
  }

  protected placed(intact: boolean): void {
    const slot = this.#arriving;
    this.#arriving = undefined;
    if (slot === undefined) return;
    const tag = this.#arrivingTag;
    if (!slot.fetching) {
      slot.arrivedIn = this.reader.lent;
      slot.arrivedAt = this.reader.lentAt;
      this.#accept(tag, slot, intact ? 0 : Status.TransientTransport);
      // Whoever has not used it by now wants it later, when what was received is something else.
      if (slot.outstanding) this.keepCapsule(slot);
      slot.arrivedIn = undefined;
      return;
    }
    if (!intact) slot.corrupt = true;
    if (slot.movedBytes < slot.fetchBytes) return;
    slot.fetching = false;
    slot.fetchByMs = Infinity;
    this.#fetching--;
    const { answer } = slot;
    if (answer === undefined) {
      this.#events.fetched(tag, slot.corrupt ? Status.TransientTransport : 0);
      return;
    }
    slot.answer = undefined;
    this.respond(tag, answer.status, answer.dw0, answer.dw1);
  }

  /**
   * A host sends all that an R2T asked for, also where the command has failed meanwhile: its answer
   * follows the data, which is dropped, and until then the R2T's tag means nothing else.
   */
  #answerLater(slot: ControllerSlot, answer: NonNullable<ControllerSlot["answer"]>): void {
    slot.answer ??= answer;
    this.reader.unplace(slot.region);
    slot.region = NO_REGION;
  }

  #capsuleCmd(view: DataView, base: number, dataBytes: number): void {
    const max = this.#capsuleBytesMax(view, base);
    if (dataBytes > max) {
      const limit = `the limit is ${max}`;
      const message = `${dataBytes} bytes in the capsule, ${limit}`;
      throw new ProtocolError(Fes.LimitExceeded, 0, message, { limit: "inCapsuleBytes" });
    }
    const tag = this.#idle.pop();
    if (tag === undefined) {
      throw new ProtocolError(Fes.SequenceError, 0, `more than ${this.#slots.length} commands`);
    }
    const slot = this.#slots[tag]!;
    slot.outstanding = true;
    const { sqe } = slot;
    for (let at = 0; at < Sqe.size; at += 4) sqe.setInt32(at, view.getInt32(base + at, true), true);
    slot.cid = Sqe.cid.get(slot.sqe);
    slot.transferBytes = Sqe.sglLength.get(slot.sqe);
    slot.capsuleBytes = dataBytes;
    if (dataBytes === 0) {
      this.#accept(tag, slot, 0);
      return;
    }
    if (slot.capsule.bytes.length < dataBytes) {
      slot.capsule = new Region(new Uint8Array(max));
      slot.capsuleData = NO_DATA;
    }
    this.reader.lendOrPlace(slot.capsule);
    this.#arriving = slot;
    this.#arrivingTag = tag;
  }

  /** Fabrics commands may carry what the admin queue may, whatever the queue was configured to. */
  #capsuleBytesMax(view: DataView, base: number): number {
    const isFabrics = Sqe.opc.get(view, base) === OPC_FABRICS;
    const max = this.#inCapsuleBytes;
    return isFabrics ? Math.max(max, this.#controller.inCapsuleBytes) : max;
  }

  /** A whole capsule is here: refused if the transport finds it wanting, else given on. */
  #accept(tag: number, slot: ControllerSlot, status: number): void {
    const inUse = (this.#cidsInUse[slot.cid >> 3]! >> (slot.cid & 7)) & 1;
    if (inUse === 1) {
      this.#refuse(tag, slot, Status.CommandIdConflict);
      return;
    }
    this.#cidsInUse[slot.cid >> 3]! |= 1 << (slot.cid & 7);
    const refusal = status || dataPointerStatus(slot.sqe, slot.capsuleBytes);
    if (refusal !== 0) this.respond(tag, refusal, 0, 0);
    else this.#events.command(tag);
  }

  /** Answers a command whose CID is another's: that one's bit must stay. */
  #refuse(tag: number, slot: ControllerSlot, status: number): void {
    this.#advance();
    this.#capsuleResp(slot.cid, status, 0, 0);
    slot.outstanding = false;
    this.#idle.push(tag);
  }

  #h2cData(view: DataView, base: number, dataBytes: number): void {
    const tag = DataPdu.ttag.get(view, base) - 1;
    const slot = this.#slots[tag];
    if (slot === undefined || !slot.fetching) {
      throw strayH2CData(this.#slots, this.#fetching, view, base);
    }
    if (dataBytes > this.#controller.h2cDataBytesMax) {
      const message = `H2CData: ${dataBytes} bytes, over MAXH2CDATA`;
      throw new ProtocolError(Fes.LimitExceeded, 0, message, { limit: "h2cDataBytesMax" });
    }
    checkH2CData(slot, view, base, dataBytes);
    if (slot.answer === undefined) this.reader.place(slot.region, slot.movedBytes);
    slot.movedBytes += dataBytes;
    this.#arriving = slot;
    this.#arrivingTag = tag;
  }

  #c2hData(cid: number, data: Uint8Array, success: boolean): void {
    this.#c2hHeader(cid, data.length, success);
    if (this.agreement!.dataDigest) this.out.appendDigested(data);
    else this.out.append(data);
  }

  #c2hHeader(cid: number, dataBytes: number, success: boolean): void {
    const { headerDigest, sendAlignment } = this.agreement!;
    const headerEnd = DataPdu.size + (headerDigest ? 4 : 0);
    const dataAt = Math.ceil(headerEnd / sendAlignment) * sendAlignment;
    const base = this.out.reserve(dataAt);
    const { view } = this.out;
    const flags = PduFlag.Last | (success ? PduFlag.Success : 0);
    this.writeHeader(view, base, PduType.C2HData, flags, DataPdu.size, dataBytes);
    DataPdu.cccid.set(view, base, cid);
    DataPdu.ttag.set(view, base, 0);
    DataPdu.datao.set(view, base, 0);
    DataPdu.datal.set(view, base, dataBytes);
    view.setUint32(base + 20, 0);
    if (headerDigest) view.setInt32(base + 24, crc32c(view, base, base + DataPdu.size), true);
    for (let at = headerEnd; at < dataAt; at++) view.setUint8(base + at, 0);
  }

  #capsuleResp(cid: number, status: number, dw0: number, dw1: number): void {
    const digest = this.agreement!.headerDigest ? 4 : 0;
    const base = this.out.reserve(24 + digest);
    const { view } = this.out;
    this.writeHeader(view, base, PduType.CapsuleResp, 0, 24, 0);
    const at = base + CAPSULE_OFFSET;
    Cqe.dw0.set(view, at, dw0);
    Cqe.dw1.set(view, at, dw1);
    Cqe.sqhd.set(view, at, this.#flowControl ? this.#sqhd : 0xffff);
    Cqe.sqid.set(view, at, 0);
    view.setUint16(at + 14, 0, true);
    Cqe.cid.set(view, at, cid);
    cqeStatus.set(view, at, status);
    if (digest > 0) view.setInt32(base + 24, crc32c(view, base, base + 24), true);
  }

  /** The command is answered: its slot and its CID may be used again. */
  #free(tag: number, slot: ControllerSlot): void {
    this.#cidsInUse[slot.cid >> 3]! &= ~(1 << (slot.cid & 7));
    slot.outstanding = false;
    this.#idle.push(tag);
  }

  /** One more entry of the submission queue is free again. */
  #advance(): void {
    this.#sqhd = (this.#sqhd + 1) % this.#slots.length;
  }

  #grow(slots: number): void {
    for (let tag = this.#slots.length; tag < slots; tag++) {
      this.#slots.push(new ControllerSlot());
      this.#idle.push(tag);
    }
  }
}
