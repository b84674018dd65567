// Plans: a seed decides all of one, and together they reach every kind of everything.

import { expect, test } from "vitest";
import { planOf } from "./plan-of.ts";

const all = `admin, ana, destroy, detach, device-close, device-reset, disable, disk-errors,
  disk-frozen, enable, forbid, freeze, lost, meddle, move, namespace-removed,
  network admission, network fin, network heal, network reset, network silence,
  network stop-reading, network trip, network vanish, network weather, policy, port-closed,
  prefer, rescan, reset, resized, restart, stall`
  .split(",")
  .map((name) => name.trim());

const plans = Array.from({ length: 600 }, (_, seed) => planOf(seed));

test("a seed gives the same plan each time, and another seed another one", () => {
  expect(planOf(17)).toEqual(planOf(17));
  expect(planOf(17)).not.toEqual(planOf(18));
});

test("steps are in the order of their time", () => {
  for (const { steps } of plans) {
    const times = steps.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  }
});

test("what a plan names it has: ports, subsystems, namespaces, groups", () => {
  for (const { targets, hosts, users } of plans) {
    for (const { groups } of hosts) {
      expect(groups.length).toBeGreaterThan(0);
      for (const { target, subsystem, paths } of groups) {
        expect(targets[target]!.subsystems[subsystem]).toBeDefined();
        for (const port of paths.flat()) expect(port).toBeLessThan(targets[target]!.ports);
      }
    }
    for (const { host, group, nsid, firstLba, blockCount } of users) {
      const { target, subsystem } = hosts[host]!.groups[group]!;
      const { namespaces } = targets[target]!.subsystems[subsystem]!;
      const namespace = namespaces.find((each) => each.nsid === nsid)!;
      expect(firstLba + blockCount).toBeLessThanOrEqual(namespace.blockCount);
    }
  }
});

test("plans have all kinds of steps, each of them only some (swarm testing)", () => {
  const kinds = new Map<string, number>();
  for (const { steps } of plans) {
    const own = steps.map((step) =>
      step.kind === "network" ? `network ${step.fault.kind}` : step.kind,
    );
    for (const kind of new Set(own)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  expect(Array.from(kinds.keys()).sort()).toEqual(all);
  for (const name of all) {
    expect(kinds.get(name), name).toBeGreaterThan(20);
    expect(kinds.get(name), name).toBeLessThan(500);
  }
});

test("ports are reached by all transports, mixed and alone; most targets take resets of controllers", () => {
  const targets = plans.flatMap((plan) => plan.targets);
  const mixes = new Set(
    targets.map(({ transports = ["tcp"] }) => [...new Set(transports)].sort().join(" ")),
  );
  expect(Array.from(mixes).sort()).toEqual([
    "fc",
    "fc memory",
    "fc memory tcp",
    "fc tcp",
    "memory",
    "memory tcp",
    "tcp",
  ]);
  for (const { transports, ports } of targets) expect(transports?.length ?? ports).toBe(ports);
  const named = targets.filter(({ incarnations }) => incarnations === "named");
  expect(named.length / targets.length).toBeGreaterThan(0.6);
});

test("what is in this process is never out of reach", () => {
  for (const { dead, targets } of plans) {
    for (const { target, port } of dead) {
      expect(targets[target]!.transports?.[port]).not.toBe("memory");
    }
  }
});
