// The choice of a path, for every combination of ranks, loads, current path and path to avoid.
// Read first: path-policy.ts.

import { expect, test } from "vitest";
import {
  NO_PATH,
  type PathCandidate,
  type PathPolicy,
  PathSelector,
  Rank,
  checkPathPolicy,
  nextPath,
} from "./path-policy.ts";

const ranks = Object.values(Rank);
const passive: PathPolicy = { mode: "active-passive" };
const sticky: PathPolicy = { mode: "active-passive", failback: false };
const roundRobin = (minRequests: number): PathPolicy => ({
  mode: "active-active",
  selector: "round-robin",
  minRequests,
});
const byDepth: PathPolicy = { mode: "active-active", selector: "queue-depth" };

const path = (rank: Rank, inflight = 0): { rank: Rank; inflight: number } => ({ rank, inflight });

/** All lists of `length` members of `values`. */
function* lists<T>(values: readonly T[], length: number): Generator<T[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const rest of lists(values, length - 1)) for (const value of values) yield [...rest, value];
}

/** Every situation of up to three paths. */
function* situations(): Generator<{ paths: PathCandidate[]; current: number; avoid: number }> {
  for (let count = 0; count <= 3; count++) {
    for (const combination of lists(ranks, count)) {
      for (let current = NO_PATH; current < count; current++) {
        for (let avoid = NO_PATH; avoid < count; avoid++) {
          yield { paths: combination.map((rank) => path(rank)), current, avoid };
        }
      }
    }
  }
}

test("the path taken is of the best rank, the first after the current one; the avoided one comes last", () => {
  for (const { paths, current, avoid } of situations()) {
    const chosen = nextPath(paths, current, false, paths[avoid]);
    const usable = paths.filter(({ rank }) => rank !== Rank.Unusable);
    const others = usable.filter((each) => each !== paths[avoid]);
    if (usable.length === 0) {
      expect(chosen).toBe(NO_PATH);
    } else if (others.length === 0) {
      expect(chosen).toBe(avoid);
    } else {
      const best = Math.max(...others.map(({ rank }) => rank));
      const circle = paths.map((_, step) => (current + 1 + step) % paths.length);
      const first = circle.find((at) => at !== avoid && paths[at]!.rank === best);
      expect(chosen).toBe(first);
    }
  }
});

test("by depth the path with the fewest commands is taken, and rank goes before depth", () => {
  for (const combination of lists([0, 3, 7], 3)) {
    for (const rankings of lists([Rank.Unusable, Rank.NonOptimized, Rank.Optimized], 3)) {
      const paths = combination.map((inflight, at) => path(rankings[at]!, inflight));
      const chosen = nextPath(paths, NO_PATH, true, undefined);
      const best = Math.max(...rankings);
      if (best === Rank.Unusable) {
        expect(chosen).toBe(NO_PATH);
        continue;
      }
      const least = Math.min(...paths.filter(({ rank }) => rank === best).map((p) => p.inflight));
      expect(chosen).toBe(paths.findIndex((p) => p.rank === best && p.inflight === least));
    }
  }
});

test("whatever the policy, a usable path is found if there is one, and no unusable one is", () => {
  for (const policy of [passive, sticky, roundRobin(1), roundRobin(3), byDepth]) {
    for (const { paths, avoid } of situations()) {
      const selector = new PathSelector(policy);
      for (let request = 0; request < 4; request++) {
        const at = selector.choose(paths, paths[avoid]);
        const usable = paths.some(({ rank }) => rank !== Rank.Unusable);
        expect(at !== NO_PATH).toBe(usable);
        if (usable) expect(paths[at]!.rank).not.toBe(Rank.Unusable);
      }
    }
  }
});

test("active-passive stays on its path until that is unusable, or another one gets better", () => {
  const [first, second] = [path(Rank.Optimized), path(Rank.Optimized)];
  const selector = new PathSelector(passive);
  expect(selector.current).toBeUndefined();
  expect(selector.choose([first, second], undefined)).toBe(0);
  first.rank = Rank.Unusable;
  selector.worsened(first);
  expect(selector.choose([first, second], undefined)).toBe(1);
  expect(selector.current).toBe(1);
  first.rank = Rank.Optimized;
  expect(selector.choose([first, second], undefined)).toBe(1);
  selector.improved();
  expect(selector.choose([first, second], undefined)).toBe(0);
});

