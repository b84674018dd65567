// The steps of a plan: of all kinds of faults and operations a few, as often as chance has it.
// Read first: plan.ts for the kinds; plan-of.ts. Swarm testing: what is left out gives room to the rest.

import type { PathPolicy } from "@nvmeof/bdev/nvme";
import { AnaState } from "@nvmeof/codec";
import type { NetworkFault } from "./network/fault.ts";
import { faultMakers, faultScope } from "./plan-network.ts";
import { fenceTroubles } from "./plan-fences.ts";
import type { GroupPlan, Scene, Step, SubsystemPlan } from "./plan.ts";
import type { SimRandom } from "./random.ts";
import { hostName } from "./sim-host.ts";
import { portName } from "./sim-target.ts";

/** A step without its time; undefined where the world has nothing that it could befall. */
type Made = Omit<Step, "atMs"> | undefined;

type Maker = (chance: SimRandom, scene: Scene) => Made;

function pathOf(
  chance: SimRandom,
  { hosts }: Scene,
): { host: number; group: number; path: number } {
  const host = chance.below(hosts.length);
  const group = chance.below(hosts[host]!.groups.length);
  return { host, group, path: chance.below(hosts[host]!.groups[group]!.paths.length) };
}

function groupOf(
  chance: SimRandom,
  scene: Scene,
): { host: number; group: number; plan: GroupPlan } {
  const { host, group } = pathOf(chance, scene);
  return { host, group, plan: scene.hosts[host]!.groups[group]! };
}

function subsystemOf(
  chance: SimRandom,
  { targets }: Scene,
): { target: number; subsystem: number; plan: SubsystemPlan } {
  const target = chance.below(targets.length);
  const subsystem = chance.below(targets[target]!.subsystems.length);
  return { target, subsystem, plan: targets[target]!.subsystems[subsystem]! };
}

function namespaceOf(
  chance: SimRandom,
  scene: Scene,
): { target: number; subsystem: number; nsid: number } {
  const { target, subsystem, plan } = subsystemOf(chance, scene);
  return { target, subsystem, nsid: chance.pick(plan.namespaces).nsid };
}

function portOf(chance: SimRandom, { targets }: Scene): { target: number; port: number } {
  const target = chance.below(targets.length);
  return { target, port: chance.below(targets[target]!.ports) };
}

const states = [AnaState.Optimized, AnaState.NonOptimized, AnaState.Inaccessible, AnaState.Change];

/** Of groups, at first and later. */
export const policies: readonly PathPolicy[] = [
  { mode: "active-passive" },
  { mode: "active-passive", failback: false },
  { mode: "active-passive", failbackDelayMs: 700 },
  { mode: "active-active", selector: "round-robin" },
  { mode: "active-active", selector: "round-robin", minRequests: 3 },
  { mode: "active-active", selector: "queue-depth" },
];

