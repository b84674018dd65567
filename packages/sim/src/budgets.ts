// How long things may take after everything is healed: the bounds of liveness, out of the options.
// Read first: reliability-anchors I43 and I44; core/src/options.ts for the waits that are summed up.

import { defaultFenceLimits, defaultRetryLimits } from "@nvmeof/bdev/nvme";
import type { ResolvedOptions } from "@nvmeof/core";
import type { GroupPlan, Plan } from "./plan.ts";

/** Bounds of the liveness phase, ms. */
export interface Budgets {
  /** By then every request that was submitted has settled. */
  readonly settleMs: number;
  /** By then every controller that can be is live, and every namespace is there. */
  readonly liveMs: number;
  /** By then each user has done a few requests more. */
  readonly workMs: number;
}

/** A PDU that has begun has this long to become whole, ms: transport/src/tcp/session.ts. */
const PDU_MS = 10_000;
/** Commands that one request of a user may be split into. */
const PARTS = 4;
/** Silence that TCP doubles while it repeats what was lost, ms: network/weather.ts. */
const RETRANSMISSION_MS = 60_000;

/** Time to notice that a controller is gone, to tear it down and to have it back, ms. */
function recoveryMs(plan: Plan, group: GroupPlan): number {
  const { controller } = group;
  const { keepAliveTimeoutMs, ioTimeoutMs, adminTimeoutMs, fabricsTimeoutMs } = controller;
  const detectMs = Math.max(2 * keepAliveTimeoutMs, 2 * ioTimeoutMs, 2 * adminTimeoutMs, PDU_MS);
  const { delayMs = 2_000, delayMaxMs = 10_000, jitter = 0.2 } = controller.reconnect;
  const waitMs = Math.max(delayMs, delayMaxMs) * (1 + jitter);
  return (
    fencingMs(plan, group) + detectMs + waitMs + controller.connectTimeoutMs + 3 * fabricsTimeoutMs
  );
}

/** A close without options is over by then, ms. */
export const CLOSE_BOUND_MS = 2_000;

/** Steps of a bring-up that may each take their whole time: admin commands, and Connect of queues. */
const BRING_UP_STEPS = 24;

/** Longest time until a request to a controller is answered, ms: an attempt at each of its addresses. */
export const answerMs = (options: ResolvedOptions): number =>
  options.transports.length *
  ((1 + options.ioQueues) * options.connectTimeoutMs + BRING_UP_STEPS * options.fabricsTimeoutMs);

/** Longest time in a disk, ms: see {@link DiskPlan}. */
export const diskMs = (plan: Plan): number =>
  Math.max(
    0,
    ...plan.targets.flatMap(({ subsystems }) =>
      subsystems.flatMap(({ namespaces }) =>
        namespaces.map(({ disk }) => (disk.pace.slowOneIn === 0 ? 0 : disk.pace.delayMaxMs)),
      ),
    ),
  );

/**
 * Longest time that a request may take, ms: for each of its parts a wait for a path and for room, the
 * deadline of the command, and what retries may add to it.
 */
export function requestMs(plan: Plan, group: GroupPlan): number {
  const elapsedMs = group.retry.elapsedMaxMs ?? defaultRetryLimits.elapsedMaxMs;
  const others = plan.users.reduce((sum, { depth }) => sum + depth, 0);
  return PARTS * (2 * elapsedMs + 2 * fenceMs(plan, group)) + others * group.controller.ioTimeoutMs;
}

/** KATO as the target rounds it, ms: up to whole seconds. */
const keepAliveMs = ({ controller }: GroupPlan): number =>
  Math.ceil(controller.keepAliveTimeoutMs / 1_000) * 1_000;

const quiesceMs = ({ targets }: Plan, { target }: GroupPlan): number =>
  targets[target]!.limits.commandQuiesceTimeMs ?? 0;

/** Time for which a write of unknown outcome is held, ms: until it is over, or by whom it is reset. */
const fenceMs = (plan: Plan, group: GroupPlan): number =>
  Math.max(3 * keepAliveMs(group) + quiesceMs(plan, group), fencingMs(plan, group));

/** Commands to one source of a reset: twice the reset, and the log before the second and at the end. */
const RESET_COMMANDS = 4;
/** How often each source is asked: again when it has connected again. */
const RESET_ROUNDS = 4;

/** Longest time that other controllers are asked to reset one that is lost, ms. */
export function fencingMs(plan: Plan, group: GroupPlan): number {
  const isNamed = plan.targets[group.target]!.incarnations === "named";
  if (group.fencing !== "reset" || !isNamed) return 0;
  const { resetMaxMs = defaultFenceLimits.resetMaxMs } = group.fenceLimits ?? {};
  const waitMs = Math.min(Math.max(keepAliveMs(group), quiesceMs(plan, group)), resetMaxMs);
  const sourceMs = waitMs + RESET_COMMANDS * group.controller.fabricsTimeoutMs;
  return RESET_ROUNDS * (group.paths.length - 1) * sourceMs;
}

export function budgetsOf(plan: Plan): Budgets {
  let settleMs = 0;
  let liveMs = 0;
  for (const { groups } of plan.hosts) {
    for (const group of groups) {
      const recovery = recoveryMs(plan, group);
      const elapsedMs = group.retry.elapsedMaxMs ?? defaultRetryLimits.elapsedMaxMs;
      settleMs = Math.max(settleMs, elapsedMs + fenceMs(plan, group) + 3 * recovery);
      const { lossMs = 0 } = group.controller.reconnect;
      liveMs = Math.max(liveMs, 3 * recovery, recovery + lossMs);
    }
  }
  return {
    settleMs: settleMs + RETRANSMISSION_MS,
    liveMs: liveMs + RETRANSMISSION_MS,
    workMs: settleMs + RETRANSMISSION_MS,
  };
}
