// The retry table, over every status there is, every outcome, every history.
// Read first: retry.ts.

import { type Outcome, Sct, Status, codeOf, sctOf, statusOf } from "@nvmeof/codec";
import { expect, test } from "vitest";
import {
  type FailureFacts,
  type RetryDecision,
  type RetryHistory,
  type RetryLimits,
  blamesPath,
  decideRetry,
  defaultRetryLimits,
} from "./retry.ts";

const outcomes: readonly Outcome[] = ["not-sent", "unknown", "failed"];
const harms = ["ends", "may-last", "accepted", undefined] as const;
const fresh: RetryHistory = { samePath: 0, switches: 0, elapsedMs: 0 };
const DNR = statusOf(0, 0, true);

/** Every status of 11 bits, with and without Do Not Retry, in every other regard. */
function* failures(): Generator<FailureFacts> {
  for (let code = 1; code < 0x800; code++) {
    for (const status of [code, code | DNR]) {
      for (const outcome of outcomes) {
        for (const changesData of [false, true]) {
          for (const harm of harms) yield { status, outcome, changesData, harm };
        }
      }
    }
  }
}

const decide = (
  failure: Partial<FailureFacts> & { status: number },
  history: Partial<RetryHistory> = {},
  limits: Partial<RetryLimits> = {},
): RetryDecision =>
  decideRetry(
    { outcome: "failed", changesData: false, ...failure },
    { ...fresh, ...history },
    { ...defaultRetryLimits, ...limits },
  );

/** The failures for which the table does not do as `rule` says. */
const exceptions = (
  rule: (failure: FailureFacts, decision: RetryDecision) => boolean,
  history: Partial<RetryHistory> = {},
): FailureFacts[] => [...failures()].filter((failure) => !rule(failure, decide(failure, history)));

test("nothing with Do Not Retry, or aborted because somebody asked for it, is tried again", () => {
  const final = ({ status }: FailureFacts): boolean =>
    (status & DNR) !== 0 || codeOf(status) === Status.AbortRequested;
  const wrong = exceptions((failure, decision) => !final(failure) || decision.do === "fail");
  expect(wrong).toEqual([]);
});

test("what changes data and may have been done goes on only behind a fence, or not at all", () => {
  const wrong = exceptions(({ outcome, changesData, harm }, decision) => {
    if (decision.do !== "other-path") return true;
    if (outcome !== "unknown" || !changesData) return !decision.fence;
    return harm !== "may-last" && decision.fence === (harm !== "accepted");
  });
  expect(wrong).toEqual([]);
});

test("a status of the path sends a request elsewhere, any other one never does", () => {
  const wrong = exceptions(({ status }, decision) => {
    const ofPath = sctOf(status) === Sct.Path || codeOf(status) === Status.SqDeleted;
    if (blamesPath(status) !== ofPath) return false;
    return decision.do === "fail" || (decision.do === "other-path") === ofPath;
  });
  expect(wrong).toEqual([]);
});

test("once a budget is spent nothing that it pays for is tried", () => {
  const { elapsedMaxMs, samePathMax, switchesMax } = defaultRetryLimits;
  const spent: [Partial<RetryHistory>, RetryDecision["do"][]][] = [
    [{ elapsedMs: elapsedMaxMs }, ["same-path", "other-path"]],
    [{ samePath: samePathMax }, ["same-path"]],
    [{ switches: switchesMax }, ["other-path"]],
  ];
  for (const [history, never] of spent) {
    const wrong = exceptions((_failure, decision) => !never.includes(decision.do), history);
    expect(wrong).toEqual([]);
  }
});

test("budgets are apart: what one failure has cost does not keep another kind from its own", () => {
  const many = 1_000;
  expect(decide({ status: Status.InternalError }, { switches: many }).do).toBe("same-path");
  expect(decide({ status: Status.AnaInaccessible }, { samePath: many }).do).toBe("other-path");
  const forever = { samePathMax: -1 };
  expect(decide({ status: Status.InternalError }, { samePath: many }, forever).do).toBe(
    "same-path",
  );
});

test.each([
  [Status.InternalError, "same-path"],
  [Status.CommandInterrupted, "same-path"],
  [Status.TransientTransport, "same-path"],
  [Status.NamespaceNotReady, "same-path"],
  [Status.UnrecoveredReadError, "same-path"],
  [Status.InternalPathError, "other-path"],
  [Status.AnaInaccessible, "other-path"],
  [Status.AnaTransition, "other-path"],
  [Status.AnaPersistentLoss, "other-path"],
  [Status.ControllerPathError, "other-path"],
  [Status.HostPathError, "other-path"],
  [Status.HostAborted, "other-path"],
  [Status.SqDeleted, "other-path"],
  [Status.LbaOutOfRange, "fail"],
  [Status.InvalidField, "fail"],
  [Status.InvalidNamespace, "fail"],
  [Status.CompareFailure, "fail"],
  [Status.NamespaceWriteProtected, "fail"],
  [Status.ReservationConflict, "fail"],
] as const)("status %i: %s", (status, what) => {
  expect(decide({ status }).do).toBe(what);
});

test("only an ANA status says that the state of the path is not what we hold it to be", () => {
  const anas: number[] = [Status.AnaInaccessible, Status.AnaTransition, Status.AnaPersistentLoss];
  const wrong = exceptions(
    ({ status }, decision) =>
      decision.do !== "other-path" || decision.ana === anas.includes(codeOf(status)),
  );
  expect(wrong).toEqual([]);
});

test("the reason to give up is the first that holds", () => {
  const reason = (decision: RetryDecision): string =>
    decision.do === "fail" ? decision.reason : "";
  const spent = { switches: 1_000, samePath: 1_000, elapsedMs: 1e9 };
  expect(reason(decide({ status: Status.AbortRequested | DNR }, spent))).toBe("aborted");
  expect(reason(decide({ status: Status.HostAborted | DNR }, spent))).toBe("final");
  expect(reason(decide({ status: Status.HostAborted }, spent))).toBe("time-budget");
  const late = { ...spent, elapsedMs: 0 };
  const lost = { status: Status.HostAborted, outcome: "unknown", changesData: true } as const;
  expect(reason(decide({ ...lost, harm: "may-last" }, late))).toBe("unfenced");
  expect(reason(decide(lost, late))).toBe("switch-budget");
  expect(reason(decide({ status: Status.InternalError }, late))).toBe("same-path-budget");
  expect(reason(decide({ status: Status.LbaOutOfRange }))).toBe("final");
});

test("the delay that a controller wants is passed on", () => {
  for (const crd of [0, 1, 2, 3]) {
    const decision = decide({ status: Status.CommandInterrupted | (crd << 11) });
    expect(decision).toEqual({ do: "same-path", crd });
  }
});
