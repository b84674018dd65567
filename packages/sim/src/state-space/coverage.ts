// Which cells of the lifecycle table a run has met, how often, and what of it is missing.
// Read first: table.ts; lifecycle.ts in @nvmeof/core.

import {
  type Cell,
  type Event,
  type Lifecycle,
  type State,
  events,
  lifecycle,
  states,
} from "@nvmeof/core";
import { type Decision, type Pair, reachablePairs } from "./table.ts";

/** A pair that the table allows and that the production controller never meets, and why. */
export interface Unmet {
  readonly state: State;
  readonly event: Event;
  readonly reason: string;
}

/** Checked both ways: a pair that is met all the same must leave this list. */
export const unmet: readonly Unmet[] = [
  {
    state: "closing",
    event: "close",
    reason:
      "Controller.close posts nothing once the gate is shut, and whatever leads to closing shuts it " +
      "in the same step, before anybody is told. Later callers join in Ending.join.",
  },
  {
    state: "closed",
    event: "close",
    reason: "As in closing: the gate stays shut, and later callers get the report that there is.",
  },
];

/** How often a pair was met. */
export interface PairCount extends Pair {
  readonly count: number;
  /** Why it is never met, where that is known. */
  readonly reason: string | undefined;
}

/** What a run, or many, have met of the table. */
export interface Coverage {
  readonly pairs: readonly PairCount[];
  /** Pairs that can be met and were not: nothing is known about them. */
  readonly missing: readonly PairCount[];
  /** Pairs that were met though they are impossible, or held to be never met. */
  readonly wrong: readonly PairCount[];
}

/** The production table, made to tell of every look at it. For any number of controllers in turn. */
export class CountingTable {
  /** To be given to a `Controller`. Its cells are those of the production table. */
  readonly table: Lifecycle;
  /** Told of every look at a cell. */
  onMeet: (cell: Cell) => void = () => {};
  readonly #counts = new Map<string, number>();

  constructor(table: Lifecycle = lifecycle) {
    const rows = states.map((state) => [state, this.#row(state, table)] as const);
    this.table = Object.fromEntries(rows) as unknown as Lifecycle;
  }

  /** What was met until now. */
  coverage(): Coverage {
    const pairs = reachablePairs().map((pair): PairCount => {
      const known = unmet.find(({ state, event }) => state === pair.state && event === pair.event);
      const count = this.#counts.get(`${pair.state} ${pair.event}`) ?? 0;
      return { ...pair, count, reason: known?.reason };
    });
    const isNever = ({ decision, reason }: PairCount): boolean =>
      decision === "impossible" || reason !== undefined;
    return {
      pairs,
      missing: pairs.filter((pair) => !isNever(pair) && pair.count === 0),
      wrong: pairs.filter((pair) => isNever(pair) && pair.count > 0),
    };
  }

  #row(state: State, table: Lifecycle): Lifecycle[State] {
    const row = {};
    for (const event of events) {
      const cell = table[state][event];
      const key = `${state} ${event}`;
      Object.defineProperty(row, event, {
        enumerable: true,
        get: () => {
          this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
          this.onMeet(cell);
          return cell;
        },
      });
    }
    return row as Lifecycle[State];
  }
}

const marks: Readonly<Record<Decision, string>> = {
  transition: "→",
  ignore: "ignore",
  join: "join",
  refuse: "refuse",
  impossible: "–",
};

function cellText({ decision, count, reason }: PairCount): string {
  if (decision === "impossible") return count === 0 ? "–" : `${count} IMPOSSIBLE`;
  if (reason !== undefined) return count === 0 ? "never" : `${count} UNEXPECTED`;
  return count === 0 ? "MISSING" : `${count} ${marks[decision]}`;
}

/** Coverage as a table for a terminal: events down, states across; then the reasons and the sums. */
export function formatCoverage({ pairs, missing, wrong }: Coverage): string {
  const columns = [...new Set(pairs.map(({ state }) => state))];
  const head = ["event", ...columns];
  const rows = events.map((event) => [
    event,
    ...columns.map((state) =>
      cellText(pairs.find((pair) => pair.state === state && pair.event === event)!),
    ),
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, at) => (at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)))
      .join("  ")
      .trimEnd();
  const met = pairs.filter(({ count }) => count > 0).length;
  const possible = pairs.filter(({ decision }) => decision !== "impossible").length;
  const reasons = pairs
    .filter(({ reason }) => reason !== undefined)
    .map(({ state, event, reason }) => `never: ${state} × ${event}: ${reason}`);
  return [
    line(head),
    ...rows.map(line),
    "",
    "→ leads to a state; – is impossible, and an assertion.",
    ...reasons,
    `${met} pairs met of ${possible} that are possible, ${missing.length} missing, ${wrong.length} wrong`,
    "",
  ].join("\n");
}
