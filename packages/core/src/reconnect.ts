// When to try again, when to stop queueing, when to give up: the resiliency triple and its back-off.
// Read first: spdk-bdev-nvme.md §4.2 (the rules between the three); DESIGN.md §4.

import type { Random } from "./random.ts";

/** How a controller behaves while it cannot be reached. */
export interface ReconnectPolicy {
  /** Wait before the second attempt, ms; doubled for each further one. 0: no further attempt. */
  readonly delayMs: number;
  /** Longest wait between attempts, ms. */
  readonly delayMaxMs: number;
  /** Each wait is changed by a random part of itself, up to this share of it: 0 to 1. */
  readonly jitter: number;
  /** Fast-fail: after this I/O is failed instead of queued, ms from the loss. 0: never. */
  readonly fastFailMs: number;
  /** Loss timeout: after this the controller is closed, ms from the loss. -1: never, 0: see `delayMs`. */
  readonly lossMs: number;
}

/** When to try again and to give up, where nobody says otherwise. */
export const defaultReconnectPolicy: ReconnectPolicy = {
  delayMs: 2_000,
  delayMaxMs: 10_000,
  jitter: 0.2,
  fastFailMs: 10_000,
  lossMs: 60_000,
};

/**
 * Why a combination of loss timeout, delay and fast-fail cannot be meant; undefined when it can. Any
 * unit will do, as long as it is the same for the three.
 *
 * - loss below 0 other than -1 is nothing
 * - loss -1 (for ever): a delay, or attempts never end to follow each other at once
 * - loss 0 (no loss timer): neither delay nor fast-fail has a meaning
 * - loss above 0: 1 ≤ delay ≤ loss; fast-fail 0, or between delay and loss
 */
export function resiliencyFault(loss: number, delay: number, fastFail: number): string | undefined {
  if (loss < 0 && loss !== -1) return "there is no such loss timeout; -1 is for ever";
  if (loss === 0) {
    if (delay !== 0) return "a reconnect delay needs a loss timeout (or -1 for ever)";
    return fastFail === 0 ? undefined : "a fast-fail timeout needs a loss timeout (or -1 for ever)";
  }
  if (delay <= 0) return "a loss timeout needs a reconnect delay";
  if (loss > 0 && delay > loss) return "the reconnect delay is longer than the loss timeout";
  if (fastFail === 0) return undefined;
  if (fastFail < delay) return "the fast-fail timeout is shorter than the reconnect delay";
  if (loss > 0 && fastFail > loss) return "the fast-fail timeout is longer than the loss timeout";
  return undefined;
}

/** Fills in what was not given: the defaults, brought into line with what was. */
function complete(given: Partial<ReconnectPolicy>): ReconnectPolicy {
  const { lossMs, delayMs, delayMaxMs, jitter, fastFailMs } = defaultReconnectPolicy;
  const loss = given.lossMs ?? lossMs;
  const most = loss < 0 ? Infinity : loss;
  const delay = given.delayMs ?? Math.min(delayMs, most);
  return {
    lossMs: loss,
    delayMs: delay,
    delayMaxMs: given.delayMaxMs ?? delayMaxMs,
    jitter: given.jitter ?? jitter,
    fastFailMs: given.fastFailMs ?? Math.min(Math.max(fastFailMs, delay), most),
  };
}

/** @throws RangeError saying which value cannot be, or which two contradict each other. */
export function checkReconnectPolicy(given: Partial<ReconnectPolicy>): ReconnectPolicy {
  const policy = complete(given);
  for (const name of ["lossMs", "delayMs", "delayMaxMs", "fastFailMs"] as const) {
    const isLoss = name === "lossMs";
    if (Number.isFinite(policy[name]) && (isLoss || policy[name] >= 0)) continue;
    throw new RangeError(`${name} is ${policy[name]}; it must be a number of ms`);
  }
  const fault = resiliencyFault(policy.lossMs, policy.delayMs, policy.fastFailMs);
  if (fault !== undefined) {
    const { lossMs, delayMs, fastFailMs } = policy;
    throw new RangeError(
      `${fault} (lossMs ${lossMs}, delayMs ${delayMs}, fastFailMs ${fastFailMs})`,
    );
  }
  if (!(policy.jitter >= 0 && policy.jitter <= 1)) {
    throw new RangeError(`jitter is ${policy.jitter}; it must be from 0 to 1`);
  }
  return policy;
}

/** Wait before attempt number `attempt` (1 is the second attempt of a series), ms. */
export function delayBefore(policy: ReconnectPolicy, attempt: number, random: Random): number {
  const doubled = policy.delayMs * 2 ** Math.min(attempt - 1, 30);
  // A single delay longer than the maximum is still what was asked for.
  const wait = Math.min(doubled, Math.max(policy.delayMaxMs, policy.delayMs));
  const chance = (random.next32() / 0xffff_ffff) * 2 - 1;
  return Math.round(wait * (1 + policy.jitter * chance));
}
