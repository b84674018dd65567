// Commands in flight on one queue: taken once, settled once, and only then reused.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format", Command Identifier; DESIGN.md §4.

import { Fes, type NvmeofError, ProtocolError } from "@nvmeof/codec";

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
  readonly #phase: Uint8Array;
  readonly #settle: (CommandSettle | undefined)[];
  readonly #deadlineMs: Float64Array;
  /** What the caller may want to know when it is settled: an opcode, for messages. */
  readonly #label: Uint8Array;
  readonly #idle: Int32Array;
  #idleCount: number;
  #inflight = 0;
  #abandoned = 0;

  constructor(slots: number) {
    this.slots = slots;
    this.#phase = new Uint8Array(slots);
    this.#settle = Array.from({ length: slots }, () => undefined);
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

  /** Takes a CID for a command, {@link NO_CID} if none is free. */
  take(settle: CommandSettle, deadlineMs: number, label: number): number {
    if (this.#idleCount === 0) return NO_CID;
    const cid = this.#idle[--this.#idleCount]!;
    this.#phase[cid] = IN_FLIGHT;
    this.#settle[cid] = settle;
    this.#deadlineMs[cid] = deadlineMs;
    this.#label[cid] = label;
    this.#inflight++;
    return cid;
  }

  isInflight(cid: number): boolean {
    return this.#phase[cid] === IN_FLIGHT;
  }

  labelOf(cid: number): number {
    return this.#label[cid]!;
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
    this.#release(cid);
    if (phase === ABANDONED) {
      this.#abandoned--;
      return;
    }
    this.#inflight--;
    settle!(error, dw0, dw1);
  }

  /** Settles the caller now; the CID stays taken until the controller answers or the queue is gone. */
  abandon(cid: number, error: NvmeofError): void {
    if (this.#phase[cid] !== IN_FLIGHT) return;
    const settle = this.#settle[cid]!;
    this.#phase[cid] = ABANDONED;
    this.#settle[cid] = undefined;
    this.#deadlineMs[cid] = Infinity;
    this.#inflight--;
    this.#abandoned++;
    settle(error, 0, 0);
  }

  /** The queue is gone: settles all that is in flight with what `errorOf` says, and frees all. */
  settleAll(errorOf: (cid: number) => NvmeofError): void {
    for (let cid = 0; cid < this.slots; cid++) {
      const phase = this.#phase[cid];
      if (phase === IDLE) continue;
      if (phase === ABANDONED) {
        this.#abandoned--;
        this.#release(cid);
        continue;
      }
      const settle = this.#settle[cid]!;
      const error = errorOf(cid);
      this.#inflight--;
      this.#release(cid);
      settle(error, 0, 0);
    }
  }

  /** The earliest deadline of all in flight; Infinity when there is none. */
  earliestDeadlineMs(): number {
    let earliest = Infinity;
    for (let cid = 0; cid < this.slots; cid++) {
      if (this.#deadlineMs[cid]! < earliest) earliest = this.#deadlineMs[cid]!;
    }
    return earliest;
  }

  /** Tells `expired` of each command whose deadline has passed, once. */
  expire(nowMs: number, expired: (cid: number) => void): void {
    for (let cid = 0; cid < this.slots; cid++) {
      if (this.#deadlineMs[cid]! > nowMs) continue;
      this.#deadlineMs[cid] = Infinity;
      expired(cid);
    }
  }

  #release(cid: number): void {
    this.#phase[cid] = IDLE;
    this.#settle[cid] = undefined;
    this.#deadlineMs[cid] = Infinity;
    this.#idle[this.#idleCount++] = cid;
  }
}
