// Requests of users: each settles exactly once, in time, never inside its own submit, and says what is known.
// Read first: reliability-anchors.md I1 to I4, I9, I10; @nvmeof/bdev block-device.ts, BlockSettle.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { Complain } from "../violation.ts";

/** A request that has not settled. */
interface Open {
  /** `submitting`: its `submit` has not returned. */
  phase: "submitting" | "submitted";
  /** By then it must have settled. */
  deadlineMs: number;
  /** When its user gave it up. */
  abortedMs: number | undefined;
  readonly owner: string;
}

/** What settled, kept to tell a second settling from one of a request that never was. */
const SETTLED_MAX = 4096;

export class CommandOracle {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #complain: Complain;
  /** In order of submission. */
  readonly #open = new Map<number, Open>();
  readonly #settled = new Set<number>();
  /** Owners that are closed, and since when. */
  readonly #closed = new Map<string, number>();

  constructor(clock: Pick<Clock, "nowMs">, complain: Complain) {
    this.#clock = clock;
    this.#complain = complain;
  }

  /**
   * A request is about to be submitted.
   *
   * @param boundMs longest time that it may take, by its own deadline and by all policies together; Infinity
   *   for no bound.
   * @param owner whose it is, for {@link CommandOracle.ownerClosed}: a controller, for admin commands.
   */
  submitted(id: number, boundMs: number, owner = ""): void {
    const deadlineMs = this.#clock.nowMs() + boundMs;
    this.#open.set(id, { phase: "submitting", deadlineMs, abortedMs: undefined, owner });
  }

  /** Its `submit` has returned. */
  returned(id: number): void {
    const open = this.#open.get(id);
    if (open !== undefined) open.phase = "submitted";
  }

  /** Its user gives it up: it has to settle before any time passes. */
  aborted(id: number): void {
    const open = this.#open.get(id);
    if (open !== undefined) open.abortedMs ??= this.#clock.nowMs();
  }

  /** The host of these requests stood still for so long. */
  stoodStill(ms: number, ids: Iterable<number> = this.#open.keys()): void {
    for (const id of ids) {
      const open = this.#open.get(id);
      if (open === undefined) continue;
      open.deadlineMs += ms;
      if (open.abortedMs !== undefined) open.abortedMs += ms;
    }
  }

  /** Its callback was called. */
  settled(id: number, error: NvmeofError | undefined): void {
    const nowMs = this.#clock.nowMs();
    const open = this.#open.get(id);
    if (open === undefined) {
      const before = this.#settled.has(id) ? "a second time" : "and was never submitted";
      this.#complain("I1", `request ${id} settled ${before}`);
      return;
    }
    this.#open.delete(id);
    this.#remember(id);
    if (open.phase === "submitting") {
      this.#complain("I10", `request ${id} settled inside its own submit`);
    }
    const closedMs = this.#closed.get(open.owner);
    if (closedMs !== undefined && nowMs > closedMs) {
      const after = `${nowMs - closedMs} ms after ${open.owner} was closed`;
      this.#complain("I2", `request ${id} settled ${after}`);
    }
    if (open.abortedMs !== undefined && nowMs > open.abortedMs) {
      this.#complain("I4", `request ${id} settled ${nowMs - open.abortedMs} ms after its abort`);
    }
    this.#checkTime(id, open, nowMs);
    if (error !== undefined && (error.outcome === undefined || error.status === undefined)) {
      this.#complain("I9", `request ${id} failed with ${error.code} and no outcome or status`);
    }
  }

  /** An owner is closed: what belongs to it has settled by the end of this moment. */
  ownerClosed(owner: string): void {
    this.#closed.set(owner, this.#clock.nowMs());
  }

  /** Requests that have not settled, oldest first. */
  get open(): readonly number[] {
    return Array.from(this.#open.keys());
  }

  /** Complains of what should have settled by now. */
  check(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, open] of this.#open) this.#checkTime(id, open, nowMs);
  }

  /** Everything has ended: all have settled. */
  finish(): void {
    for (const id of this.#open.keys()) this.#complain("I1", `request ${id} never settled`);
  }

  #checkTime(id: number, { deadlineMs, abortedMs }: Open, nowMs: number): void {
    if (nowMs > deadlineMs) {
      this.#complain("I3", `request ${id} has not settled ${nowMs - deadlineMs} ms past its bound`);
    }
    if (this.#open.has(id) && abortedMs !== undefined && nowMs > abortedMs) {
      this.#complain("I4", `request ${id} has not settled ${nowMs - abortedMs} ms after its abort`);
    }
  }

  #remember(id: number): void {
    this.#settled.add(id);
    if (this.#settled.size <= SETTLED_MAX) return;
    for (const oldest of this.#settled) {
      this.#settled.delete(oldest);
      return;
    }
  }
}
