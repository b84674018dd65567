// The lifecycle table on its own: which states can be come to, and what each event means in them.
// Read first: lifecycle.ts in @nvmeof/core. Promise: nothing in here knows a controller.

import { type Cell, type Event, type Lifecycle, type State, events, lifecycle } from "@nvmeof/core";

/** What a cell decides, in one word. `transition` is any cell that names a next state. */
export type Decision = "transition" | "ignore" | "join" | "refuse" | "impossible";

/** One event in one state. */
export interface Pair {
  readonly state: State;
  readonly event: Event;
  readonly decision: Decision;
}

/** Where every controller begins. */
export const INITIAL_STATE: State = "connecting";

/** What `cell` decides. @throws Error for what is no cell: then the table is not total. */
export function decisionOf(cell: Cell | undefined): Decision {
  if (typeof cell === "object") return "transition";
  if (cell === undefined) throw new Error("the table has a hole");
  return cell;
}

/** States that transitions lead to from the first one, nearest first. */
export function reachableStates(table: Lifecycle = lifecycle): State[] {
  const found: State[] = [INITIAL_STATE];
  // The list grows while it is walked: that is the breadth-first search.
  for (const state of found) {
    for (const event of events) {
      const cell = table[state][event];
      if (typeof cell === "object" && !found.includes(cell.to)) found.push(cell.to);
    }
  }
  return found;
}

/** Every event in every state that can be come to, and what is decided about it. */
export const reachablePairs = (table: Lifecycle = lifecycle): Pair[] =>
  reachableStates(table).flatMap((state) =>
    events.map((event) => ({ state, event, decision: decisionOf(table[state][event]) })),
  );
