// A plan out of a seed: what the world is like, who uses it, and which faults befall it.
// Read first: plan.ts; plan-steps.ts for the steps; reliability-anchors §4.1.

import { CALM, type Weather } from "./network/weather.ts";
import type { PortTransport } from "./network/ways.ts";
import { lastSteps, planSteps, policies } from "./plan-steps.ts";
import type {
  ControllerPlan,
  DeadPort,
  DiskPlan,
  GroupPlan,
  HostPlan,
  Mix,
  NamespacePlan,
  Plan,
  SubsystemPlan,
  TargetPlan,
  UserPlan,
} from "./plan.ts";
import { SimRandom } from "./random.ts";

/** Requests of all users together, in the phase with faults. */
const REQUESTS_MIN = 100;
const REQUESTS_MAX = 240;
/** Length of the phase with faults, ms. */
const SAFETY_MIN_MS = 50_000;
const SAFETY_MAX_MS = 75_000;
/** Blocks of a namespace. */
const BLOCKS_MIN = 64;
const BLOCKS_MAX = 256;

/** The plan of a seed, 0 to 2^32 - 1. */
export function planOf(seed: number): Plan {
  const chance = new SimRandom(seed).fork("plan");
  const targets = withTransports(chance.fork("transports"), planTargets(chance.fork("targets")));
  const hosts = planHosts(chance.fork("hosts"), targets);
  const safetyMs = chance.fork("length").between(SAFETY_MIN_MS, SAFETY_MAX_MS);
  const world = { targets, hosts, safetyMs };
  const users = planUsers(chance.fork("users"), world);
  const dice = chance.fork("ending");
  const dead = planDead(dice, targets).filter((port) => !isInReach(port, targets));
  const ending = dice.oneIn(4) ? "midst" : "rest";
  const scene = { ...world, users };
  const steps = planSteps(chance.fork("steps"), scene);
  if (ending === "midst") steps.push(...lastSteps(dice, scene));
  return {
    seed,
    ...world,
    weather: planWeather(chance.fork("weather")),
    users,
    steps: steps.toSorted((a, b) => a.atMs - b.atMs),
    dead,
    ending,
  };
}

/** Mostly calm; sometimes far away, slow, or in small pieces. */
const planWeather = (chance: SimRandom): Weather => ({
  ...CALM,
  latencyMs: chance.pick([0.1, 0.2, 1, 20]),
  jitterMs: chance.pick([0, 0.1, 5]),
  cut: chance.pick(["whole", "whole", "random"]),
});

function planTargets(chance: SimRandom): TargetPlan[] {
  const count = chance.oneIn(6) ? 2 : 1;
  return Array.from({ length: count }, (_, at) => {
    const resets = planResets(chance.fork(`resets ${at}`));
    const transferBytesMax = chance.pick([8192, 16_384, 65_536]);
    // Tight: commands wait for buffers.
    const bufferBytes = chance.oneIn(3) ? transferBytesMax : 1_048_576;
    return {
      ports: chance.pick([1, 2, 2, 2, 3]),
      subsystems: Array.from({ length: chance.oneIn(5) ? 2 : 1 }, () => planSubsystem(chance)),
      limits: {
        ioQueuesMax: chance.pick([1, 2, 4]),
        queueDepthMax: chance.pick([4, 16, 64]),
        inCapsuleBytes: chance.pick([0, 512, 4096, 8192]),
        h2cDataBytesMax: chance.pick([4096, 8192, 131_072]),
        transferBytesMax,
        connectionBufferBytesMax: bufferBytes,
        bufferBytesMax: chance.oneIn(2) ? bufferBytes : 4 * 1_048_576,
        asyncEventRequestsMax: chance.pick([1, 4]),
        abortsMax: chance.pick([1, 4]),
        ...resets.limits,
      },
      incarnations: resets.incarnations,
      trafficKeepAlive: !chance.oneIn(3),
      pda: chance.pick([0, 0, 0, 1, 7]),
    };
  });
}

/** Half of all targets have other ports than those of NVMe/TCP as well. */
function withTransports(chance: SimRandom, targets: readonly TargetPlan[]): TargetPlan[] {
  return targets.map((target) => {
    if (chance.oneIn(2)) return target;
    const transports = Array.from({ length: target.ports }, () =>
      chance.pick<PortTransport>(["tcp", "fc", "fc", "memory"]),
    );
    return { ...target, transports };
  });
}

