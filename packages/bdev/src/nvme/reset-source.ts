// A live controller as the source of Cross-Controller Resets of others of the same subsystem.
// Read first: Base 2.3 §5.4.3 "Cross-Controller Reset command", §5.2.12.3.1 for the log page 1Eh.

import {
  AdminOpcode,
  CcrStatus,
  CrossControllerResetCommand,
  CrossControllerResetEntry,
  CrossControllerResetResult,
  ENTRY_LOG_MAX,
  EntryLogHeader,
  LSP_CCR_REMOVE_COMPLETED,
  Lid,
  NvmeofError,
  Status,
  codeOf,
  decodeDwords,
  decodeEntryLog,
} from "@nvmeof/codec";
import {
  type AdminCommand,
  type Controller,
  type RunningSequence,
  type Sequence,
  logPageCommand,
  runSequence,
  step,
} from "@nvmeof/core";
import type { Incarnation } from "./fence.ts";

/** What became of a reset; `no` means that another source may know better. */
export type ResetAnswer = "ccr" | "immediate" | "no";

/** A reset that this source was asked for, from before the command until its answer. */
interface Pending {
  readonly incarnation: Incarnation;
  answer: ResetAnswer | undefined;
  tell: (() => void) | undefined;
}

const LOG_BYTES = EntryLogHeader.size + ENTRY_LOG_MAX * CrossControllerResetEntry.size;

const resetCommand = ({ cntlid, ciu, cirn }: Incarnation): AdminCommand => ({
  opcode: AdminOpcode.CrossControllerReset,
  fill: (sqe) => {
    CrossControllerResetCommand.icid.set(sqe, 0, cntlid);
    CrossControllerResetCommand.ciu.set(sqe, 0, ciu);
    CrossControllerResetCommand.cirn.set(sqe, 0, cirn);
  },
});

/** The status code that the controller answered with; undefined where it did not answer. */
const answered = (error: unknown): number | undefined =>
  error instanceof NvmeofError && error.code === "NVME_ERR_STATUS" && error.status !== undefined
    ? codeOf(error.status)
    : undefined;

export class ResetSource {
  readonly #controller: Controller;
  /** A source has room again, or has become one. */
  readonly #freed: () => void;
  readonly #pending = new Set<Pending>();
  /** `unable`: this controller does not know the command, whatever it says of itself. */
  #ability: "able" | "unable" = "able";
  #reading: RunningSequence | undefined;
  /** An event came while the log was being read. */
  #again: "no" | "yes" = "no";

  constructor(controller: Controller, freed: () => void) {
    this.#controller = controller;
    this.#freed = freed;
  }

  /** Resets that may be asked for now: CCRL, less those in progress. */
  get room(): number {
    const { closeRequested, facts, state } = this.#controller;
    if (state !== "live" || closeRequested || this.#ability === "unable") return 0;
    return Math.max(0, (facts?.identify.ccrl ?? 0) - this.#pending.size);
  }

  /** The connection is gone: nothing that was asked for will be answered. */
  stop(): void {
    this.#ability = "able";
    this.#reading?.cancel();
    this.#reading = undefined;
    for (const each of this.#pending) this.#answer(each, "no");
  }

  /** The controller says that a reset is completed: its log says which. */
  completed(): void {
    if (this.#pending.size === 0) return;
    if (this.#reading !== undefined) {
      this.#again = "yes";
      return;
    }
    this.#again = "no";
    const { clock } = this.#controller.options;
    this.#reading = runSequence(clock, this.#readLog(), () => {
      this.#reading = undefined;
      if (this.#again === "yes") this.completed();
    });
  }

  /**
   * Resets another controller, and waits for its end. Waits at most `waitMs` beyond the answer to the
   * command; then the log is read once, since an event may have been lost.
   */
  *reset(incarnation: Incarnation, waitMs: number): Sequence<ResetAnswer> {
    // Before the command: the event may come before its answer.
    const pending: Pending = { incarnation, answer: undefined, tell: undefined };
    this.#pending.add(pending);
    try {
      const begun = yield* this.#begin(incarnation);
      if (begun !== "wait") return begun;
      yield* this.#awaitAnswer(pending, waitMs);
      return pending.answer ?? "no";
    } finally {
      this.#pending.delete(pending);
      this.#controller.options.clock.defer(this.#freed);
    }
  }

  *#begin(incarnation: Incarnation): Sequence<ResetAnswer | "wait"> {
    for (let attempt = 0; ; attempt++) {
      try {
        const dw0 = yield* this.#send(resetCommand(incarnation));
        // IRS: nothing is left of the other controller, and nothing more will be said.
        const { irs } = decodeDwords(CrossControllerResetResult, dw0);
        return irs === 1 ? "immediate" : "wait";
      } catch (error) {
        const code = answered(error);
        // Another request of ours is in progress: its end is the one that we wait for.
        if (code === Status.CcrInProgress) return "wait";
        if (code === Status.InvalidOpcode) this.#ability = "unable";
        if (code !== Status.CcrLogPageFull || attempt > 0) return "no";
        if (!(yield* this.#readLog())) return "no";
      }
    }
  }

  *#send(command: AdminCommand): Sequence<number> {
    const controller = this.#controller;
    return yield* step<number>(
      "cross-controller reset",
      controller.options.fabricsTimeoutMs,
      (done) => controller.admin(command, (error, dw0) => done(error, dw0)),
    );
  }

  *#awaitAnswer(pending: Pending, waitMs: number): Sequence<void> {
    if (pending.answer !== undefined) return;
    try {
      yield* step<void>("cross-controller reset", waitMs, (done) => {
        pending.tell = () => done(undefined);
      });
    } catch {
      // Not told in time: the log is the last word.
      yield* this.#readLog();
    }
  }

  /** Reads the log, drops what is completed there, and answers who waits for it. False: not readable. */
  *#readLog(): Sequence<boolean> {
    const log = new Uint8Array(LOG_BYTES);
    const request = { lid: Lid.CrossControllerReset, lsp: LSP_CCR_REMOVE_COMPLETED };
    try {
      yield* this.#send(logPageCommand(request, log));
      for (const entry of decodeEntryLog(CrossControllerResetEntry, log)) this.#note(entry);
      return true;
    } catch {
      return false;
    }
  }

  #note({ icid, ciu, ccrs }: { icid: number; ciu: number; ccrs: number }): void {
    if (ccrs === CcrStatus.InProgress) return;
    for (const pending of this.#pending) {
      const { incarnation } = pending;
      if (incarnation.cntlid !== icid || incarnation.ciu !== ciu) continue;
      this.#answer(pending, ccrs === CcrStatus.Successful ? "ccr" : "no");
    }
  }

  #answer(pending: Pending, answer: ResetAnswer): void {
    pending.answer = answer;
    pending.tell?.();
  }
}
