// What a port is reached by, in whole runs: the same work over each, and what faults do to which.

import { describe, expect, test } from "vitest";
import { smallPlan } from "../kept-seeds.ts";
import type { Plan, Step } from "../plan.ts";
import { run } from "../run.ts";
import { failureText } from "../verdict.ts";
import type { NetworkFault } from "./fault.ts";
import type { PortTransport } from "./ways.ts";

const over = (transport: PortTransport, steps: readonly Step[] = []): Plan => ({
  ...smallPlan,
  targets: smallPlan.targets.map((target) => ({
    ...target,
    transports: Array.from({ length: target.ports }, () => transport),
  })),
  steps,
});

/** Times that a live controller was lost, in a run that is otherwise clean. */
async function losses(plan: Plan): Promise<number> {
  const verdict = await run(plan);
  expect(failureText(verdict)).toBe("");
  const { edges } = verdict.figures;
  const lost = Object.keys(edges).filter((edge) => /^live > .*: (lost|flapped)/.test(edge));
  return lost.reduce((sum, edge) => sum + edges[edge]!, 0);
}

/** From a moment at which everybody is connected, for long enough to be noticed. */
const during = (fault: NetworkFault): Step[] => [
  { kind: "network", fault, atMs: 100 },
  { kind: "network", fault: { kind: "heal" }, atMs: 9_000 },
];

test.each(["tcp", "memory", "fc"] as const)("the same work is done over %s", async (transport) => {
  const verdict = await run(over(transport));
  expect(failureText(verdict)).toBe("");
  expect(verdict.figures.settled).toEqual({ done: 13 });
  const again = await run(over(transport));
  expect(again.hash).toBe(verdict.hash);
});

describe("a controller is lost, and comes back", () => {
  const faults: readonly (readonly [string, NetworkFault])[] = [
    ["a network that is silent", { kind: "silence" }],
    ["one that is silent to hosts", { kind: "silence", direction: "toHost" }],
    ["a reset", { kind: "reset", seenBy: "both" }],
  ];
  test.each(faults)("over TCP and FC by %s, over memory not", async (_what, fault) => {
    expect(await losses(over("tcp", during(fault)))).toBeGreaterThan(0);
    expect(await losses(over("fc", during(fault)))).toBeGreaterThan(0);
    expect(await losses(over("memory", during(fault)))).toBe(0);
  });

  test.each(["tcp", "memory", "fc"] as const)("over %s by the end of a process", async (by) => {
    const step = { kind: "restart", target: 0, downMs: 500, data: "same", power: "on" } as const;
    expect(await losses(over(by, [{ ...step, atMs: 100 }]))).toBeGreaterThan(0);
  });
});

test("no frame is sent twice: what costs a stream some time costs FC its association", async () => {
  const loss: NetworkFault = { kind: "weather", weather: { lossOneIn: 2 } };
  expect(await losses(over("fc", during(loss)))).toBeGreaterThan(0);
  const harm: NetworkFault = { kind: "weather", weather: { harmOneIn: 2 } };
  expect(await losses(over("fc", during(harm)))).toBeGreaterThan(0);
  expect(await losses(over("tcp", during(harm)))).toBe(0);
});

test.each(["refused", "unanswered"] as const)(
  "who is lost and %s does not come back before",
  async (admission) => {
    const steps: Step[] = [
      { kind: "network", fault: { kind: "admission", admission }, atMs: 100 },
      { kind: "network", fault: { kind: "reset", seenBy: "both" }, atMs: 101 },
      { kind: "network", fault: { kind: "heal" }, atMs: 9_000 },
    ];
    for (const transport of ["tcp", "fc"] as const) {
      const { violation, figures } = await run(over(transport, steps));
      expect(violation).toBeUndefined();
      expect(figures.edges["recovering > waiting: failed"], transport).toBeGreaterThan(0);
    }
  },
);

test("what only streams know does nothing to frames", async () => {
  const faults: readonly NetworkFault[] = [
    { kind: "fin", from: "host" },
    { kind: "vanish", side: "controller" },
    { kind: "stop-reading", side: "controller" },
    { kind: "trip", direction: "toHost", afterWrites: 0, bytes: 3, how: "reset" },
  ];
  for (const fault of faults) expect(await losses(over("fc", during(fault))), fault.kind).toBe(0);
});