/** All kinds, by name: a run has some of them. */
const makers: Readonly<Record<string, Maker>> = {
  reset: (chance, scene) => ({ kind: "reset", ...pathOf(chance, scene) }),
  disable: (chance, scene) => ({ kind: "disable", ...pathOf(chance, scene) }),
  enable: (chance, scene) => ({ kind: "enable", ...pathOf(chance, scene) }),
  lost: (chance, scene) => ({ kind: "lost", ...pathOf(chance, scene) }),
  rescan: (chance, scene) => ({ kind: "rescan", ...pathOf(chance, scene) }),
  prefer: (chance, scene) => ({ kind: "prefer", ...pathOf(chance, scene) }),
  detach: (chance, scene) => ({
    kind: "detach",
    ...pathOf(chance, scene),
    againMs: chance.between(1, 4_000),
  }),
  move: (chance, scene) => ({
    kind: "move",
    ...pathOf(chance, scene),
    againMs: chance.between(1, 4_000),
  }),
  admin: (chance, scene) => ({
    kind: "admin",
    ...pathOf(chance, scene),
    what: chance.pick(["identify", "log"] as const),
    timeoutMs: chance.pick([50, 1_000, 5_000]),
  }),
  "device-reset": (chance, scene) => {
    const { host, group, plan } = groupOf(chance, scene);
    const { namespaces } = scene.targets[plan.target]!.subsystems[plan.subsystem]!;
    return { kind: "device-reset", host, group, nsid: chance.pick(namespaces).nsid };
  },
  "device-close": (chance, scene) => {
    const { host, group, plan } = groupOf(chance, scene);
    const { namespaces } = scene.targets[plan.target]!.subsystems[plan.subsystem]!;
    const { nsid } = chance.pick(namespaces);
    return { kind: "device-close", host, group, nsid, againMs: chance.between(0, 4_000) };
  },
  policy: (chance, scene) => {
    const { host, group } = groupOf(chance, scene);
    return { kind: "policy", host, group, policy: chance.pick(policies) };
  },
  destroy: (chance, scene) => {
    const { host, group } = groupOf(chance, scene);
    return { kind: "destroy", host, group, againMs: chance.between(0, 3_000) };
  },
  stall: (chance, { hosts }) => ({
    kind: "stall",
    host: chance.below(hosts.length),
    ms: chance.between(50, 6_000),
  }),
  meddle: (chance, scene) => ({
    kind: "meddle",
    ...pathOf(chance, scene),
    state: chance.pick(["recovering", "waiting", "live", "disabled", "closing"] as const),
    does: chance.pick(["reset", "disable", "detach", "destroy", "submit"] as const),
  }),
  freeze: (chance, { targets }) => ({
    kind: "freeze",
    target: chance.below(targets.length),
    ms: chance.between(100, 12_000),
  }),
  restart: (chance, { targets }) => ({
    kind: "restart",
    target: chance.below(targets.length),
    downMs: chance.between(0, 3_000),
    data: chance.oneIn(4) ? "other" : "same",
    power: chance.oneIn(3) ? "lost" : "on",
  }),
  ana: (chance, scene) => {
    const { target, subsystem, plan } = subsystemOf(chance, scene);
    const { anaGroup } = chance.pick(plan.namespaces);
    const port = chance.oneIn(3) ? 0 : 1 + chance.below(scene.targets[target]!.ports);
    return { kind: "ana", target, subsystem, anaGroup, state: chance.pick(states), port };
  },
  "namespace-removed": (chance, scene) => ({
    kind: "namespace-removed",
    ...namespaceOf(chance, scene),
    againMs: chance.between(0, 3_000),
  }),
  resized: (chance, scene) => {
    const { target, subsystem, nsid } = namespaceOf(chance, scene);
    const { namespaces } = scene.targets[target]!.subsystems[subsystem]!;
    const { blockCount } = namespaces.find((each) => each.nsid === nsid)!;
    const least = Math.floor(blockCount / 2);
    return { kind: "resized", target, subsystem, nsid, blockCount: chance.between(least, 512) };
  },
  forbid: (chance, scene) => {
    const { target, subsystem } = subsystemOf(chance, scene);
    return { kind: "forbid", target, subsystem, ms: chance.between(10, 4_000) };
  },
  "port-closed": (chance, scene) => ({
    kind: "port-closed",
    ...portOf(chance, scene),
    ms: chance.between(10, 4_000),
    connections: chance.oneIn(2) ? "keep" : "drop",
  }),
  "disk-frozen": (chance, scene) => ({
    kind: "disk-frozen",
    ...namespaceOf(chance, scene),
    ms: chance.between(10, 3_000),
  }),
  "disk-errors": (chance, scene) => ({
    kind: "disk-errors",
    ...namespaceOf(chance, scene),
    errors: {
      count: chance.between(1, 5),
      error: chance.oneIn(2) ? "media" : "busy",
      crd: chance.below(2),
      lasts: chance.oneIn(3) ? "final" : "passing",
    },
  }),
};

/** Kinds of operations, and of the network's faults, that a run has. */
const KINDS_MIN = 1;
const KINDS_MAX = 7;
const FAULT_KINDS_MAX = 5;
/** Chance, in percent, that a step is one of the network's faults, where both are enabled. */
const FAULT_PERCENT = 50;
/** How long a fault of the network lasts that lasts, ms. */
const FAULT_MS_MIN = 100;
const FAULT_MS_MAX = 9_000;
/** Mean time between two steps, ms. */
const PAUSES_MS = [2_500, 5_000, 10_000];

/** Some of the names, as many as chance has it. */
function swarm(chance: SimRandom, names: readonly string[], least: number, most: number): string[] {
  const left = names.slice();
  const enabled: string[] = [];
  for (let wanted = chance.between(least, most); wanted > 0; wanted--) {
    enabled.push(...left.splice(chance.below(left.length), 1));
  }
  return enabled;
}

