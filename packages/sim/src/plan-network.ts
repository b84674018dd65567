// The network's faults of a plan: a scope and a fault by chance. Each kind is one of the swarm.
// Read first: network/fault.ts; plan-steps.ts, which uses it.

import type { FaultScope, NetworkFault } from "./network/fault.ts";
import type { SimRandom } from "./random.ts";

/** A fault for the connections that `scope` names. */
type FaultMaker = (chance: SimRandom, scope: FaultScope) => NetworkFault;

const side = (chance: SimRandom) => chance.pick(["host", "controller"] as const);
const direction = (chance: SimRandom) => chance.pick(["toController", "toHost"] as const);

/** One connection, or all of the scope. */
const some = (chance: SimRandom, scope: FaultScope): FaultScope =>
  chance.oneIn(2) ? { ...scope, pick: chance.below(6) } : scope;

/** All kinds, by name. */
export const faultMakers: Readonly<Record<string, FaultMaker>> = {
  "reset by all": (chance, scope) => ({ kind: "reset", seenBy: "both", ...some(chance, scope) }),
  "reset by one": (chance, scope) => ({
    kind: "reset",
    seenBy: side(chance),
    ...some(chance, scope),
  }),
  fin: (chance, scope) => ({ kind: "fin", from: side(chance), ...some(chance, scope) }),
  vanish: (chance, scope) => ({ kind: "vanish", side: side(chance), ...some(chance, scope) }),
  silence: (chance, scope) => ({ kind: "silence", ...some(chance, scope) }),
  "silence of one way": (chance, scope) => ({
    kind: "silence",
    direction: direction(chance),
    ...some(chance, scope),
  }),
  trip: (chance, scope) => ({
    kind: "trip",
    direction: direction(chance),
    afterWrites: chance.below(12),
    bytes: chance.below(200),
    how: chance.pick(["reset", "fin", "silence"] as const),
    ...scope,
  }),
  refused: (_chance, scope) => ({ kind: "admission", admission: "refused", ...scope }),
  unanswered: (_chance, scope) => ({ kind: "admission", admission: "unanswered", ...scope }),
  "slow to answer": (chance, scope) => ({
    kind: "admission",
    admission: chance.between(10, 2_000),
    ...scope,
  }),
  "stop reading": (chance, scope) => ({
    kind: "stop-reading",
    side: side(chance),
    ...some(chance, scope),
  }),
  slow: (chance, scope) => ({
    kind: "weather",
    weather: { bytesPerMs: chance.pick([2, 10, 50]), latencyMs: chance.pick([1, 30]) },
    ...some(chance, scope),
  }),
  pieces: (chance, scope) => ({
    kind: "weather",
    weather: { cut: chance.pick(["random", "bytes"] as const), jitterMs: chance.pick([0, 1, 20]) },
    ...some(chance, scope),
  }),
  loss: (chance, scope) => ({
    kind: "weather",
    weather: { lossOneIn: chance.pick([4, 20, 100]) },
    ...some(chance, scope),
  }),
  harm: (chance, scope) => ({
    kind: "weather",
    weather: {
      // Often: few connections have digests, and without one a piece is left alone.
      harmOneIn: chance.pick([2, 4, 16]),
      harm: chance.pick(["header", "payload", "payload", "either"] as const),
    },
    ...scope,
  }),
};

/** One port, one host, both, or everybody. */
export function faultScope(
  chance: SimRandom,
  ports: readonly string[],
  hosts: readonly string[],
): FaultScope {
  const port = chance.pick(ports);
  const host = chance.pick(hosts);
  switch (chance.below(8)) {
    case 0:
      return {};
    case 1:
      return { host };
    case 2:
    case 3:
      return { host, port };
    default:
      return { port };
  }
}
