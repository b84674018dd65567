// What can be left out of a plan, and what can be made simpler. Pure: each gives another plan.
// Read first: plan.ts. Who is left out takes along what concerns him; the others keep their meaning, so
// that numbers which refer to hosts, groups and paths follow.

import { CALM } from "./network/weather.ts";
import type { GroupPlan, HostPlan, Plan, TargetPlan, UserPlan } from "./plan.ts";

/** A list of parts of a plan. */
export interface Removal {
  readonly count: (plan: Plan) => number;
  /** The plan without parts `first` to before `end`; undefined where it would not be one. */
  readonly without: (plan: Plan, first: number, end: number) => Plan | undefined;
}

const cut = <T>(list: readonly T[], first: number, end: number): T[] =>
  list.filter((_, at) => at < first || at >= end);

/** Where number `at` comes to when `first` to before `end` are left out; undefined if it is one of them. */
function moved(at: number, first: number, end: number): number | undefined {
  if (at < first) return at;
  return at < end ? undefined : at - (end - first);
}

/** A user or step, with the numbers that say whom it concerns. */
interface Concerned {
  readonly host?: number;
  readonly group?: number;
  readonly path?: number;
}

/** Those whom `follow` gives new numbers; the others are left out. */
function followed<T extends object>(
  list: readonly T[],
  follow: (numbers: Concerned) => Concerned | undefined,
): T[] {
  return list.flatMap((each) => {
    const numbers = follow(each);
    return numbers === undefined ? [] : [{ ...each, ...numbers }];
  });
}

function renumbered(
  plan: Plan,
  hosts: readonly HostPlan[],
  follow: (numbers: Concerned) => Concerned | undefined,
): Plan {
  const users = followed(plan.users, follow);
  const steps = followed(plan.steps, follow);
  return { ...plan, hosts, users, steps };
}

const withoutHosts = (plan: Plan, first: number, end: number): Plan | undefined => {
  const hosts = cut(plan.hosts, first, end);
  if (hosts.length === 0) return undefined;
  return renumbered(plan, hosts, ({ host }) => {
    if (host === undefined) return {};
    const now = moved(host, first, end);
    return now === undefined ? undefined : { host: now };
  });
};

/** All groups of all hosts, in one list. */
const groupsOf = ({ hosts }: Plan): { host: number; group: number; of: GroupPlan }[] =>
  hosts.flatMap(({ groups }, host) => groups.map((of, group) => ({ host, group, of })));

/** The plan with some groups changed; undefined leaves one out. */
function withGroups(
  plan: Plan,
  change: (group: GroupPlan, at: number) => GroupPlan | undefined,
): { hosts: HostPlan[]; numbers: Map<string, number | undefined> } {
  let at = 0;
  const numbers = new Map<string, number | undefined>();
  const hosts = plan.hosts.map(({ groups, ...rest }, host) => {
    const kept: GroupPlan[] = [];
    for (const [group, of] of groups.entries()) {
      const now = change(of, at++);
      numbers.set(`${host} ${group}`, now === undefined ? undefined : kept.length);
      if (now !== undefined) kept.push(now);
    }
    return { ...rest, groups: kept };
  });
  return { hosts, numbers };
}

const withoutGroups = (plan: Plan, first: number, end: number): Plan | undefined => {
  const { hosts, numbers } = withGroups(plan, (group, at) =>
    at >= first && at < end ? undefined : group,
  );
  if (hosts.some(({ groups }) => groups.length === 0)) return undefined;
  return renumbered(plan, hosts, ({ host, group }) => {
    if (host === undefined || group === undefined) return {};
    const now = numbers.get(`${host} ${group}`);
    return now === undefined ? undefined : { group: now };
  });
};

/** All paths of all groups, in one list: their host, group and place there. */
const pathsOf = (plan: Plan): { host: number; group: number; path: number }[] =>
  groupsOf(plan).flatMap(({ host, group, of }) =>
    of.paths.map((_, path) => ({ host, group, path })),
  );

/** A group keeps one path at least. */
const withoutPaths = (plan: Plan, first: number, end: number): Plan | undefined => {
  const gone = new Map<string, number[]>();
  for (const { host, group, path } of pathsOf(plan).slice(first, end)) {
    gone.set(`${host} ${group}`, [...(gone.get(`${host} ${group}`) ?? []), path]);
  }
  const hosts = plan.hosts.map((host, hostAt) => ({
    ...host,
    groups: host.groups.map((group, groupAt) => {
      const leaves = gone.get(`${hostAt} ${groupAt}`) ?? [];
      return { ...group, paths: group.paths.filter((_, at) => !leaves.includes(at)) };
    }),
  }));
  if (hosts.some(({ groups }) => groups.some(({ paths }) => paths.length === 0))) return undefined;
  return renumbered(plan, hosts, ({ host, group, path }) => {
    const leaves = path === undefined ? undefined : gone.get(`${host} ${group}`);
    if (leaves === undefined) return {};
    if (leaves.includes(path!)) return undefined;
    return { path: path! - leaves.filter((each) => each < path!).length };
  });
};

