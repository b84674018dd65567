// A queue pair: a link that carries commands, and the table of those in flight on it.
// Read first: command-table.ts; @nvmeof/transport queue-link.ts; Base 2.0 §3.3 "Queue Models".

import {
  AdminOpcode,
  Cqe,
  type DataDirection,
  type NvmeofError,
  Sqe,
  Status,
  codeOf,
  cqeStatus,
  opcodeName,
  viewOf,
} from "@nvmeof/codec";
import {
  type Clock,
  type CloseHow,
  type QueueEvents,
  type QueueLink,
  type QueueOwner,
  type Timer,
  type Transport,
  TurnClock,
} from "@nvmeof/transport";
import { type CommandSettle, CommandTable, NO_CID } from "./command-table.ts";
import type { QueueWatcher, WatchedQueue } from "./command-watch.ts";
import { AbortedError, NvmeStatusError } from "./errors.ts";
import { guarded, rethrowLater } from "./guard.ts";
import { deadline } from "./stall.ts";

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
  /** The association that it is to be part of. Default: none. */
  readonly owner?: QueueOwner;
}

/** What a queue pair tells its owner. It detects and reports; it decides nothing. */
export interface QueuePairEvents {
  /** The connection is initialised; Connect can be sent. Once. */
  opened(): void;
  /**
   * The deadline of a command has passed, or that of its abandonment. Nothing is done about it: the
   * owner decides what follows.
   */
  expired(qid: number, cid: number): void;
  /** The controller wants to be told anew who the host is: a command was refused for that. */
  authRequired?(qid: number): void;
  /** The link is gone; what was in flight has been settled. Once, last; not after `close`. */
  lost(error: NvmeofError): void;
}

/** No deadline. */
export const FOREVER = Infinity;

/** What is said of a command that its queue took with it, unless the owner has said otherwise. */
const lostWithQueue = (cause: NvmeofError): NvmeofError =>
  new AbortedError("controller-reset", "unknown", false, { cause });

export class QueuePair implements QueueEvents, WatchedQueue {
  readonly qid: number;
  /** Most commands in flight. */
  readonly depth: number;
  /** What to settle commands with that the loss of the queue takes along; the owner may say more. */
  lossError: (cause: NvmeofError) => NvmeofError = lostWithQueue;
  /** The SQE under construction: filled between `begin` and `submit`. */
  readonly sqe: DataView;
  readonly #sqeBytes: Uint8Array;
  /** The same, to be cleared: eight stores cost less than a call of `fill`. */
  readonly #sqeWords: Float64Array;
  readonly #table: CommandTable;
  readonly #clock: Clock;
  readonly #turns: TurnClock;
  readonly #events: QueuePairEvents;
  readonly #link: QueueLink;
  /** `gated`: nothing new is taken, what is in flight goes on. */
  #phase: "opening" | "open" | "gated" | "closed" = "opening";
  /** Who waits for the last command in flight to end. */
  #idleTasks: (() => void)[] = [];
  /** Who found no room, oldest first; each is told once, when there is some or never will be. */
  #roomWaiters: (() => void)[] = [];
  /** Whose turn it is to take room while somebody waits for it. */
  #turn: "anybody" | "waiter" = "anybody";
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

  constructor(options: QueuePairOptions, events: QueuePairEvents) {
    this.qid = options.qid;
    this.depth = options.entries - 1;
    this.#table = new CommandTable(this.depth, (error) => rethrowLater(options.clock, error));
    this.#clock = options.clock;
    this.#turns = TurnClock.of(options.clock);
    this.#events = events;
    this.#sqeBytes = new Uint8Array(Sqe.size);
    this.#sqeWords = new Float64Array(this.#sqeBytes.buffer);
    this.sqe = viewOf(this.#sqeBytes);
    this.#link = options.transport.openQueue(
      {
        qid: options.qid,
        slots: this.depth,
        inCapsuleBytes: options.inCapsuleBytes,
        timeoutMs: options.connectTimeoutMs,
        owner: options.owner,
      },
      this,
    );
  }

  /** Sees commands begin and end; undefined while nobody wants to. */
  get watcher(): QueueWatcher | undefined {
    return this.#table.watcher;
  }

  set watcher(watcher: QueueWatcher | undefined) {
    this.#table.watcher = watcher;
  }

  get inflight(): number {
    return this.#table.inflight;
  }

  /** CIDs held by commands that were given up and not answered. */
  get abandoned(): number {
    return this.#table.abandoned;
  }

