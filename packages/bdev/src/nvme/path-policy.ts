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
      /** Go back to a better or earlier path as soon as it is there. Default true. */
      readonly failback?: boolean;
      /**
       * A path has to be good for this long before requests go back to it, ms: one that comes and
       * goes is then left alone. Default 0.
       */
      readonly failbackDelayMs?: number;
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
  if (mode === "active-passive") {
    const { failbackDelayMs = 0 } = policy as { failbackDelayMs?: number };
    if (Number.isFinite(failbackDelayMs) && failbackDelayMs >= 0) return policy;
    throw new RangeError(`failbackDelayMs is ${failbackDelayMs}; it must be 0 or more`);
  }
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
  #current: PathCandidate | undefined;
  /** Where `#current` was when it was last looked for: paths come, go and change places. */
  #at = NO_PATH;
  #onCurrent = 0;

  constructor(policy: PathPolicy) {
    this.#policy = policy;
  }

  /** The path of the last request, for those who show it; undefined when there is none. */
  get current(): number | undefined {
    return this.#at === NO_PATH ? undefined : this.#at;
  }

  set policy(policy: PathPolicy) {
    this.#policy = policy;
    this.forget();
  }

  /** Paths came, went or changed places: the current one stays the current one, if it is there. */
  relocate(paths: readonly PathCandidate[]): void {
    this.#at = this.#current === undefined ? NO_PATH : paths.indexOf(this.#current);
    if (this.#at === NO_PATH) this.forget();
  }

  /** The next choice begins at the head of the order: paths were put into another one. */
  forget(): void {
    this.#current = undefined;
    this.#at = NO_PATH;
    this.#onCurrent = 0;
  }

  /** A path became better, or there is one more: with failback the choice is made anew. */
  improved(): void {
    const policy = this.#policy;
    if (policy.mode === "active-active") this.#onCurrent = Infinity;
    else if (policy.failback !== false) this.forget();
  }

  /** A path became worse. Where it is the current one, there may be a better one now. */
  worsened(path: PathCandidate): void {
    if (path === this.#current) this.forget();
  }

  /**
   * Index of the path for the next request, {@link NO_PATH} when none is usable.
   *
   * @param avoid a path that has just failed this request; taken only if there is no other.
   */
  choose(paths: readonly PathCandidate[], avoid: PathCandidate | undefined): number {
    const policy = this.#policy;
    if (this.#current !== paths[this.#at]) this.relocate(paths);
    const current = paths[this.#at];
    const stays = current !== undefined && current.rank !== Rank.Unusable;
    if (stays && current !== avoid) {
      if (policy.mode === "active-passive") return this.#at;
      if (policy.selector === "round-robin" && this.#onCurrent < (policy.minRequests ?? 1)) {
        this.#onCurrent++;
        return this.#at;
      }
    }
    const byDepth = policy.mode === "active-active" && policy.selector === "queue-depth";
    const next = nextPath(paths, byDepth ? NO_PATH : this.#at, byDepth, avoid);
    const chosen = paths[next];
    // One failure is no reason to leave a good path for a worse one: only this request goes there.
    if (stays && current === avoid && chosen !== undefined && chosen.rank < current.rank) {
      return next;
    }
    this.#at = next;
    this.#current = chosen;
    this.#onCurrent = 1;
    return next;
  }
}