test("without failback it stays, unless its path becomes worse or another order is wanted", () => {
  const paths = [path(Rank.Optimized), path(Rank.Optimized)];
  const selector = new PathSelector(sticky);
  paths[0]!.rank = Rank.Unusable;
  expect(selector.choose(paths, undefined)).toBe(1);
  paths[0]!.rank = Rank.Optimized;
  selector.improved();
  expect(selector.choose(paths, undefined)).toBe(1);
  paths[1]!.rank = Rank.NonOptimized;
  selector.worsened(paths[1]!);
  expect(selector.choose(paths, undefined)).toBe(0);
  selector.forget();
  expect(selector.choose(paths, undefined)).toBe(0);
});

test("the current path is known by what it is, not by its place", () => {
  const [a, b, c] = [path(Rank.Optimized), path(Rank.Optimized), path(Rank.Optimized)];
  const selector = new PathSelector(sticky);
  expect(selector.choose([a, b], a)).toBe(1);
  selector.relocate([c, a, b]);
  expect(selector.current).toBe(2);
  expect(selector.choose([c, a, b], undefined)).toBe(2);
  // Places may have changed without a word.
  expect(selector.choose([b, a], undefined)).toBe(0);
  selector.relocate([a, c]);
  expect(selector.current).toBeUndefined();
  expect(selector.choose([a, c], undefined)).toBe(0);
});

test("one failure on a good path sends one request to a worse one, and not all that follow", () => {
  const paths = [path(Rank.Optimized), path(Rank.NonOptimized)];
  const selector = new PathSelector(passive);
  expect(selector.choose(paths, undefined)).toBe(0);
  expect(selector.choose(paths, paths[0])).toBe(1);
  expect(selector.choose(paths, undefined)).toBe(0);
  // To one that is as good, all of them go.
  paths[1]!.rank = Rank.Optimized;
  expect(selector.choose(paths, paths[0])).toBe(1);
  expect(selector.choose(paths, undefined)).toBe(1);
});

test("round robin gives each path its requests in turn, and goes to a better one when there is one", () => {
  const paths = [path(Rank.NonOptimized), path(Rank.NonOptimized), path(Rank.Unusable)];
  const selector = new PathSelector(roundRobin(2));
  const turns = (count: number): number[] =>
    Array.from({ length: count }, () => selector.choose(paths, undefined));
  expect(turns(6)).toEqual([0, 0, 1, 1, 0, 0]);
  paths[2]!.rank = Rank.Optimized;
  selector.improved();
  expect(turns(4)).toEqual([2, 2, 2, 2]);
});

test("a new policy begins anew", () => {
  const paths = [path(Rank.Optimized), path(Rank.Optimized)];
  const selector = new PathSelector(passive);
  selector.choose(paths, paths[0]);
  selector.policy = roundRobin(1);
  expect(selector.current).toBeUndefined();
  expect([1, 2, 3].map(() => selector.choose(paths, undefined))).toEqual([0, 1, 0]);
});

test("policies that do not exist are refused", () => {
  for (const policy of [passive, sticky, roundRobin(1), byDepth]) {
    expect(checkPathPolicy(policy)).toBe(policy);
  }
  const bad = [
    { mode: "active" },
    { mode: "active-active" },
    { mode: "active-active", selector: "random" },
  ];
  for (const policy of bad) expect(() => checkPathPolicy(policy as never)).toThrow(TypeError);
  for (const failbackDelayMs of [-1, NaN, Infinity]) {
    expect(() => checkPathPolicy({ ...passive, failbackDelayMs })).toThrow(RangeError);
  }
  for (const minRequests of [0, -1, 1.5, NaN]) {
    expect(() => checkPathPolicy(roundRobin(minRequests))).toThrow(RangeError);
  }
});
