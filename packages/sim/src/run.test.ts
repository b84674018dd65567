// A run as a whole: the same for the same plan, and whatever is left out moves no other part.

import { expect, test } from "vitest";
import { planOf } from "./plan-of.ts";
import type { PathPolicy } from "@nvmeof/bdev/nvme";
import { smallPlan } from "./kept-seeds.ts";
import type { Plan, Step } from "./plan.ts";
import { run } from "./run.ts";
import { failureText, formatEvent, mergeFigures, noFigures } from "./verdict.ts";

const sample = [3, 14, 159, 2_653, 58_979];

test.each(sample)("I45: seed %i gives the same events each time", async (seed) => {
  const first = await run(planOf(seed), { keep: "all" });
  const again = await run(planOf(seed), { keep: "all" });
  expect(again.hash).toBe(first.hash);
  expect(again.events.map(formatEvent)).toEqual(first.events.map(formatEvent));
  expect(first.events.length).toBe(first.figures.events);
});

test("whether all events are kept or the last makes no difference to the run", async () => {
  const all = await run(planOf(7), { keep: "all" });
  const last = await run(planOf(7));
  expect(last.hash).toBe(all.hash);
  expect(last.events).toEqual(all.events.slice(-last.events.length));
});

test("a plan that was JSON in between is the same plan", async () => {
  const plan = planOf(11);
  const copy = JSON.parse(JSON.stringify(plan)) as Plan;
  expect(copy).toEqual(plan);
  expect((await run(copy)).hash).toBe((await run(plan)).hash);
});

test("runs side by side do not disturb each other", async () => {
  const alone = await run(planOf(21));
  const [first, second] = await Promise.all([run(planOf(21)), run(planOf(22))]);
  expect(first.hash).toBe(alone.hash);
  expect(second.hash).toBe((await run(planOf(22))).hash);
});

test("the requests of a user are the same when another user is left out", async () => {
  const plan = { ...planOf(5), steps: [] };
  const requestsOf = async (of: Plan): Promise<unknown[]> => {
    const { events } = await run(of, { keep: "all" });
    return events
      .filter(({ who, what }) => who === "user0" && what === "submit")
      .slice(0, 10)
      .map(({ fields: { op, lba, blockCount } }) => [op, lba, blockCount]);
  };
  expect(plan.users.length).toBeGreaterThan(1);
  const alone = { ...plan, users: plan.users.slice(0, 1) };
  expect(await requestsOf(alone)).toEqual(await requestsOf(plan));
});

test("figures of runs add up", async () => {
  const verdicts = [await run(planOf(1)), await run(planOf(2))];
  const sum = verdicts.map(({ figures }) => figures).reduce(mergeFigures, noFigures);
  expect(sum.runs).toBe(2);
  const [a, b] = verdicts.map(({ figures }) => figures);
  expect(sum.submitted).toBe(a!.submitted + b!.submitted);
  const settled = Object.values(sum.settled).reduce((total, number) => total + number, 0);
  expect(settled).toBe(sum.submitted);
});

test("I43: who cannot come back although all is well is found", async () => {
  // Bring-up takes longer than KATO, and this target does not count commands as signs of life.
  const plan: Plan = {
    ...smallPlan,
    targets: smallPlan.targets.map((target) => ({ ...target, trafficKeepAlive: false })),
    hosts: smallPlan.hosts.map(({ id, groups }) => ({
      id,
      groups: groups.map((group) => ({
        ...group,
        controller: { ...group.controller, keepAliveTimeoutMs: 1_000 },
      })),
    })),
    weather: { ...smallPlan.weather, latencyMs: 120 },
  };
  expect((await run(plan)).violation?.invariant).toBe("I43");
});

const loses = (lossMs: number): Plan["hosts"] =>
  smallPlan.hosts.map(({ id, groups }) => ({
    id,
    groups: groups.map((group) => {
      const { controller } = group;
      const reconnect = { ...controller.reconnect, lossMs };
      return { ...group, controller: { ...controller, reconnect } };
    }),
  }));

test.each(["refuses", "silent"] as const)(
  "I44: a target that %s for good is given up after the loss timeout",
  async (how) => {
    const dead = [{ target: 0, port: 0, how }];
    const verdict = await run({ ...smallPlan, hosts: loses(6_000), dead }, { keep: "all" });
    expect(failureText(verdict)).toBe("");
    const { edges } = verdict.figures;
    const given =
      (edges["recovering > closing: lossElapsed"] ?? 0) +
      (edges["waiting > closing: lossElapsed"] ?? 0);
    expect(given).toBe(1);
  },
);

test("a step for somebody whom the world does not have is passed over", async () => {
  const steps: Step[] = [
    { kind: "reset", host: 7, group: 0, path: 0, atMs: 100 },
    { kind: "reset", host: 0, group: 7, path: 0, atMs: 100 },
    { kind: "reset", host: 0, group: 0, path: 7, atMs: 100 },
    { kind: "freeze", target: 7, ms: 100, atMs: 100 },
    { kind: "namespace-removed", target: 0, subsystem: 3, nsid: 9, againMs: 5, atMs: 100 },
  ];
  expect(failureText(await run({ ...smallPlan, steps }))).toBe("");
});

test("what somebody throws in the midst of a run is a violation, and not the end of everything", async () => {
  const policy = { mode: "no such mode" } as unknown as PathPolicy;
  const steps: Step[] = [{ kind: "policy", host: 0, group: 0, policy, atMs: 100 }];
  const verdict = await run({ ...smallPlan, steps });
  expect(verdict.violation?.message).toContain("no path policy");
});
