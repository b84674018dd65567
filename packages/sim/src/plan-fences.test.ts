// Trouble for fences: a disk that stands still, a loss in the midst of it, and what follows.

import { expect, test } from "vitest";
import { fenceTroubles } from "./plan-fences.ts";
import { planOf } from "./plan-of.ts";
import type { Step } from "./plan.ts";
import { SimRandom } from "./random.ts";

const remedy = () =>
  ({ kind: "policy", host: 0, group: 0, policy: { mode: "active-passive" } }) as const;
const troubles = Array.from({ length: 300 }, (_, seed) => {
  const plan = planOf(seed);
  return { plan, steps: fenceTroubles(new SimRandom(seed), plan, remedy) };
});

const ofKind = <K extends Step["kind"]>(steps: readonly Step[], kind: K) =>
  steps.filter((step): step is Step & { readonly kind: K } => step.kind === kind);

test("every loss is of a disk's time of standing still", () => {
  for (const { steps } of troubles) {
    const frozen = ofKind(steps, "disk-frozen");
    expect(steps.length === 0).toBe(frozen.length === 0);
    for (const { atMs, ms } of frozen) {
      const lost = ofKind(steps, "lost").filter(
        (each) => each.atMs > atMs && each.atMs <= atMs + ms,
      );
      expect(lost.length).toBeGreaterThan(0);
    }
  }
});

test("the loss is of a path beside which there are others, where users have any such", () => {
  for (const { plan, steps } of troubles) {
    const groups = plan.users.map(({ host, group }) => plan.hosts[host]!.groups[group]!);
    const apt = groups.filter(({ paths, fencing }) => paths.length > 1 && fencing === "reset");
    for (const { host, group } of ofKind(steps, "lost")) {
      const concerned = plan.hosts[host]!.groups[group]!;
      expect(apt.length === 0 || apt.includes(concerned)).toBe(true);
    }
  }
});

test("sources are lost too, targets freeze or begin anew, single paths return, other events come", () => {
  const kinds = new Set(troubles.flatMap(({ steps }) => steps.map(({ kind }) => kind)));
  expect(Array.from(kinds).sort()).toEqual([
    "ana",
    "disk-frozen",
    "freeze",
    "lost",
    "network",
    "policy",
    "restart",
  ]);
  const several = troubles.filter(
    ({ steps }) => new Set(ofKind(steps, "lost").map(({ path }) => path)).size > 1,
  );
  expect(several.length).toBeGreaterThan(10);
});
