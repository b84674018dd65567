// A queue pair: a link that carries commands, and the table of those in flight on it.
// Read first: command-table.ts; @nvmeof/transport queue-link.ts; Base 2.0 §3.3 "Queue Models".

import {
  AdminOpcode,
  Cqe,
  type DataDirection,
  type NvmeofError,
  Sqe,
  cqeStatus,
  opcodeName,
  viewOf,
} from "@nvmeof/codec";
import type { Clock, CloseHow, QueueEvents, QueueLink, Timer, Transport } from "@nvmeof/transport";
import { type CommandSettle, CommandTable, NO_CID } from "./command-table.ts";
import { AbortedError, NvmeStatusError } from "./errors.ts";

/** What a queue pair is made of. */
export interface QueuePairOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly qid: number;
  /** Entries of the submission queue, as Connect says it; one less may be in flight. */
  readonly entries: number;
  /** Most bytes of data in a capsule. */
  readonly inCapsuleBytes: number;
  /** Time to connect and initialise, ms. */
  readonly connectTimeoutMs: number;
}

/** What a queue pair tells its owner. It detects and reports; it decides nothing. */
export interface QueuePairEvents {
  /** The connection is initialised; Connect can be sent. Once. */
  opened(): void;
  /** The deadline of a command has passed. It stays in flight: the owner decides what follows. */
  expired(qid: number, cid: number): void;
  /** The link is gone; what was in flight has been settled. Once, last; not after `close`. */
  lost(error: NvmeofError): void;
}

/** No deadline. */
export const FOREVER = Infinity;

export class QueuePair implements QueueEvents {
  readonly qid: number;
  /** Most commands in flight. */
  readonly depth: number;
  /** The SQE under construction: filled between `begin` and `submit`. */
  readonly sqe: DataView;
  readonly #sqeBytes: Uint8Array;
  readonly #table: CommandTable;
  readonly #clock: Clock;
  readonly #events: QueuePairEvents;
  readonly #link: QueueLink;
  /** `gated`: nothing new is taken, what is in flight goes on. */
  #phase: "opening" | "open" | "gated" | "closed" = "opening";
  #idle: (() => void) | undefined;
  /** Who found no room, oldest first; each is told once, when there is some or never will be. */
  #roomWaiters: (() => void)[] = [];
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  /** Commands that were completed, for "has the controller answered lately". */
  #completed = 0;
  #heardMs: number;

  constructor(options: QueuePairOptions, events: QueuePairEvents) {
    this.qid = options.qid;
    this.depth = options.entries - 1;
    this.#table = new CommandTable(this.depth);
    this.#clock = options.clock;
    this.#events = events;
    this.#sqeBytes = new Uint8Array(Sqe.size);
    this.sqe = viewOf(this.#sqeBytes);
    this.#heardMs = options.clock.nowMs();
    this.#link = options.transport.openQueue(
      {
        qid: options.qid,
        slots: this.depth,
        inCapsuleBytes: options.inCapsuleBytes,
        timeoutMs: options.connectTimeoutMs,
      },
      this,
    );
  }

  get inflight(): number {
    return this.#table.inflight;
  }

  /** CIDs held by commands that were given up and not answered. */
  get abandoned(): number {
    return this.#table.abandoned;
  }

  get hasRoom(): boolean {
    return this.#phase === "open" && this.#table.hasRoom;
  }

  /** Commands completed so far. */
  get completedCount(): number {
    return this.#completed;
  }

  /** When the controller was last heard on this queue, ms of the clock. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Begins a command: an SQE that is zero but for opcode and namespace, to be filled in place. */
  begin(opcode: number, nsid: number): DataView {
    this.#sqeBytes.fill(0);
    Sqe.opc.set(this.sqe, 0, opcode);
    Sqe.nsid.set(this.sqe, 0, nsid);
    return this.sqe;
  }