/** Most targets take Cross-Controller Resets; how many, and what they promise, is up to chance. */
const planResets = (chance: SimRandom): Required<Pick<TargetPlan, "incarnations" | "limits">> => ({
  incarnations: chance.oneIn(4) ? "unnamed" : "named",
  limits: {
    crossControllerResetsMax: chance.pick([1, 4, 4]),
    crossControllerResetEntriesMax: chance.pick([1, 4]),
    crossControllerResetTimeoutMs: chance.pick([500, 30_000]),
    // Longer than any disk takes: see planDisk.
    commandQuiesceTimeMs: chance.pick([0, 0, 1_000, 3_000]),
  },
});

function planSubsystem(chance: SimRandom): SubsystemPlan {
  const count = chance.pick([1, 1, 2, 3]);
  const namespaces = Array.from({ length: count }, (_, at): NamespacePlan => ({
    nsid: at + 1,
    blockCount: chance.between(BLOCKS_MIN, BLOCKS_MAX),
    anaGroup: chance.oneIn(2) ? 1 : at + 1,
    disk: planDisk(chance),
  }));
  return { namespaces };
}

const planDisk = (chance: SimRandom): DiskPlan => ({
  pace: { slowOneIn: chance.pick([0, 1, 4, 16]), delayMaxMs: chance.pick([5, 200, 900]) },
  cache: chance.oneIn(3) ? "volatile" : "none",
  transferBlocksMax: chance.pick([4, 16, 256, 256]),
  inflightMax: chance.pick([1, 4, 1024, 1024]),
});

function planHosts(chance: SimRandom, targets: readonly TargetPlan[]): HostPlan[] {
  const count = chance.pick([1, 1, 2, 2, 3]);
  return Array.from({ length: count }, (_, id) => {
    const groups: GroupPlan[] = [];
    for (const [target, { subsystems }] of targets.entries()) {
      for (let subsystem = 0; subsystem < subsystems.length; subsystem++) {
        const isFirst = groups.length === 0;
        if (isFirst || chance.oneIn(2))
          groups.push({
            ...planGroup(chance, targets, target, subsystem, groups.length),
            ...planFences(chance.fork(`fences ${id}/${groups.length}`)),
          });
      }
    }
    return { id, groups };
  });
}

function planGroup(
  chance: SimRandom,
  targets: readonly TargetPlan[],
  target: number,
  subsystem: number,
  id: number,
): GroupPlan {
  const { ports } = targets[target]!;
  return {
    id,
    target,
    subsystem,
    paths: planPaths(chance, ports),
    policy: chance.pick(policies),
    fencing: chance.pick(["reset", "reset", "reset", "reset", "timed", "timed", "none"]),
    retry: { elapsedMaxMs: chance.pick([2_000, 8_000, 20_000]), samePathMax: chance.pick([0, 3]) },
    controller: planController(chance),
    headerDigest: chance.oneIn(2),
    dataDigest: chance.oneIn(2),
    pda: chance.pick([0, 0, 0, 3]),
  };
}

const planFences = (chance: SimRandom): Pick<GroupPlan, "fenceLimits" | "noticeLostOneIn"> => ({
  fenceLimits: {
    // Short: less than time alone needs, so that only a reset helps.
    heldMaxMs: chance.pick([60_000, 60_000, 60_000, 3_000]),
    resetMaxMs: chance.pick([30_000, 30_000, 500]),
    withoutQuiesceTime: chance.oneIn(8) ? "retry" : "wait",
  },
  noticeLostOneIn: chance.pick([0, 0, 1, 2]),
});

/** One controller for each port, or one that has several ports to try. */
function planPaths(chance: SimRandom, ports: number): number[][] {
  const all = Array.from({ length: ports }, (_, port) => port);
  if (ports > 1 && chance.oneIn(5)) return [all];
  if (ports > 2 && chance.oneIn(3)) return [[0, 1], [2]];
  if (ports > 1 && chance.oneIn(6)) return [[0]];
  return all.map((port) => [port]);
}

