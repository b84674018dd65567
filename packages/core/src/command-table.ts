// Commands in flight on one queue: taken once, settled once, and only then reused.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format", Command Identifier; DESIGN.md §4.

import { Fes, type NvmeofError, ProtocolError } from "@nvmeof/codec";
import type { QueueWatcher } from "./command-watch.ts";

/**
 * How a command ends: `error` is undefined for success; `dw0` and `dw1` are the completion's, 0 where
 * there was none. Called exactly once for each command that was taken.
 */
export type CommandSettle = (error: NvmeofError | undefined, dw0: number, dw1: number) => void;

// Phases of a slot. Integers: they are compared for every command.
const IDLE = 0;
const IN_FLIGHT = 1;
/** The caller has been settled, but the controller has not answered: the CID is not free. */
const ABANDONED = 2;

/** No CID is free. */
export const NO_CID = -1;

/** Owner of the fact "in flight". Nothing else settles or drops a command. */
export class CommandTable {
  readonly slots: number;
  /** Sees commands end; undefined while nobody wants to. */
  watcher: QueueWatcher | undefined;
  readonly #thrown: (error: unknown) => void;
  readonly #phase: Uint8Array;
  readonly #settle: (CommandSettle | undefined)[];
  readonly #timeoutMs: Float64Array;
  readonly #deadlineMs: Float64Array;
  /** What the owner may want to know of a command later: an opcode, for messages. */
  readonly #label: Uint8Array;
  readonly #idle: Int32Array;
  #idleCount: number;
  #inflight = 0;
  #abandoned = 0;

  /** @param thrown gets what a caller's `settle` throws: a command of another caller must not suffer. */
  constructor(slots: number, thrown: (error: unknown) => void) {
    this.slots = slots;
    this.#thrown = thrown;
    this.#phase = new Uint8Array(slots);
    this.#settle = Array.from({ length: slots }, () => undefined);
    this.#timeoutMs = new Float64Array(slots);
    this.#deadlineMs = new Float64Array(slots).fill(Infinity);
    this.#label = new Uint8Array(slots);
    // Lowest CID on top: a short load touches few slots.
    this.#idle = Int32Array.from({ length: slots }, (_, at) => slots - 1 - at);
    this.#idleCount = slots;
  }

  /** Commands whose caller has not been settled. */
  get inflight(): number {
    return this.#inflight;
  }

  /** CIDs that wait for an answer nobody waits for any more. */
  get abandoned(): number {
    return this.#abandoned;
  }

  get hasRoom(): boolean {
    return this.#idleCount > 0;
  }

  /** Takes a CID for a command that is to end by `deadlineMs`, {@link NO_CID} if none is free. */
  take(settle: CommandSettle, timeoutMs: number, deadlineMs: number, label: number): number {
    if (this.#idleCount === 0) return NO_CID;
    const cid = this.#idle[--this.#idleCount]!;
    this.#phase[cid] = IN_FLIGHT;
    this.#settle[cid] = settle;
    this.#timeoutMs[cid] = timeoutMs;
    this.#deadlineMs[cid] = deadlineMs;
    this.#label[cid] = label;
    this.#inflight++;
    return cid;
  }

  isInflight(cid: number): boolean {
    return this.#phase[cid] === IN_FLIGHT;
  }

  /** Given up by its caller, and not answered. */
  isAbandoned(cid: number): boolean {
    return this.#phase[cid] === ABANDONED;
  }

  labelOf(cid: number): number {
    return this.#label[cid]!;
  }

  /** The time that the command was given, ms. */
  timeoutOf(cid: number): number {
    return this.#timeoutMs[cid]!;
  }

  /**
   * The controller answered. The slot is free before `settle` is called, which may submit again.
   *
   * @throws ProtocolError for a CID that has no command.
   */
  complete(cid: number, error: NvmeofError | undefined, dw0: number, dw1: number): void {
    const phase = this.#phase[cid];
    if (phase !== IN_FLIGHT && phase !== ABANDONED) {
      throw new ProtocolError(Fes.InvalidHeaderField, 20, `completion for idle CID ${cid}`);
    }
    const settle = this.#settle[cid];
    this.#clear(cid);
    this.#idle[this.#idleCount++] = cid;
    if (phase === ABANDONED) {
      this.#abandoned--;
      return;
    }
    this.#inflight--;
    this.#call(cid, settle!, error, dw0, dw1);
  }

  /**
   * Settles the caller now; the CID stays taken until the controller answers or the queue is gone.
   *
   * @param deadlineMs when `expire` is to tell of the CID again, because no answer has come.
   */
  abandon(cid: number, error: NvmeofError, deadlineMs = Infinity): void {
    if (this.#phase[cid] !== IN_FLIGHT) return;
    const settle = this.#settle[cid]!;
    this.#phase[cid] = ABANDONED;
    this.#settle[cid] = undefined;
    this.#deadlineMs[cid] = deadlineMs;
    this.#inflight--;
    this.#abandoned++;
    this.#call(cid, settle, error, 0, 0);
  }

  /** The queue is gone: takes nothing any more, and settles all in flight with what `errorOf` says. */
  settleAll(errorOf: (cid: number) => NvmeofError): void {
    // Idle or not, no CID is given out again: a callback that submits finds no room.
    this.#idleCount = 0;
    for (let cid = 0; cid < this.slots; cid++) {
      const phase = this.#phase[cid];
      if (phase === IDLE) continue;
      const settle = this.#settle[cid];
      this.#clear(cid);
      if (phase === ABANDONED) {
        this.#abandoned--;
        continue;
      }
      this.#inflight--;
      this.#call(cid, settle!, errorOf(cid), 0, 0);
    }
  }

  /** The earliest deadline of all commands; Infinity when there is none. */
  earliestDeadlineMs(): number {
    let earliest = Infinity;
    for (let cid = 0; cid < this.slots; cid++) {
      if (this.#deadlineMs[cid]! < earliest) earliest = this.#deadlineMs[cid]!;
    }
    return earliest;
  }

  /** Tells `expired` of each command whose deadline has passed, once per deadline. */
  expire(nowMs: number, expired: (cid: number) => void): void {
    for (let cid = 0; cid < this.slots; cid++) {
      if (this.#deadlineMs[cid]! > nowMs) continue;
      this.#deadlineMs[cid] = Infinity;
      expired(cid);
    }
  }

  #clear(cid: number): void {
    this.#phase[cid] = IDLE;
    this.#settle[cid] = undefined;
    this.#deadlineMs[cid] = Infinity;
  }

  #call(
    cid: number,
    settle: CommandSettle,
    error: NvmeofError | undefined,
    dw0: number,
    dw1: number,
  ): void {
    // First: the caller may submit again, under the same CID.
    if (this.watcher !== undefined) this.#tell(this.watcher, cid, error);
    try {
      settle(error, dw0, dw1);
    } catch (thrown) {
      this.#thrown(thrown);
    }
  }

  /** Whoever watches and throws must not keep a caller from being settled. */
  #tell(watcher: QueueWatcher, cid: number, error: NvmeofError | undefined): void {
    try {
      watcher.ended(cid, error);
    } catch (thrown) {
      this.#thrown(thrown);
    }
  }
}
