// A fault plan that a seed makes: a few faults of all kinds, with values that leave a run alive for a while.
// Read first: kinds.ts; dice.ts.

import { Dice } from "./dice.ts";
import { type FaultKind, faultKinds, isByteKind } from "./kinds.ts";
import type { ChaosPlanJson } from "./plan.ts";

const FAULTS_MIN = 2;
const FAULTS_SPAN = 4;

/** PDUs of one run that pass before a fault befalls one, at most. */
const NTH_SPAN = 200;

/** Values for the kinds that have one without a default. */
const values: { readonly [K in FaultKind]?: (dice: Dice) => Readonly<Record<string, unknown>> } = {
  latency: (dice) => ({ latencyMs: 1 + dice.below(50), jitterMs: dice.below(10) }),
  jitter: (dice) => ({ jitterMs: 1 + dice.below(50) }),
  bandwidth: (dice) => ({ bytesPerSecond: 100_000 * (1 + dice.below(100)) }),
  slow_close: (dice) => ({ delayMs: 100 * (1 + dice.below(20)) }),
  timeout: (dice) => ({ timeoutMs: 1000 * (1 + dice.below(5)) }),
  reset_peer: (dice) => ({ timeoutMs: 500 * (1 + dice.below(10)) }),
  slicer: (dice) => ({ averageBytes: 1 + dice.below(2000) }),
  limit_data: (dice) => ({ bytes: 10_000 * (1 + dice.below(500)) }),
  "delay-pdu": (dice) => ({ delayMs: 1 + dice.below(500) }),
  "hold-response": (dice) => ({ holdMs: 1 + dice.below(500) }),
  status: () => ({ sct: 0, sc: 0x82 }),
};

/** What passes by itself does so in a window of time; the rest strikes some PDUs of the run. */
function selectOf(kind: FaultKind, dice: Dice): Readonly<Record<string, unknown>> {
  const afterMs = 500 * dice.below(10);
  if (isByteKind(kind)) return { afterMs, untilMs: afterMs + 1000 + 500 * dice.below(10) };
  if (kind === "kato-starve") return { afterMs };
  return { queue: "io", nth: 1 + dice.below(NTH_SPAN), count: 1 };
}

/**
 * The same seed gives the same plan.
 *
 * @param seed a whole number, 0 to 2^32 - 1; the plan's own as well.
 */
export function planFromSeed(seed: number): ChaosPlanJson {
  const dice = new Dice(seed);
  const kinds = Object.keys(faultKinds) as FaultKind[];
  const count = FAULTS_MIN + dice.below(FAULTS_SPAN);
  const faults = Array.from({ length: count }, () => {
    const kind = kinds[dice.below(kinds.length)]!;
    return { kind, ...values[kind]?.(dice), select: selectOf(kind, dice) };
  });
  return { version: 1, seed, faults };
}
