// Trouble for fences: losses with writes in doubt, and what befalls those who are to end the doubt.
// Read first: plan-steps.ts, of whose steps these are a part; linux-nvme-recovery.md §2.8.

import { AnaState } from "@nvmeof/codec";
import type { NetworkFault } from "./network/fault.ts";
import type { Scene, Step } from "./plan.ts";
import type { SimRandom } from "./random.ts";
import { portName } from "./sim-target.ts";

/** What befalls those who are to put an end to what a lost controller has left behind. */
const sequels = [
  "nothing",
  "source",
  "all",
  "freeze",
  "restart",
  "one-returns",
  "event",
  "remedy",
] as const;
/** Time from a disk that stands still to the loss, ms: users have something in flight by then. */
const IN_DOUBT_MS_MIN = 200;
const IN_DOUBT_MS_MAX = 1_500;
/** How much longer the disk stands still at most, and when something follows, ms. */
const STILL_MS_MAX = 2_000;
const SEQUEL_MS_MAX = 800;

/** Losses while disks have writes to do, and what can befall a Cross-Controller Reset then. */
export function fenceTroubles(
  chance: SimRandom,
  scene: Scene,
  remedy: (chance: SimRandom, scene: Scene) => Omit<Step, "atMs"> | undefined,
): Step[] {
  const steps: Step[] = [];
  const resettable = scene.users.filter(({ host, group }) => {
    const { paths, fencing } = scene.hosts[host]!.groups[group]!;
    return paths.length > 1 && fencing === "reset";
  });
  const concerned = resettable.length > 0 ? resettable : scene.users;
  for (let left = chance.oneIn(2) ? chance.between(1, 3) : 0; left > 0; left--) {
    const atMs = chance.below(scene.safetyMs);
    const { host, group, nsid } = chance.pick(concerned);
    const { target, subsystem, paths } = scene.hosts[host]!.groups[group]!;
    const path = chance.below(paths.length);
    const lostMs = atMs + chance.between(IN_DOUBT_MS_MIN, IN_DOUBT_MS_MAX);
    const ms = lostMs - atMs + chance.below(STILL_MS_MAX);
    steps.push({ kind: "disk-frozen", target, subsystem, nsid, ms, atMs });
    const sequel = chance.pick(sequels);
    const isMeant = (at: number): boolean => at === path || sequel === "all";
    for (let at = 0; at < paths.length; at++) {
      if (isMeant(at)) steps.push({ kind: "lost", host, group, path: at, atMs: lostMs });
    }
    const laterMs = lostMs + chance.between(0, SEQUEL_MS_MAX);
    const near = { host, group, path, target, subsystem, paths };
    const made = sequel === "remedy" ? remedy(chance, scene) : undefined;
    if (made !== undefined) steps.push({ ...made, atMs: laterMs } as Step);
    steps.push(...sequelSteps(chance, sequel, near, laterMs));
  }
  return steps;
}

/** The controller that was lost, and those beside it. */
interface Near {
  readonly host: number;
  readonly group: number;
  readonly path: number;
  readonly target: number;
  readonly subsystem: number;
  readonly paths: readonly (readonly number[])[];
}

function sequelSteps(
  chance: SimRandom,
  sequel: (typeof sequels)[number],
  { host, group, path, target, subsystem, paths }: Near,
  atMs: number,
): Step[] {
  const others = Array.from(paths.keys()).filter((at) => at !== path);
  switch (sequel) {
    case "source":
      return others.map((at) => ({ kind: "lost", host, group, path: at, atMs }));
    case "freeze":
      return [{ kind: "freeze", target, ms: chance.between(500, 8_000), atMs }];
    case "restart": {
      const power = chance.oneIn(3) ? "lost" : "on";
      return [{ kind: "restart", target, downMs: chance.below(500), data: "same", power, atMs }];
    }
    case "event": {
      // Another event than the one that is waited for.
      const state = chance.pick([AnaState.Optimized, AnaState.NonOptimized]);
      return [{ kind: "ana", target, subsystem, anaGroup: 1, state, port: 0, atMs }];
    }
    case "one-returns":
      return Array.from(paths.entries()).flatMap(([at, ports]): Step[] => {
        if (at === path) return [];
        const port = portName(target, ports[0]!);
        const shut: NetworkFault = { kind: "admission", admission: "refused", port };
        const healMs = atMs + chance.between(1_000, 9_000);
        return [
          { kind: "network", fault: shut, atMs },
          { kind: "network", fault: { kind: "reset", seenBy: "both", port }, atMs },
          { kind: "network", fault: { kind: "heal", port }, atMs: healMs },
        ];
      });
    case "all":
    case "remedy":
    case "nothing":
    default:
      return [];
  }
}