function planController(chance: SimRandom): ControllerPlan {
  const delayMs = chance.pick([400, 1_000, 2_000]);
  return {
    ioQueues: chance.pick([1, 1, 2, 3]),
    queueEntries: chance.pick([2, 3, 5, 16, 32]),
    // Short ones are rare: their traffic alone takes longer than all that users do.
    keepAliveTimeoutMs: chance.pick([1_000, 3_000, 4_000, 4_000, 6_000, 6_000, 8_000, 8_000]),
    connectTimeoutMs: chance.pick([300, 1_000, 3_000]),
    fabricsTimeoutMs: chance.pick([500, 2_000]),
    ioTimeoutMs: chance.pick([1_000, 3_000, 8_000]),
    adminTimeoutMs: chance.pick([2_000, 10_000]),
    onTimeout: chance.pick(["reset", "reset", "abort"]),
    disableSqFlow: chance.oneIn(2),
    transferBytesMax: chance.pick([4096, 16_384, 1_048_576]),
    reconnect: {
      delayMs,
      delayMaxMs: delayMs * chance.pick([1, 4]),
      fastFailMs: chance.pick([0, 2_000, 5_000]),
      lossMs: chance.pick([-1, -1, 7_000, 20_000]),
    },
  };
}

const mixes: readonly Mix[] = [
  { read: 5, write: 5, flush: 1, writeZeroes: 1, compare: 0, deallocate: 0, verify: 0 },
  { read: 4, write: 4, flush: 1, writeZeroes: 1, compare: 1, deallocate: 1, verify: 1 },
  { read: 1, write: 6, flush: 1, writeZeroes: 0, compare: 0, deallocate: 0, verify: 0 },
  { read: 6, write: 2, flush: 0, writeZeroes: 0, compare: 0, deallocate: 0, verify: 0 },
];

function planUsers(
  chance: SimRandom,
  { targets, hosts, safetyMs }: Pick<Plan, "targets" | "hosts" | "safetyMs">,
): UserPlan[] {
  const count = chance.between(2, 6);
  const requests = Math.floor(chance.between(REQUESTS_MIN, REQUESTS_MAX) / count);
  return Array.from({ length: count }, (_, id): UserPlan => {
    const host = chance.below(hosts.length);
    const group = chance.below(hosts[host]!.groups.length);
    const { target, subsystem } = hosts[host]!.groups[group]!;
    const { namespaces } = targets[target]!.subsystems[subsystem]!;
    const { nsid, blockCount } = chance.pick(namespaces);
    const region = Math.min(blockCount, chance.pick([4, 16, 40]));
    const depth = chance.pick([1, 2, 4, 8]);
    return {
      id,
      host,
      group,
      nsid,
      firstLba: chance.oneIn(2) ? 0 : chance.below(blockCount - region + 1),
      blockCount: region,
      depth,
      // Spread over the whole phase, more or less.
      pauseMs: Math.max(1, Math.floor((safetyMs * depth) / requests)),
      blocksMax: chance.pick([1, 4, 24]),
      mix: chance.pick(mixes),
      abortOneIn: chance.pick([0, 0, 8, 30]),
      fuaOneIn: chance.pick([0, 3]),
      afterUnknown: chance.oneIn(3) ? "goes-on" : "waits",
      manner: chance.pick(["steady", "steady", "restless", "clinging"]),
      next: chance.oneIn(2) ? "later" : "at-once",
      requests,
    };
  });
}

/** Mostly nothing stays broken; sometimes a port does, and sometimes a target without others. */
function planDead(chance: SimRandom, targets: readonly TargetPlan[]): DeadPort[] {
  if (!chance.oneIn(3)) return [];
  const target = chance.below(targets.length);
  const how = chance.oneIn(2) ? "refuses" : "silent";
  const { ports } = targets[target]!;
  if (chance.oneIn(3)) return Array.from({ length: ports }, (_, port) => ({ target, port, how }));
  return [{ target, port: chance.below(ports), how }];
}

/** What is in this process cannot be out of reach. */
const isInReach = ({ target, port }: DeadPort, targets: readonly TargetPlan[]): boolean =>
  targets[target]!.transports?.[port] === "memory";
