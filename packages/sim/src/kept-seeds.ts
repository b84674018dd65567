// Plans of seeds that have found a bug of the product: run again at every change.
// Read first: plan.ts. A seed means another plan once planOf changes, so that the plan itself is kept,
// made as small as it can be.

import type { ControllerPlan, GroupPlan, Plan, UserPlan } from "./plan.ts";

/** A plan that once failed. */
export interface KeptSeed {
  /** The seed that found it, with the planOf of that day. */
  readonly seed: number;
  /** What it was. */
  readonly found: string;
  /** Which invariant did not hold. */
  readonly invariant: string;
  readonly plan: Plan;
}

const controller: ControllerPlan = {
  ioQueues: 1,
  queueEntries: 16,
  keepAliveTimeoutMs: 4_000,
  connectTimeoutMs: 1_000,
  fabricsTimeoutMs: 2_000,
  ioTimeoutMs: 3_000,
  adminTimeoutMs: 10_000,
  onTimeout: "reset",
  disableSqFlow: true,
  transferBytesMax: 16_384,
  reconnect: { delayMs: 400, delayMaxMs: 1_600, fastFailMs: 5_000, lossMs: -1 },
};

const group: GroupPlan = {
  id: 0,
  target: 0,
  subsystem: 0,
  paths: [[0]],
  policy: { mode: "active-passive" },
  fencing: "timed",
  retry: { elapsedMaxMs: 8_000 },
  controller,
  headerDigest: false,
  dataDigest: false,
  pda: 0,
};

const user: UserPlan = {
  id: 0,
  host: 0,
  group: 0,
  nsid: 1,
  firstLba: 0,
  blockCount: 16,
  depth: 1,
  pauseMs: 500,
  blocksMax: 1,
  mix: { read: 1, write: 1, flush: 0, writeZeroes: 0, compare: 0, deallocate: 0, verify: 0 },
  abortOneIn: 0,
  fuaOneIn: 0,
  afterUnknown: "waits",
  manner: "steady",
  next: "later",
  requests: 10,
};

/** A host, a target, a path, a namespace and a user, and nothing that goes wrong. */
export const smallPlan: Plan = {
  seed: 1,
  targets: [
    {
      ports: 1,
      subsystems: [
        {
          namespaces: [
            {
              nsid: 1,
              blockCount: 64,
              anaGroup: 1,
              disk: {
                pace: { slowOneIn: 0, delayMaxMs: 0 },
                cache: "none",
                transferBlocksMax: 256,
                inflightMax: 1_024,
              },
            },
          ],
        },
      ],
      limits: {},
      trafficKeepAlive: true,
      pda: 0,
    },
  ],
  hosts: [{ id: 0, groups: [group] }],
  weather: {
    latencyMs: 0.2,
    jitterMs: 0,
    bytesPerMs: 0,
    cut: "whole",
    lossOneIn: 0,
    harmOneIn: 0,
    harm: "either",
  },
  users: [user],
  steps: [],
  safetyMs: 20_000,
  dead: [],
  ending: "rest",
};

const withController = (change: Partial<ControllerPlan>): Plan["hosts"] => [
  { id: 0, groups: [{ ...group, controller: { ...controller, ...change } }] },
];

/** Plans that have found a bug, and what it was. They are run again at every change. */
export const keptSeeds: readonly KeptSeed[] = [
  {
    seed: 1_193,
    found:
      "keep-alive began to count at the end of the bring-up, and the target at Connect: over a slow way the controller expired just after it had come, again and again",
    invariant: "I43",
    plan: {
      ...smallPlan,
      targets: smallPlan.targets.map((target) => ({ ...target, trafficKeepAlive: false })),
      hosts: withController({ keepAliveTimeoutMs: 1_000 }),
      weather: { ...smallPlan.weather, latencyMs: 33 },
    },
  },
  {
    seed: 20_011,
    found:
      "the ANA log was not read again for a namespace whose group it did not have yet: its path stayed a last resort for good",
    invariant: "I43",
    plan: {
      ...smallPlan,
      steps: [
        {
          kind: "namespace-removed",
          target: 0,
          subsystem: 0,
          nsid: 1,
          againMs: 3_000,
          atMs: 1_000,
        },
        { kind: "destroy", host: 0, group: 0, againMs: 100, atMs: 1_200 },
      ],
    },
  },
  {
    seed: 2_988,
    found:
      "an admin command that came between the loss of its queue and what follows from it failed without a status",
    invariant: "I9",
    plan: {
      ...smallPlan,
      targets: smallPlan.targets.map((target) => ({ ...target, transports: ["fc"] })),
      hosts: withController({ keepAliveTimeoutMs: 1_000 }),
      users: [],
      steps: [
        { kind: "stall", host: 0, ms: 4_190, atMs: 234 },
        {
          kind: "admin",
          host: 0,
          group: 0,
          path: 0,
          what: "log",
          timeoutMs: 50,
          atMs: 3_580,
        },
      ],
    },
  },
  {
    seed: 36_997,
    found:
      "an event of changed namespaces took the place of a scan that had failed and was due again: the namespaces that it had not seen were never found",
    invariant: "I43",
    plan: {
      ...smallPlan,
      hosts: withController({ keepAliveTimeoutMs: 6_000, fabricsTimeoutMs: 300 }),
      users: [],
      steps: [
        { kind: "destroy", host: 0, group: 0, againMs: 500, atMs: 1_000 },
        {
          kind: "network",
          fault: {
            kind: "trip",
            direction: "toController",
            afterWrites: 11,
            bytes: 10,
            how: "silence",
          },
          atMs: 1_200,
        },
        {
          kind: "namespace-removed",
          target: 0,
          subsystem: 0,
          nsid: 1,
          againMs: 750,
          atMs: 1_300,
        },
        { kind: "network", fault: { kind: "heal" }, atMs: 1_900 },
      ],
    },
  },
  {
    seed: 83_492,
    found:
      "a full scan that was owed took the place of that of an event and did not read its log: the controller told of no change any more",
    invariant: "I43",
    plan: {
      ...smallPlan,
      hosts: withController({ keepAliveTimeoutMs: 3_000 }).map((host) => ({
        ...host,
        groups: host.groups.map((each) => ({ ...each, dataDigest: true })),
      })),
      users: [],
      steps: [
        {
          kind: "network",
          fault: { kind: "weather", weather: { harmOneIn: 3, harm: "payload" } },
          atMs: 1_000,
        },
        { kind: "network", fault: { kind: "reset", seenBy: "both" }, atMs: 1_100 },
        { kind: "network", fault: { kind: "heal" }, atMs: 2_500 },
        {
          kind: "namespace-removed",
          target: 0,
          subsystem: 0,
          nsid: 1,
          againMs: 2_862,
          atMs: 2_530,
        },
      ],
    },
  },
];
