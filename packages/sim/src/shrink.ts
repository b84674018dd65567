// Shrinking: the smallest plan that still fails in the same way, by leaving out what is not needed.
// Read first: plan.ts; plan-parts.ts for what can be left out. The search is delta debugging: halves,
// then quarters, then smaller parts of each list, again and again until nothing more can go.

import type { Plan } from "./plan.ts";
import { type Removal, removals, simplifications } from "./plan-parts.ts";

/** Whether a plan fails in the way that is looked for: with the same invariant. */
export type Fails = (plan: Plan) => boolean | Promise<boolean>;

/** How a search stands. */
export interface ShrinkProgress {
  /** Plans that were tried. */
  readonly runs: number;
  /** What the best plan so far is made of. */
  readonly size: PlanSize;
}

/** What a plan is made of. */
export interface PlanSize {
  readonly hosts: number;
  readonly paths: number;
  readonly users: number;
  /** Requests of all users. */
  readonly requests: number;
  readonly steps: number;
  readonly safetyMs: number;
}

/** How long to go on making a plan smaller. */
export interface ShrinkOptions {
  /** Most plans to be tried. Default 1,000. */
  readonly runsMax?: number;
  /** Told after each plan that was tried. */
  readonly progress?: (progress: ShrinkProgress) => void;
  /** Asked before each run; the best plan so far is the result where it says so. */
  readonly stopped?: () => boolean;
}

/** What a search has come to. */
export interface Shrunk {
  readonly plan: Plan;
  readonly runs: number;
  /** `smallest`: nothing more can go. `budget`: no runs were left. `stopped`: somebody wanted so. */
  readonly end: "smallest" | "budget" | "stopped";
}

const RUNS_MAX = 1_000;

/** What `plan` is made of. */
export function planSize({ hosts, users, steps, safetyMs }: Plan): PlanSize {
  const paths = hosts.flatMap(({ groups }) => groups.flatMap((group) => group.paths));
  return {
    hosts: hosts.length,
    paths: paths.length,
    users: users.length,
    requests: users.reduce((sum, user) => sum + user.requests, 0),
    steps: steps.length,
    safetyMs,
  };
}

/** One search: counts the runs and keeps the best plan. */
class Search {
  best: Plan;
  runs = 0;
  end: Shrunk["end"] = "smallest";
  readonly #fails: Fails;
  readonly #options: ShrinkOptions;

  constructor(plan: Plan, fails: Fails, options: ShrinkOptions) {
    this.best = plan;
    this.#fails = fails;
    this.#options = options;
  }

  get isOver(): boolean {
    return this.end !== "smallest";
  }

  /** Takes `plan` for the best if it fails in the same way. */
  async try(plan: Plan): Promise<boolean> {
    const { runsMax = RUNS_MAX, progress, stopped } = this.#options;
    if (stopped?.() === true) this.end = "stopped";
    else if (this.runs >= runsMax) this.end = "budget";
    if (this.isOver) return false;
    this.runs++;
    const fails = await this.#fails(plan);
    if (fails) this.best = plan;
    progress?.({ runs: this.runs, size: planSize(this.best) });
    return fails;
  }

  /**
   * Leaves out as many of the parts as can go, large stretches first.
   */
  async parts({ count, without }: Removal): Promise<void> {
    for (let stretch = count(this.best); stretch >= 1; stretch = Math.floor(stretch / 2)) {
      // From the end: what comes late is needed least.
      for (let end = count(this.best); end > 0 && !this.isOver;) {
        const first = Math.max(0, end - stretch);
        const smaller = without(this.best, first, end);
        if (smaller !== undefined) await this.try(smaller);
        end = first;
      }
    }
  }
}

/**
 * The smallest plan found that `fails`, as `plan` does. One is tried after the other, and their number
 * is bounded.
 */
export async function shrink(
  plan: Plan,
  fails: Fails,
  options: ShrinkOptions = {},
): Promise<Shrunk> {
  const search = new Search(plan, fails, options);
  for (let before: Plan | undefined; before !== search.best && !search.isOver;) {
    before = search.best;
    for (const removal of removals) await search.parts(removal);
    for (const simpler of simplifications) {
      for (let next = simpler(search.best); next !== undefined && !search.isOver;) {
        next = (await search.try(next)) ? simpler(search.best) : undefined;
      }
    }
  }
  return { plan: search.best, runs: search.runs, end: search.end };
}
