// The controller's end of one queue over FC: commands in, data pulled or pushed, responses out.
// Read first: ../queue-link.ts for the contract; ersp.ts; linux-nvme-recovery.md §3.7.

import { type NvmeofError, Sqe, Status } from "@nvmeof/codec";
import { CMD_SQE_OFFSET, CmdIu } from "@nvmeof/codec/fc";
import type { Clock, Timer } from "../clock.ts";
import { NO_DATA } from "../copy.ts";
import type { CloseHow, ControllerEvents, ControllerLink } from "../queue-link.ts";
import { dataPointerStatus } from "../tcp/controller-rules.ts";
import { needsErsp, writeErsp, writeRsp } from "./ersp.ts";
import { FcpOp, FcStatus, type TargetExchange, type TargetPort } from "./port.ts";

/** Most data in one sequence, unless somebody wants it in one piece. */
const SEQUENCE_BYTES_MAX = 256 * 1024;
/** Time for responses under way when the queue is closed in order. */
const LINGER_MS = 5_000;
/** Slots before `configure`: only Connect may come until then, but a host may well send it twice. */
const SLOTS_AT_FIRST = 2;

/** What a link needs of its association. */
export interface LinkOwner {
  readonly port: TargetPort;
  readonly clock: Clock;
  /** The link was closed by its controller, and has sent what was to be sent. */
  linkClosed(link: FcControllerLink): void;
  /** The host broke the rules of the queue. */
  linkBroken(link: FcControllerLink, message: string): void;
}

/** A command, from its arrival to its response. */
class Slot {
  readonly tag: number;
  readonly sqe = new DataView(new ArrayBuffer(Sqe.size));
  phase: "idle" | "open" | "fetching" = "idle";
  exchange!: TargetExchange;
  /** The host, or the port, gave it up: nothing is sent for it any more. */
  exchangeState: "alive" | "aborted" = "alive";
  transferBytes = 0;
  fetchBytes = 0;
  movedBytes = 0;
  buffer: Uint8Array = NO_DATA;
  /** It was answered before its data was here. */
  answer: { readonly status: number; readonly dw0: number; readonly dw1: number } | undefined;

  constructor(tag: number) {
    this.tag = tag;
  }
}

/** A response under way, with the buffer that it reads from. */
interface Reply {
  readonly data: Uint8Array;
  readonly release: ((data: Uint8Array) => void) | undefined;
}

const NO_REPLY: Reply = { data: NO_DATA, release: undefined };

/** `ending`: closed in order, with responses still to be sent. */
type Phase = "opening" | "open" | "ending" | "over";

/** See `ControllerLink`. */
export class FcControllerLink implements ControllerLink {
  readonly remote: string;
  /** FC-NVMe has no data in its command IUs. */
  readonly inCapsuleBytesMax = 0;
  readonly qid: number;
  readonly #owner: LinkOwner;
  readonly #entries: number;
  readonly #erspRatio: number;
  readonly #slots: Slot[] = [];
  readonly #idle: Slot[] = [];
  readonly #replies = new Map<TargetExchange, Reply>();
  #events!: ControllerEvents;
  #phase: Phase = "opening";
  #lingerTimer: Timer | undefined;
  #slotsMax = SLOTS_AT_FIRST;
  #inflight = 0;
  #flowControl = true;
  #sqhd = 0;
  #responses = 0;
  #ersps = 0;

