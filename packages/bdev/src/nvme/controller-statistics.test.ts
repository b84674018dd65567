// What counts as a reset, as a loss and as an attempt to reconnect.

import { type Cell, type Event, type State, lifecycle } from "@nvmeof/core";
import { expect, test } from "vitest";
import { ControllerCounters } from "./controller-statistics.ts";

/** Walks the lifecycle by events, as a controller does. */
function counted(...events: readonly Event[]): object {
  const counters = new ControllerCounters();
  let from: State = "connecting";
  for (const cause of events) {
    const cell: Cell = lifecycle[from][cause];
    if (typeof cell === "string") throw new Error(`${cause} is no change while ${from}`);
    counters.changed({ type: "state", from, to: cell.to, cause, reason: undefined });
    from = cell.to;
  }
  return counters.snapshot();
}

test.each([
  ["connected", ["connected"], [0, 0, 0]],
  ["reset", ["connected", "reset", "connected"], [1, 0, 0]],
  ["reset that has to be tried again", ["connected", "reset", "failed", "delayElapsed"], [1, 0, 1]],
  ["lost, back at once", ["connected", "lost", "connected"], [0, 1, 1]],
  ["lost, back later", ["connected", "lost", "failed", "delayElapsed", "connected"], [0, 1, 2]],
  ["lost again soon", ["connected", "flapped", "delayElapsed", "connected"], [0, 1, 1]],
  ["lost in doubt", ["connected", "lostInDoubt", "fenced", "connected"], [0, 1, 1]],
  ["reset in doubt", ["connected", "resetInDoubt", "fenced", "connected"], [1, 0, 1]],
  ["disabled and enabled", ["connected", "disable", "enable", "connected"], [0, 0, 1]],
  ["closed", ["connected", "close", "ended"], [0, 0, 0]],
] as const)("%s", (_what, events, [resets, losses, reconnects]) => {
  expect(counted(...events)).toEqual({ resets, losses, reconnects });
});