  /** Whether it takes commands, when it has room. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /**
   * Whether a command would be taken now. While somebody waits for room there is none for others, or
   * whoever submits from inside a completion would keep the rest waiting for ever.
   */
  get hasRoom(): boolean {
    if (this.#phase !== "open" || !this.#table.hasRoom) return false;
    return this.#roomWaiters.length === 0 || this.#turn === "waiter";
  }

  /** Begins a command: an SQE that is zero but for opcode and namespace, to be filled in place. */
  begin(opcode: number, nsid: number): DataView {
    const words = this.#sqeWords;
    for (let i = 0; i < words.length; i++) words[i] = 0;
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
    const deadlineMs = timeoutMs === FOREVER ? FOREVER : this.#turns.nowMs() + timeoutMs;
    const cid = this.#table.take(settle, timeoutMs, deadlineMs, Sqe.opc.get(this.sqe));
    if (cid === NO_CID) return NO_CID;
    const { watcher } = this.#table;
    if (watcher !== undefined) this.#tellStarted(watcher, cid, data?.length ?? 0);
    this.#link.submit(cid, this.#sqeBytes, direction, data);
    // A link that reports its end inside `submit` has settled the command already.
    if (deadlineMs < this.#timerAtMs && this.#phase === "open") this.#arm(deadlineMs);
    return cid;
  }

  /** Whoever watches and throws must not keep a command from being sent. */
  #tellStarted(watcher: QueueWatcher, cid: number, dataBytes: number): void {
    try {
      watcher.started(cid, this.sqe, dataBytes);
    } catch (thrown) {
      rethrowLater(this.#clock, thrown);
    }
  }

  /**
   * Calls `task` once, later: when there is room for a command, or when there will be none because
   * the queue is gone. Who finds the room taken by others asks again. Not for the admin queue, whose
   * room must not depend on who waits.
   */
  whenRoom(task: () => void): void {
    if (this.#phase === "closed" || this.#phase === "gated") {
      this.#clock.defer(task);
      return;
    }
    this.#roomWaiters.push(task);
    if (this.#phase === "open" && this.#table.hasRoom) this.#clock.defer(this.#serveWaiters);
  }

  /**
   * Settles a command's caller now, with its buffer free again; the CID is held until answered.
   *
   * @param answerMs after which `expired` reports the CID again; {@link FOREVER} for never.
   */
  abandon(cid: number, error: NvmeofError, answerMs: number = FOREVER): void {
    if (!this.#table.isInflight(cid)) return;
    const deadlineMs = answerMs === FOREVER ? FOREVER : this.#clock.nowMs() + answerMs;
    this.#link.detach(cid);
    this.#table.abandon(cid, error, deadlineMs);
    if (deadlineMs < this.#timerAtMs && this.#phase !== "closed") this.#arm(deadlineMs);
    this.#tellIdle();
  }

  /**
   * Takes no new command from now on; what is in flight goes on. `idle` is called once nothing is in
   * flight any more, whatever ended it, and not inside this call.
   */
  gate(idle?: () => void): void {
    if (this.#phase !== "closed") {
      this.#phase = "gated";
      this.#dismissWaiters();
    }
    if (idle === undefined) return;
    this.#idleTasks.push(idle);
    this.#tellIdle();
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
    this.#tellIdle();
  }

  /** Settles all in flight and keeps the link, for the commands that close a controller politely. */
  abandonAll(errorOf: (cid: number) => NvmeofError): void {
    for (let cid = 0; cid < this.depth; cid++) {
      if (this.#table.isInflight(cid)) this.abandon(cid, errorOf(cid));
    }
  }

  /** Name of the command under `cid`, for messages. */
  nameOf(cid: number): string {
    return opcodeName(this.qid === 0, this.#table.labelOf(cid));
  }

  /** The time that the command under `cid` was given, ms. */
  timeoutOf(cid: number): number {
    return this.#table.timeoutOf(cid);
  }

  /** The caller of the command under `cid` was settled, and the controller has not answered. */
  isAbandoned(cid: number): boolean {
    return this.#table.isAbandoned(cid);
  }

  opened(): void {
    // Who gated it meanwhile wants no command sent, open or not.
    if (this.#phase === "opening") this.#phase = "open";
    if (this.#roomWaiters.length > 0) this.#clock.defer(this.#serveWaiters);
    this.#events.opened();
  }

  completed(cid: number, view: DataView, base: number): void {
    const status = cqeStatus.get(view, base);
    const dw0 = Cqe.dw0.get(view, base);
    const dw1 = Cqe.dw1.get(view, base);
    if (status === 0) this.#table.complete(cid, undefined, dw0, dw1);
    else this.#failed(cid, status, dw0, dw1);
    if (this.#roomWaiters.length > 0) this.#serveWaiters();
    if (this.#idleTasks.length > 0) this.#tellIdle();
  }

  #failed(cid: number, status: number, dw0: number, dw1: number): void {
    const fabrics = this.#table.labelOf(cid) === AdminOpcode.Fabrics;
    const error = new NvmeStatusError(this.nameOf(cid), status, fabrics);
    this.#table.complete(cid, error, dw0, dw1);
    if (codeOf(status) === Status.AuthRequired) this.#events.authRequired?.(this.qid);
  }

  lost(error: NvmeofError): void {
    if (this.#phase === "closed") return;
    this.#gone();
    this.#table.settleAll(() => this.lossError(error));
    this.#tellIdle();
    this.#events.lost(error);
  }

  /**
   * Gives the room there is to those who wait for it. Each is asked once, since one that has lost
   * interest must not keep the room from the next, and one that asks again stands behind them.
   */
  readonly #serveWaiters = (): void => {
    for (let left = this.#roomWaiters.length; left > 0; left--) {
      if (this.#phase !== "open" || !this.#table.hasRoom) return;
      const task = this.#roomWaiters.shift()!;
      this.#turn = "waiter";
      guarded(this.#clock, task);
      this.#turn = "anybody";
    }
  };

  #dismissWaiters(): void {
    for (const task of this.#roomWaiters.splice(0)) this.#clock.defer(task);
  }

  #tellIdle(): void {
    if (this.#table.inflight > 0) return;
    for (const task of this.#idleTasks.splice(0)) this.#clock.defer(task);
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
    this.#timer = deadline(this.#clock, atMs, this.#sweep);
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
