// Fault plans by name: each is one question to a host or a target, and a beginning for a plan of one's own.
// Read first: kinds.ts; docs/chaos.md, "Selectors".

import type { ChaosPlanJson } from "./plan.ts";

interface Example {
  readonly asks: string;
  readonly faults: ChaosPlanJson["faults"];
}

const io = { queue: "io" } as const;

/** In the order in which they are listed. */
export const chaosExamples = {
  "slow-link": {
    asks: "Does it keep its timeouts over 50 ms of latency and 10 MB/s?",
    faults: [
      { kind: "latency", latencyMs: 25, jitterMs: 5 },
      { kind: "bandwidth", bytesPerSecond: 10_000_000, select: { direction: "downstream" } },
    ],
  },
  "lost-completion": {
    asks: "Does a read whose answer never comes time out, and does the host recover?",
    faults: [
      { kind: "drop-pdu", select: { ...io, pdu: "CapsuleResp", opcode: "read", nth: 10 } },
      { kind: "drop-pdu", select: { ...io, pdu: "C2HData", opcode: "read", nth: 30 } },
    ],
  },
  "lost-write-answer": {
    asks: "Is a write of unknown outcome fenced before it is sent again?",
    faults: [{ kind: "drop-pdu", select: { ...io, pdu: "CapsuleResp", opcode: "write", nth: 10 } }],
  },
  "kato-starve": {
    asks: "What becomes of a controller whose Keep Alive is lost, and of its host?",
    faults: [{ kind: "kato-starve", select: { afterMs: 5_000 } }],
  },
  "bad-digests": {
    asks: "Are digests checked? Connect with header and data digests.",
    faults: [
      { kind: "bad-ddgst", select: { ...io, direction: "downstream", every: 50 } },
      { kind: "bad-ddgst", select: { ...io, direction: "upstream", every: 50 } },
      { kind: "bad-hdgst", select: { ...io, nth: 1_000 } },
    ],
  },
  "silent-corruption": {
    asks: "Does what lies above notice data that is wrong though its digest is right?",
    faults: [
      {
        kind: "flip-bit",
        where: "data",
        select: { ...io, pdu: "C2HData", opcode: "read", probability: 0.001 },
      },
    ],
  },
  "reset-storm": {
    asks: "Do requests survive a reset of each connection after 2 s?",
    faults: [{ kind: "reset_peer", timeoutMs: 2_000 }],
  },
  blackhole: {
    asks: "How long until silence is noticed, without a FIN or RST?",
    faults: [{ kind: "blackhole", select: { ...io, pdu: "CapsuleCmd", nth: 100 } }],
  },
  "half-open": {
    asks: "Does the side that was not told find out?",
    faults: [
      { kind: "half-open", loses: "controller", select: { ...io, pdu: "CapsuleCmd", nth: 100 } },
    ],
  },
  "late-answers": {
    asks: "Are answers out of order taken for the right commands?",
    faults: [
      { kind: "hold-response", holdMs: 200, select: { ...io, every: 10 } },
      { kind: "reorder", afterPdus: 2, select: { ...io, pdu: "CapsuleResp", every: 7 } },
    ],
  },
  "wrong-completions": {
    asks: "Does the host refuse completions of no command, and those that come twice?",
    faults: [
      { kind: "dup-completion", select: { ...io, nth: 50 } },
      { kind: "unknown-cid", select: { ...io, pdu: "CapsuleResp", nth: 120 } },
    ],
  },
  "bad-transfers": {
    asks: "Does the host refuse R2Ts and data beyond what it asked for?",
    faults: [
      { kind: "r2t-overrun", select: { ...io, nth: 5 } },
      { kind: "short-data", select: { ...io, direction: "downstream", nth: 20 } },
      { kind: "extra-data", select: { ...io, direction: "downstream", nth: 40 } },
    ],
  },
  "busy-target": {
    asks: "Is Namespace Not Ready retried, and an error with Do Not Retry not?",
    faults: [
      { kind: "status", sct: 0, sc: 0x82, select: { ...io, opcode: ["read", "write"], every: 20 } },
      { kind: "status", sct: 2, sc: 0x81, dnr: true, select: { ...io, opcode: "read", nth: 97 } },
    ],
  },
  outage: {
    asks: "Does it come back after 5 s without the target?",
    faults: [{ kind: "down", select: { afterMs: 5_000, untilMs: 10_000 } }],
  },
} as const satisfies Readonly<Record<string, Example>>;

/** An example by its name. */
export type ChaosExample = keyof typeof chaosExamples;

/** The names, in their order. */
export const chaosExampleNames = Object.keys(chaosExamples) as readonly ChaosExample[];

/** A plan by its name, as it is written. */
export function chaosExample(
  name: ChaosExample,
  seed = 1,
): ChaosPlanJson & { description: string } {
  const { asks, faults } = chaosExamples[name];
  return { version: 1, description: asks, seed, faults };
}