/** A fault, and the end of it. */
function networkSteps(chance: SimRandom, scene: Scene, name: string, atMs: number): Step[] {
  const ports = scene.targets.flatMap(({ ports: count }, target) =>
    Array.from({ length: count }, (_, port) => portName(target, port)),
  );
  const hosts = scene.hosts.map(({ id }) => hostName(id));
  const scope = faultScope(chance, ports, hosts);
  const fault = faultMakers[name]!(chance, scope);
  const healMs = atMs + chance.between(FAULT_MS_MIN, FAULT_MS_MAX);
  const step: Step = { kind: "network", fault, atMs };
  if (!lasts(fault)) return [step];
  return [step, { kind: "network", fault: { kind: "heal", ...scope }, atMs: healMs }];
}

const lasts = ({ kind }: NetworkFault): boolean =>
  kind !== "reset" && kind !== "fin" && kind !== "vanish" && kind !== "heal";

/** What people do when nothing moves any more. */
const remedies = [
  "reset",
  "disable",
  "detach",
  "destroy",
  "destroy",
  "move",
  "admin",
  "device-reset",
  "device-close",
] as const;
/** Longest time from trouble to a remedy, ms: mostly before anybody else has noticed. */
const REMEDY_MS_MAX = 1_500;

/** Whether commands may be left without an answer from here on, and nobody is told. */
const silences = (step: Step): boolean =>
  step.kind === "freeze" ||
  step.kind === "disk-frozen" ||
  (step.kind === "network" && /^(silence|stop-reading|vanish)$/.test(step.fault.kind));

const remedy: Maker = (chance, scene) => makers[chance.pick(remedies)]!(chance, scene);

/** Operations in the midst of trouble: by chance alone they would hardly ever meet. */
function remediesFor(chance: SimRandom, scene: Scene, troubles: readonly Step[]): Step[] {
  const steps: Step[] = [];
  for (const { atMs } of troubles) {
    if (!chance.oneIn(2)) continue;
    const made = remedy(chance, scene);
    const laterMs = chance.between(1, REMEDY_MS_MAX);
    if (made !== undefined) steps.push({ ...made, atMs: atMs + laterMs } as Step);
  }
  return steps;
}

/** Steps of a run, by time. */
export function planSteps(chance: SimRandom, scene: Scene): Step[] {
  const enabled = swarm(chance, Object.keys(makers), KINDS_MIN, KINDS_MAX);
  const faults = swarm(chance, Object.keys(faultMakers), 0, FAULT_KINDS_MAX);
  const pauseMs = chance.pick(PAUSES_MS);
  const steps: Step[] = [];
  for (let atMs = chance.below(2 * pauseMs); atMs < scene.safetyMs;) {
    if (faults.length > 0 && chance.below(100) < FAULT_PERCENT) {
      steps.push(...networkSteps(chance, scene, chance.pick(faults), atMs));
    } else {
      const made = makers[chance.pick(enabled)]!(chance, scene);
      if (made !== undefined) steps.push({ ...made, atMs } as Step);
    }
    // Now and then two at nearly the same moment: that is where races are.
    atMs += chance.oneIn(5) ? chance.below(20) : chance.below(2 * pauseMs);
  }
  steps.push(...fenceTroubles(chance.fork("fences"), scene, remedy));
  steps.push(...remediesFor(chance.fork("remedies"), scene, steps.filter(silences)));
  return steps.sort((a, b) => a.atMs - b.atMs);
}

/** The end comes at most so long after the last steps, ms. */
const LAST_MS = 1_500;

/**
 * What makes an end in the midst of faults hard: commands that nobody answers any more, or a target
 * that comes or goes just then.
 */
export function lastSteps(chance: SimRandom, scene: Scene): Step[] {
  const fromMs = scene.safetyMs - LAST_MS;
  const soon = (): number => fromMs + chance.below(LAST_MS);
  const at = (made: Made): Step => ({ ...made, atMs: soon() }) as Step;
  const net = (fault: NetworkFault): Step => ({ kind: "network", fault, atMs: soon() });
  const { freeze, restart, reset, disable, detach } = makers;
  const last = [
    net({ kind: "silence" }),
    net({ kind: "silence", direction: "toHost" }),
    net({ kind: "stop-reading", side: "controller" }),
    at({ ...freeze!(chance, scene)!, ms: 4 * LAST_MS } as Made),
    at(makers["disk-frozen"]!(chance, scene)),
    at(restart!(chance, scene)),
    at(reset!(chance, scene)),
    at(disable!(chance, scene)),
    at(detach!(chance, scene)),
  ];
  return swarm(chance, Object.keys(last), 0, 3).map((index) => last[Number(index)]!);
}