  /**
   * Sends the command in `sqe`. Look at `hasRoom` first.
   *
   * @param data belongs to the command until it settles.
   * @param timeoutMs after which `expired` reports it, {@link FOREVER} for none.
   * @returns its CID, -1 when the queue had no room or is not open; `settle` is then never called.
   */
  submit(
    direction: DataDirection,
    data: Uint8Array | undefined,
    settle: CommandSettle,
    timeoutMs: number,
  ): number {
    if (this.#phase !== "open") return NO_CID;
    const deadlineMs = timeoutMs === FOREVER ? FOREVER : this.#clock.nowMs() + timeoutMs;
    const cid = this.#table.take(settle, deadlineMs, Sqe.opc.get(this.sqe));
    if (cid === NO_CID) return NO_CID;
    this.#link.submit(cid, this.#sqeBytes, direction, data);
    if (deadlineMs < this.#timerAtMs) this.#arm(deadlineMs);
    return cid;
  }

  /**
   * Calls `task` once, later: when there is room for a command, or when there will be none because
   * the queue is gone. Who finds the room taken by others asks again.
   */
  whenRoom(task: () => void): void {
    if (this.#phase === "closed" || this.#phase === "gated") this.#clock.defer(task);
    else this.#roomWaiters.push(task);
  }

  /** Settles a command's caller now, with its buffer free again; the CID is held until answered. */
  abandon(cid: number, error: NvmeofError): void {
    if (!this.#table.isInflight(cid)) return;
    this.#link.detach(cid);
    this.#table.abandon(cid, error);
  }

  /**
   * Takes no new command from now on; what is in flight goes on. `idle` is called when nothing is in
   * flight any more, not inside this call; at once deferred where nothing is now.
   */
  gate(idle: () => void): void {
    if (this.#phase === "closed") return;
    this.#phase = "gated";
    this.#idle = idle;
    this.#dismissWaiters();
    if (this.#table.inflight === 0) this.#clock.defer(idle);
  }

  /**
   * Ends the queue: refuses new commands, drops the link, settles all in flight with `errorOf`. No
   * event follows. Idempotent.
   */
  close(how: CloseHow, errorOf: (cid: number) => NvmeofError): void {
    if (this.#phase === "closed") return;
    this.#gone();
    this.#link.close(how);
    this.#table.settleAll(errorOf);
  }

  /** Settles all in flight and keeps the link, for the commands that close a controller politely. */
  abandonAll(errorOf: (cid: number) => NvmeofError): void {
    for (let cid = 0; cid < this.depth; cid++) {
      if (this.#table.isInflight(cid)) this.abandon(cid, errorOf(cid));
    }
  }

  /** Name of the command in flight under `cid`, for messages. */
  nameOf(cid: number): string {
    return opcodeName(this.qid === 0, this.#table.labelOf(cid));
  }

  opened(): void {
    this.#phase = "open";
    this.#heardMs = this.#clock.nowMs();
    this.#events.opened();
  }

  completed(cid: number, view: DataView, base: number): void {
    const status = cqeStatus.get(view, base);
    const dw0 = Cqe.dw0.get(view, base);
    const dw1 = Cqe.dw1.get(view, base);
    this.#completed++;
    if ((this.#completed & 31) === 0 || this.qid === 0) this.#heardMs = this.#clock.nowMs();
    if (status === 0) this.#table.complete(cid, undefined, dw0, dw1);
    else this.#failed(cid, status, dw0, dw1);
    if (this.#roomWaiters.length > 0 && this.hasRoom) this.#roomWaiters.shift()!();
    if (this.#idle !== undefined && this.#table.inflight === 0) this.#clock.defer(this.#idle);
  }

  #failed(cid: number, status: number, dw0: number, dw1: number): void {
    const fabrics = this.#table.labelOf(cid) === AdminOpcode.Fabrics;
    const error = new NvmeStatusError(this.nameOf(cid), status, fabrics);
    this.#table.complete(cid, error, dw0, dw1);
  }

  lost(error: NvmeofError): void {
    if (this.#phase === "closed") return;
    this.#gone();
    this.#table.settleAll(
      () => new AbortedError("controller-reset", "unknown", false, { cause: error }),
    );
    this.#events.lost(error);
  }

  #dismissWaiters(): void {
    for (const task of this.#roomWaiters.splice(0)) this.#clock.defer(task);
  }

  #gone(): void {
    this.#phase = "closed";
    this.#dismissWaiters();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
  }

  /** One timer for the queue. A command that completes leaves it armed: it then finds nothing due. */
  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.at(atMs, this.#sweep);
  }

  readonly #sweep = (): void => {
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    if (this.#phase === "closed") return;
    this.#table.expire(this.#clock.nowMs(), (cid) => this.#events.expired(this.qid, cid));
    // What was reported may have ended the queue.
    if ((this.#phase as string) === "closed") return;
    const next = this.#table.earliestDeadlineMs();
    if (next !== Infinity) this.#arm(next);
  };
}
