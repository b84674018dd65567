// The end of one controller: who asked for it and how, who waits for it, and the report of it.
// Read first: close.ts for the steps; DESIGN.md §4 "Close".

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { AdminWaitingList } from "./admin-waiting-list.ts";
import type { Association } from "./association.ts";
import { type CloseOptions, type CloseReport, closeSequence } from "./close.ts";
import { AbortedError } from "./errors.ts";
import { guarded, rethrowLater } from "./guard.ts";
import { runSequence } from "./sequence.ts";

const DEFAULT_BOUND_MS = 2_000;

/** What is ended. */
export interface Ended {
  /** What is connected; undefined where nothing is. */
  readonly association: Association | undefined;
  readonly admin: AdminWaitingList;
  /** Why it ends, where nobody asked for it. */
  readonly reason: NvmeofError | undefined;
}

export class Ending {
  readonly #clock: Clock;
  #request: { readonly options: CloseOptions; readonly atMs: number } | undefined;
  #waiters: ((report: CloseReport) => void)[] = [];
  #report: CloseReport | undefined;
  readonly #holders = new Map<object, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get requested(): boolean {
    return this.#request !== undefined;
  }

  /** A handle that is in use: named in the report, pinning nothing. */
  hold(what: string): () => void {
    const key = {};
    this.#holders.set(key, what);
    return () => void this.#holders.delete(key);
  }

  /**
   * Somebody wants the report. All get the same one, at once deferred where it exists.
   *
   * @throws RangeError for a bound that is none.
   */
  join({ boundMs = 0 }: CloseOptions, done: (report: CloseReport) => void): void {
    if (!Number.isFinite(boundMs) || boundMs < 0) {
      throw new RangeError(`boundMs is ${boundMs}; it must be a number of ms`);
    }
    this.#waiters.push(done);
    if (this.#report !== undefined) this.#clock.defer(() => this.tell());
  }

  /** The first request counts; says whether this is the one. */
  request(options: CloseOptions): boolean {
    if (this.#request !== undefined) return false;
    this.#request = { options, atMs: this.#clock.nowMs() };
    return true;
  }

  /** What a command gets that the close has ended, or not let in. */
  errorOf(outcome: "unknown" | "not-sent", cause?: NvmeofError): AbortedError {
    const dnr = this.#request?.options.pathsRemain !== true;
    return new AbortedError("controller-closed", outcome, dnr, { cause });
  }

  /** Runs the steps of the close; `over` is called when all is ended, not inside this call if it takes time. */
  run({ association, admin, reason }: Ended, over: () => void): void {
    const clock = this.#clock;
    const { options, atMs } = this.#request!;
    const cancelMs = clock.nowMs() - atMs;
    const boundMs = options.boundMs ?? DEFAULT_BOUND_MS;
    const ended = (): AbortedError => this.errorOf("unknown");
    const sequence = closeSequence({ clock, association, admin, boundMs, ended });
    runSequence(clock, sequence, (error, result) => {
      // Whatever goes wrong in there is a bug of ours, and no reason to stay.
      if (error !== undefined) rethrowLater(clock, error);
      association?.close("reset", ended);
      const found = result ?? { phasesMs: {}, abortedCommands: 0, shutdown: "not-told" };
      this.#report = {
        reason,
        ...found,
        phasesMs: { cancel: cancelMs, ...found.phasesMs },
        totalMs: clock.nowMs() - atMs,
        openHandles: [...this.#holders.values()],
      };
      over();
    });
  }

  /** Tells everybody who waits for the report. */
  tell(): void {
    const report = this.#report!;
    for (const done of this.#waiters.splice(0)) guarded(this.#clock, () => done(report));
  }
}