/** What can be left out, the coarsest first. */
export const removals: readonly Removal[] = [
  {
    count: (plan) => plan.steps.length,
    without: (plan, first, end) => ({ ...plan, steps: cut(plan.steps, first, end) }),
  },
  { count: (plan) => plan.hosts.length, without: withoutHosts },
  { count: (plan) => groupsOf(plan).length, without: withoutGroups },
  {
    count: (plan) => plan.users.length,
    without: (plan, first, end) => ({ ...plan, users: cut(plan.users, first, end) }),
  },
  { count: (plan) => pathsOf(plan).length, without: withoutPaths },
  {
    count: (plan) => plan.dead.length,
    without: (plan, first, end) => ({ ...plan, dead: cut(plan.dead, first, end) }),
  },
];

/** Gives a simpler plan than the one given, or undefined where there is nothing more to simplify. */
export type Simplification = (plan: Plan) => Plan | undefined;

/** Half of a number, down to `least`; undefined once it is there. */
const halved = (value: number, least: number): number | undefined =>
  value <= least ? undefined : Math.max(least, Math.floor(value / 2));

/** Changes every user that `change` has something to say about; undefined if it has not for any. */
function users(change: (user: UserPlan) => Partial<UserPlan> | undefined): Simplification {
  return (plan) => {
    const changed = plan.users.map((user) => {
      const less = change(user);
      return less === undefined ? user : { ...user, ...less };
    });
    return changed.some((user, at) => user !== plan.users[at])
      ? { ...plan, users: changed }
      : undefined;
  };
}

/** The same for groups. */
function groups(change: (group: GroupPlan) => Partial<GroupPlan> | undefined): Simplification {
  return (plan) => {
    const { hosts } = withGroups(plan, (group) => {
      const less = change(group);
      return less === undefined ? group : { ...group, ...less };
    });
    const before = groupsOf(plan);
    const after = groupsOf({ ...plan, hosts });
    return after.some(({ of }, at) => of !== before[at]!.of) ? { ...plan, hosts } : undefined;
  };
}

/** The same for targets. */
function targets(change: (target: TargetPlan) => TargetPlan | undefined): Simplification {
  return (plan) => {
    const changed = plan.targets.map((target) => change(target) ?? target);
    return changed.some((target, at) => target !== plan.targets[at])
      ? { ...plan, targets: changed }
      : undefined;
  };
}

const SAFETY_MS_MIN = 1;

/** In the order in which they are tried. */
export const simplifications: readonly Simplification[] = [
  ({ weather, ...plan }) => (weather === CALM ? undefined : { ...plan, weather: CALM }),
  (plan) => (plan.ending === "midst" ? { ...plan, ending: "rest" } : undefined),
  (plan) => {
    const safetyMs = halved(plan.safetyMs, SAFETY_MS_MIN);
    if (safetyMs === undefined) return undefined;
    return { ...plan, safetyMs, steps: plan.steps.filter(({ atMs }) => atMs < safetyMs) };
  },
  users(({ requests }) => {
    const fewer = halved(requests, 1);
    return fewer === undefined ? undefined : { requests: fewer };
  }),
  users(({ depth }) => (depth > 1 ? { depth: 1 } : undefined)),
  users(({ blocksMax }) => (blocksMax > 1 ? { blocksMax: 1 } : undefined)),
  users(({ abortOneIn }) => (abortOneIn > 0 ? { abortOneIn: 0 } : undefined)),
  users(({ fuaOneIn }) => (fuaOneIn > 0 ? { fuaOneIn: 0 } : undefined)),
  users(({ manner }) => (manner === "steady" ? undefined : { manner: "steady" })),
  users(({ next }) => (next === "later" ? undefined : { next: "later" })),
  targets(({ transports, ...target }) => (transports === undefined ? undefined : target)),
  targets(({ incarnations, ...target }) => (incarnations === undefined ? undefined : target)),
  groups(({ noticeLostOneIn = 0 }) => (noticeLostOneIn > 0 ? { noticeLostOneIn: 0 } : undefined)),
  groups(({ headerDigest, dataDigest }) =>
    headerDigest || dataDigest ? { headerDigest: false, dataDigest: false } : undefined,
  ),
  groups(({ pda }) => (pda > 0 ? { pda: 0 } : undefined)),
  groups(({ controller }) =>
    controller.ioQueues > 1 ? { controller: { ...controller, ioQueues: 1 } } : undefined,
  ),
];
