// What becomes of a request that a path did not do: one pure table over what is known of it.
// Read first: Base 2.0 §3.3.3.2.1 "Status Field Definition"; spdk-bdev-nvme.md §3.4; DESIGN.md §4. Rows
// are tried from the top, the first that fits decides.

import { type Outcome, Sct, Status, codeOf, crdOf, dnrOf, sctOf } from "@nvmeof/codec";

/** How a request failed on a path. */
export interface FailureFacts {
  /** The status that the controller gave, or that the host gave in its place. */
  readonly status: number;
  /** Of this attempt. */
  readonly outcome: Outcome;
  /** The request changes data: doing it twice, or late, can be seen. */
  readonly changesData: boolean;
  /**
   * When the command can do no more harm: at a time that is known (the default), at none that
   * anybody knows, or nobody wants to wait for it.
   */
  readonly harm?: "ends" | "may-last" | "accepted" | undefined;
}

/** What was done for the request so far. Three budgets, since three things can go wrong for ever. */
export interface RetryHistory {
  /** Times that it was sent again on the same path. */
  readonly samePath: number;
  /** Times that it went to another path, or waited for one. */
  readonly switches: number;
  /** Since it first failed, ms. */
  readonly elapsedMs: number;
}

/** The budgets. */
export interface RetryLimits {
  /** Retries on the same path. -1 for no limit. Default 3. */
  readonly samePathMax: number;
  /** Moves to another path. Default 16. */
  readonly switchesMax: number;
  /**
   * Time from the first failure after which nothing is tried any more, and longest time that
   * requests wait for any path to come back, ms. Default 60 s.
   */
  readonly elapsedMaxMs: number;
}

/** How often, and how long, a request is tried again where nobody says otherwise. */
export const defaultRetryLimits: RetryLimits = {
  samePathMax: 3,
  switchesMax: 16,
  elapsedMaxMs: 60_000,
};

/** Why a request is not tried again. */
export type GiveUpReason =
  | "final" // Do Not Retry, or a status that no repetition changes
  | "aborted" // its caller asked for it
  | "unfenced" // the old command may change data at any time, so that a new one is not safe
  | "same-path-budget"
  | "switch-budget"
  | "time-budget";

/** What becomes of a request that has failed. */
export type RetryDecision =
  | { readonly do: "fail"; readonly reason: GiveUpReason }
  /** Send it again on the same path; `crd` is the index of the delay that the controller wants. */
  | { readonly do: "same-path"; readonly crd: number }
  /**
   * Send it on another path, or on this one when it is back. `ana`: the path's ANA state is not what
   * we hold it to be. `fence`: not before the old command can no longer change anything.
   */
  | { readonly do: "other-path"; readonly ana: boolean; readonly fence: boolean };

const fail = (reason: GiveUpReason): RetryDecision => ({ do: "fail", reason });

const anaStatuses: ReadonlySet<number> = new Set([
  Status.AnaPersistentLoss,
  Status.AnaInaccessible,
  Status.AnaTransition,
]);

/** Whether a status says that the path, and not the command, is at fault. */
export const blamesPath = (status: number): boolean =>
  sctOf(status) === Sct.Path || codeOf(status) === Status.SqDeleted;

/** The table. */
export function decideRetry(
  failure: FailureFacts,
  history: RetryHistory,
  limits: RetryLimits,
): RetryDecision {
  const { status, outcome, changesData, harm = "ends" } = failure;
  if (codeOf(status) === Status.AbortRequested) return fail("aborted");
  if (dnrOf(status)) return fail("final");
  if (history.elapsedMs >= limits.elapsedMaxMs) return fail("time-budget");
  if (blamesPath(status)) {
    // A definite rejection and a command that was never sent are safe to move at once.
    const uncertain = outcome === "unknown" && changesData;
    if (uncertain && harm === "may-last") return fail("unfenced");
    if (history.switches >= limits.switchesMax) return fail("switch-budget");
    const ana = anaStatuses.has(codeOf(status));
    return { do: "other-path", ana, fence: uncertain && harm === "ends" };
  }
  if (!repeatable.has(codeOf(status))) return fail("final");
  const spent = limits.samePathMax >= 0 && history.samePath >= limits.samePathMax;
  return spent ? fail("same-path-budget") : { do: "same-path", crd: crdOf(status) };
}

/**
 * Statuses without DNR that another try may cure. The others describe the request or the medium, and
 * a controller that leaves DNR out of them is asked only once.
 */
const repeatable: ReadonlySet<number> = new Set([
  Status.DataTransferError,
  Status.InternalError,
  Status.CommandInterrupted,
  Status.TransientTransport,
  Status.AdminMediaNotReady,
  // The controller wants to know anew who the host is, which core sees to meanwhile.
  Status.AuthRequired,
  Status.NamespaceNotReady,
  Status.WriteFault,
  Status.UnrecoveredReadError,
]);
