// Which path carries a request: a pure choice over what is known of each path.
// Read first: Base 2.0 §8.1 "Asymmetric Namespace Access Reporting"; spdk-bdev-nvme.md §3.2.

/** How good a path is now. Integers: they are compared for every request. */
export const Rank = {
  /** It cannot carry a request: not connected, not accessible, or frozen until it is known better. */
  Unusable: 0,
  /** Its ANA state is not known: the last resort. */
  Unknown: 1,
  NonOptimized: 2,
  Optimized: 3,
} as const;
export type Rank = (typeof Rank)[keyof typeof Rank];

/** What the choice looks at. */
export interface PathCandidate {
  readonly rank: Rank;
  /** Commands in flight on the path, of all channels. */
  readonly inflight: number;
}

/** How requests are spread over the paths of a device. */
export type PathPolicy =
  /** One path at a time: the first of the best rank, in the order of preference. */
  | {
      readonly mode: "active-passive";
      /** Go back to a better or preferred path as soon as it is there. Default true. */
      readonly failback?: boolean;
    }
  | {
      readonly mode: "active-active";
      readonly selector: "round-robin";
      /** Requests on one path before the turn goes to the next. Default 1. */
      readonly minRequests?: number;
    }
  /** The path with the fewest commands in flight. */
  | { readonly mode: "active-active"; readonly selector: "queue-depth" };

/** @throws RangeError or TypeError for a policy that does not exist. */
export function checkPathPolicy(policy: PathPolicy): PathPolicy {
  // From a configuration file, where no compiler has looked.
  const { mode, selector } = policy as { mode: unknown; selector?: unknown };
  if (mode === "active-passive") return policy;
  if (mode !== "active-active") throw new TypeError(`no path policy "${String(mode)}"`);
  if (selector === "queue-depth") return policy;
  if (selector !== "round-robin") throw new TypeError(`no path selector "${String(selector)}"`);
  const { minRequests = 1 } = policy as { minRequests?: number };
  if (!Number.isInteger(minRequests) || minRequests < 1) {
    throw new RangeError(`minRequests is ${minRequests}; it must be 1 or more`);
  }
  return policy;
}

/** Index of no path. */
export const NO_PATH = -1;

/**
 * The best path after `current`, in a circle: of the highest rank, and where `byDepth`, with the
 * fewest commands in flight; ties go to the one that comes first.
 *
 * @param avoid a path that has just failed this request; taken only if there is no other.
 */
export function nextPath(
  paths: readonly PathCandidate[],
  current: number,
  byDepth: boolean,
  avoid: PathCandidate | undefined,
): number {
  let best = NO_PATH;
  let bestRank: number = Rank.Unusable;
  let bestDepth = Infinity;
  for (let step = 1; step <= paths.length; step++) {
    const at = (current + step + paths.length) % paths.length;
    const path = paths[at]!;
    if (path === avoid || path.rank === Rank.Unusable || path.rank < bestRank) continue;
    const depth = byDepth ? path.inflight : 0;
    if (path.rank > bestRank || depth < bestDepth) {
      best = at;
      bestRank = path.rank;
      bestDepth = depth;
    }
  }
  if (best === NO_PATH && avoid !== undefined && avoid.rank !== Rank.Unusable) {
    return paths.indexOf(avoid);
  }
  return best;
}

/**
 * A channel's view of a policy: remembers which path is its current one, and whose turn it is. Nothing
 * is allocated per request.
 */
export class PathSelector {
  #policy: PathPolicy;
  #current = NO_PATH;
  #onCurrent = 0;

  constructor(policy: PathPolicy) {
    this.#policy = policy;
  }

  /** The path of the last request, for those who show it; undefined when there is none. */
  get current(): number | undefined {
    return this.#current === NO_PATH ? undefined : this.#current;
  }

  set policy(policy: PathPolicy) {
    this.#policy = policy;
    this.forget();
  }

  /** Paths came, went or changed places: what was remembered by index means nothing. */
  forget(): void {
    this.#current = NO_PATH;
    this.#onCurrent = 0;
  }

  /** A path became better or was preferred: with failback the choice is made anew. */
  improved(): void {
    const { mode } = this.#policy;
    if (mode === "active-passive" && this.#policy.failback !== false) this.forget();
  }

  /** Index of the path for the next request, {@link NO_PATH} when none is usable. */
  choose(paths: readonly PathCandidate[], avoid: PathCandidate | undefined): number {
    const policy = this.#policy;
    const current = paths[this.#current];
    const stays = current !== undefined && current !== avoid && current.rank !== Rank.Unusable;
    if (policy.mode === "active-passive") {
      if (!stays) this.#current = nextPath(paths, this.#current, false, avoid);
    } else if (policy.selector === "queue-depth") {
      this.#current = nextPath(paths, NO_PATH, true, avoid);
    } else {
      this.#turn(paths, stays, policy.minRequests ?? 1, avoid);
    }
    return this.#current;
  }

  #turn(
    paths: readonly PathCandidate[],
    stays: boolean,
    minRequests: number,
    avoid: PathCandidate | undefined,
  ): void {
    if (stays && this.#onCurrent < minRequests) {
      this.#onCurrent++;
      return;
    }
    this.#current = nextPath(paths, this.#current, false, avoid);
    this.#onCurrent = 1;
  }
}
