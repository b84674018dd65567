// Shrinking, with failures whose smallest plan is known: it must be found, and in few runs.

import { assert, asyncProperty, boolean, infiniteStream, nat } from "fast-check";
import { expect, test } from "vitest";
import { CALM } from "./network/weather.ts";
import type { GroupPlan, Plan, Step, UserPlan } from "./plan.ts";
import { planSize, shrink } from "./shrink.ts";

const group: GroupPlan = {
  id: 0,
  target: 0,
  subsystem: 0,
  paths: [[0], [1], [2]],
  policy: { mode: "active-passive" },
  fencing: "timed",
  retry: {},
  controller: {
    ioQueues: 4,
    queueEntries: 8,
    keepAliveTimeoutMs: 5_000,
    connectTimeoutMs: 3_000,
    fabricsTimeoutMs: 5_000,
    ioTimeoutMs: 30_000,
    adminTimeoutMs: 60_000,
    onTimeout: "reset",
    disableSqFlow: false,
    transferBytesMax: 65_536,
    reconnect: {},
  },
  headerDigest: true,
  dataDigest: true,
  pda: 3,
};

const user = (host: number, at: number): UserPlan => ({
  id: 2 * host + at,
  host,
  group: at,
  nsid: 1,
  firstLba: 0,
  blockCount: 64,
  depth: 8,
  pauseMs: 10,
  blocksMax: 16,
  mix: { read: 1, write: 1, flush: 0, writeZeroes: 0, compare: 0, deallocate: 0, verify: 0 },
  abortOneIn: 4,
  fuaOneIn: 4,
  afterUnknown: "waits",
  manner: "restless",
  next: "at-once",
  requests: 100,
});

const resetOf = (host: number, at: number, path: number, atMs: number): Step => ({
  kind: "reset",
  host,
  group: at,
  path,
  atMs,
});

/** Three hosts with two groups of three paths each, a user for each group, a reset for each path. */
const plan: Plan = {
  seed: 1,
  weather: CALM,
  targets: [],
  hosts: [0, 1, 2].map((id) => ({ id, groups: [group, { ...group, id: 1 }] })),
  users: [0, 1, 2].flatMap((host) => [user(host, 0), user(host, 1)]),
  steps: [0, 1, 2].flatMap((host) =>
    [0, 1].flatMap((at) =>
      [0, 1, 2].map((path) => resetOf(host, at, path, 1_000 * (host * 6 + at * 3 + path))),
    ),
  ),
  safetyMs: 60_000,
  dead: [{ target: 0, port: 2, how: "silent" }],
  ending: "midst",
};

const isReset = (step: Step): step is Step & { kind: "reset"; path: number } =>
  step.kind === "reset";

test("a failure that needs nothing comes down to one host, one path and no users", async () => {
  const { plan: least, end } = await shrink(plan, () => true);
  expect(planSize(least)).toEqual({
    hosts: 1,
    paths: 1,
    users: 0,
    requests: 0,
    steps: 0,
    safetyMs: 1,
  });
  expect(least).toMatchObject({ ending: "rest", dead: [] });
  expect(end).toBe("smallest");
});

test("what a failure needs stays, with numbers that still say the same", async () => {
  // The reset that came 16 s after the beginning, of a group with a user, by its second path.
  const fails = ({ hosts, users, steps }: Plan): boolean => {
    const step = steps.find(({ atMs }) => atMs === 16_000);
    if (step === undefined || !isReset(step)) return false;
    const paths = hosts[step.host]?.groups[step.group]?.paths ?? [];
    const used = users.some(({ host, group: at }) => host === step.host && at === step.group);
    return used && paths[step.path]?.[0] === 1;
  };
  expect(fails(plan)).toBe(true);
  const { plan: least } = await shrink(plan, fails);
  expect(least.hosts).toHaveLength(1);
  expect(least.hosts[0]!.groups).toHaveLength(1);
  expect(least.hosts[0]!.groups[0]!.paths).toEqual([[1]]);
  expect(least.users).toHaveLength(1);
  expect(least.users[0]).toMatchObject({ host: 0, group: 0, requests: 1, depth: 1 });
  expect(least.steps).toEqual([resetOf(0, 0, 0, 16_000)]);
  expect(least.safetyMs).toBeLessThanOrEqual(30_000);
});

test("nobody is left who concerns something that has gone", async () => {
  await assert(
    asyncProperty(infiniteStream(boolean()), async (answers) => {
      const fails = ({ hosts, users, steps }: Plan): boolean => {
        for (const { host, group: at } of users) {
          expect(hosts[host]?.groups[at]).toBeDefined();
        }
        for (const step of steps) {
          if (isReset(step)) {
            expect(hosts[step.host]?.groups[step.group]?.paths[step.path]).toBeDefined();
          }
        }
        return answers.next().value;
      };
      await shrink(plan, fails, { runsMax: 60 });
    }),
    { numRuns: 30 },
  );
});

test("any two steps that a failure needs are found, in a bounded number of runs", async () => {
  const at = nat(plan.steps.length - 1);
  await assert(
    asyncProperty(at, at, async (a, b) => {
      const needed = [plan.steps[a]!.atMs, plan.steps[b]!.atMs];
      const fails = ({ steps }: Plan): boolean =>
        needed.every((atMs) => steps.some((step) => step.atMs === atMs));
      const { plan: least, runs } = await shrink(plan, fails);
      expect(new Set(least.steps.map(({ atMs }) => atMs))).toEqual(new Set(needed));
      expect(runs).toBeLessThan(400);
    }),
    { numRuns: 30 },
  );
});

test("the runs are bounded, and each of them is told", async () => {
  const told: number[] = [];
  const { runs, end } = await shrink(plan, () => false, {
    runsMax: 5,
    progress: (now) => told.push(now.runs),
  });
  expect({ runs, end, told }).toEqual({ runs: 5, end: "budget", told: [1, 2, 3, 4, 5] });
});

test("whoever does not want to wait gets the best plan so far", async () => {
  let asked = 0;
  const { plan: best, end } = await shrink(plan, () => true, { stopped: () => ++asked > 3 });
  expect(end).toBe("stopped");
  expect(best.steps.length).toBeLessThan(plan.steps.length);
});