  constructor(owner: LinkOwner, remote: string, qid: number, entries: number, erspRatio: number) {
    this.#owner = owner;
    this.remote = remote;
    this.qid = qid;
    this.#entries = entries;
    this.#erspRatio = erspRatio;
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  /** Whose events they are. `open` follows when the host has been told. */
  serve(events: ControllerEvents): void {
    this.#events = events;
  }

  open(): void {
    if (this.#phase !== "opening") return;
    this.#phase = "open";
    this.#events.opened();
  }

  sqe(tag: number): DataView {
    return this.#slots[tag]!.sqe;
  }

  transferBytes(tag: number): number {
    return this.#slots[tag]!.transferBytes;
  }

  capsuleData(): undefined {
    return undefined;
  }

  configure(slots: number, flowControl: boolean, _inCapsuleBytes: number): void {
    this.#slotsMax = Math.max(this.#slotsMax, slots);
    this.#flowControl = flowControl;
  }

  /** A command of this connection has arrived: whether it is taken. */
  received(exchange: TargetExchange): boolean {
    if (this.#phase !== "open") return false;
    if (this.#inflight === this.#slotsMax) {
      this.#owner.linkBroken(this, `more than ${this.#slotsMax} commands`);
      return false;
    }
    const slot = this.#idle.pop() ?? this.#newSlot();
    this.#inflight++;
    slot.phase = "open";
    slot.exchange = exchange;
    slot.exchangeState = "alive";
    slot.movedBytes = 0;
    exchange.owner = this;
    exchange.tag = slot.tag;
    for (let at = 0; at < Sqe.size; at += 4) {
      slot.sqe.setUint32(at, exchange.command.getUint32(CMD_SQE_OFFSET + at));
    }
    slot.transferBytes = CmdIu.dataLength.get(exchange.command);
    const refusal = this.#refusalOf(slot);
    if (refusal !== 0) this.respond(slot.tag, refusal, 0, 0);
    else this.#events.command(slot.tag);
    return true;
  }

  fetch(tag: number, buffer: Uint8Array): void {
    const slot = this.#slots[tag]!;
    if (this.#phase !== "open" || slot.phase !== "open") return;
    const bytes = Math.min(buffer.length, slot.transferBytes);
    if (bytes === 0) throw new RangeError("there is nothing to fetch");
    slot.phase = "fetching";
    slot.fetchBytes = bytes;
    slot.buffer = buffer;
    slot.movedBytes = 0;
    this.#fetchNext(slot);
  }

  respond(
    tag: number,
    status: number,
    dw0: number,
    dw1: number,
    data: Uint8Array = NO_DATA,
    release?: (data: Uint8Array) => void,
  ): void {
    const slot = this.#slots[tag]!;
    if (this.#phase !== "open" || slot.phase === "idle") {
      if (data !== NO_DATA) release?.(data);
      return;
    }
    if (slot.phase === "fetching") {
      // Its data is dropped from here on; the exchange ends when all of it has come.
      slot.answer ??= { status, dw0, dw1 };
      slot.exchange.data = undefined;
      slot.buffer = NO_DATA;
      return;
    }
    const { exchange } = slot;
    const isAlive = slot.exchangeState === "alive";
    if (isAlive) this.#fillResponse(slot, status, dw0, dw1, data.length);
    this.#freeSlot(slot);
    if (!isAlive) {
      this.#owner.port.release(exchange);
      if (data !== NO_DATA) release?.(data);
      return;
    }
    this.#replies.set(exchange, data.length === 0 ? NO_REPLY : { data, release });
    exchange.op = data.length === 0 ? FcpOp.Response : FcpOp.ReadDataResponse;
    exchange.offset = 0;
    exchange.data = data;
    exchange.dataBytes = data.length;
    this.#owner.port.operate(exchange);
  }

  close(how: CloseHow, lingerMs: number = LINGER_MS): void {
    if (this.#phase === "over") return;
    if (this.#phase === "ending" && how === "orderly") return;
    if (how === "reset" || this.#replies.size === 0) {
      this.#close();
      return;
    }
    // What was answered is sent first, if the way is free within that time.
    this.#phase = "ending";
    this.#dropCommands();
    const { clock } = this.#owner;
    this.#lingerTimer = clock.at(clock.nowMs() + lingerMs, () => this.close("reset"));
  }

  /** The link is lost, with all its commands. Once, if it was not closed. */
  lose(error: NvmeofError): void {
    const phase = this.#phase;
    this.#end();
    if (phase === "open" || phase === "opening") this.#events.lost(error);
  }

  /** The host gave a command up. */
  aborted(exchange: TargetExchange): void {
    const slot = this.#slotOf(exchange);
    if (slot !== undefined) slot.exchangeState = "aborted";
  }

  opDone(exchange: TargetExchange): void {
    const reply = this.#replies.get(exchange);
    if (reply !== undefined) {
      this.#replies.delete(exchange);
      this.#owner.port.release(exchange);
      reply.release?.(reply.data);
      if (this.#phase === "ending" && this.#replies.size === 0) this.#close();
      return;
    }
    const slot = this.#slotOf(exchange);
    if (slot?.phase === "fetching") this.#fetched(slot, exchange.status);
  }

  #fetched(slot: Slot, status: number): void {
    if (status === FcStatus.Success) {
      slot.movedBytes += slot.exchange.dataBytes;
      if (slot.movedBytes < slot.fetchBytes) {
        this.#fetchNext(slot);
        return;
      }
    }
    slot.phase = "open";
    slot.buffer = NO_DATA;
    const { answer } = slot;
    slot.answer = undefined;
    if (answer !== undefined) this.respond(slot.tag, answer.status, answer.dw0, answer.dw1);
    else {
      const isWhole = status === FcStatus.Success;
      this.#events.fetched(slot.tag, isWhole ? Status.Success : Status.TransientTransport);
    }
  }

  #fetchNext(slot: Slot): void {
    const { exchange, movedBytes, buffer } = slot;
    const end = Math.min(movedBytes + SEQUENCE_BYTES_MAX, slot.fetchBytes);
    exchange.op = FcpOp.WriteData;
    exchange.offset = movedBytes;
    exchange.dataBytes = end - movedBytes;
    exchange.data = slot.answer === undefined ? buffer.subarray(movedBytes, end) : undefined;
    this.#owner.port.operate(exchange);
  }

  #refusalOf(slot: Slot): number {
    const cid = Sqe.cid.get(slot.sqe);
    for (const other of this.#slots) {
      if (other === slot || other.phase === "idle") continue;
      if (Sqe.cid.get(other.sqe) === cid) return Status.CommandIdConflict;
    }
    if (Sqe.sglLength.get(slot.sqe) !== slot.transferBytes) return Status.SglDataLengthInvalid;
    return dataPointerStatus(slot.sqe, 0);
  }

  #fillResponse(slot: Slot, status: number, dw0: number, dw1: number, dataBytes: number): void {
    this.#sqhd = (this.#sqhd + 1) % this.#entries;
    this.#responses++;
    const movedBytes = slot.movedBytes + dataBytes;
    const { exchange, sqe, transferBytes } = slot;
    const ersp = needsErsp({
      sqe,
      status,
      dw0,
      dw1,
      transferBytes,
      movedBytes,
      count: this.#responses,
      erspRatio: this.#erspRatio,
      inflight: this.#inflight,
      entries: this.#entries,
    });
    if (!ersp) {
      exchange.responseBytes = writeRsp(exchange.response);
      return;
    }
    exchange.responseBytes = writeErsp(exchange.response, {
      rsn: this.#ersps++ >>> 0,
      movedBytes,
      cid: Sqe.cid.get(sqe),
      sqhd: this.#flowControl ? this.#sqhd : 0xffff,
      status,
      dw0,
      dw1,
    });
  }

  #slotOf(exchange: TargetExchange): Slot | undefined {
    if (exchange.owner !== this) return undefined;
    const slot = this.#slots[exchange.tag];
    return slot?.phase !== "idle" && slot?.exchange === exchange ? slot : undefined;
  }

  #newSlot(): Slot {
    const slot = new Slot(this.#slots.length);
    this.#slots.push(slot);
    return slot;
  }

  #freeSlot(slot: Slot): void {
    slot.phase = "idle";
    slot.buffer = NO_DATA;
    this.#inflight--;
    this.#idle.push(slot);
  }

  #close(): void {
    this.#end();
    this.#owner.linkClosed(this);
  }

  /** Everything of the queue goes back to the port. */
  #end(): void {
    this.#phase = "over";
    this.#lingerTimer?.cancel();
    this.#dropCommands();
    for (const [exchange, { data, release }] of this.#replies) {
      this.#owner.port.abort(exchange);
      this.#owner.port.release(exchange);
      release?.(data);
    }
    this.#replies.clear();
  }

  /** Commands without an answer: their hosts hear of it by an abort. */
  #dropCommands(): void {
    for (const slot of this.#slots) {
      if (slot.phase === "idle") continue;
      this.#freeSlot(slot);
      slot.answer = undefined;
      this.#owner.port.abort(slot.exchange);
      this.#owner.port.release(slot.exchange);
    }
  }
}
