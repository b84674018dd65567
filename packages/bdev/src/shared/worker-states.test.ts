// The table of a worker's life: whatever happens, and in whatever order, it ends when it is to end.

import { expect, test } from "vitest";
import {
  type WorkerEvent,
  type WorkerState,
  type WorkerTransition,
  workerEvents,
  workerLife,
  workerStates,
} from "./worker-states.ts";

const cells = workerStates.flatMap((from) =>
  workerEvents.map((event) => ({ from, event, cell: workerLife[from][event] })),
);
const transitions = cells.filter(
  (each): each is typeof each & { cell: WorkerTransition } => typeof each.cell !== "string",
);

test("a transition ends the worker, says how, and finishes it, or does nothing of the three", () => {
  for (const { cell } of transitions) {
    const isEnd = cell.to === "ended";
    expect({ end: cell.end !== undefined, finish: cell.run.includes("finish") }).toEqual({
      end: isEnd,
      finish: isEnd,
    });
  }
});

test("the end of the link ends a worker in every state", () => {
  for (const from of workerStates) {
    if (from === "ended") continue;
    expect(workerLife[from].lost, from).toMatchObject({ to: "ended" });
  }
});

test("a close leads to the end by the bound alone, from every state, with a worker that says nothing", () => {
  for (const from of workerStates) {
    let state: WorkerState = from;
    for (const event of ["close", "bound"] satisfies WorkerEvent[]) {
      if (state === "ended") break;
      const cell = workerLife[state][event];
      if (typeof cell !== "string") state = cell.to;
    }
    expect(state, from).toBe("ended");
  }
});

test("only timers cannot happen, and only where none is armed", () => {
  const armed = new Set<WorkerState>(["closing", "forcing"]);
  const impossible = cells.filter(({ cell }) => cell === "impossible");
  for (const { from, event } of impossible) {
    expect(["overdue", "bound"]).toContain(event);
    // The one that has gone off does not do so again.
    if (armed.has(from)) expect({ from, event }).toEqual({ from: "forcing", event: "overdue" });
  }
});

test("nothing leads out of the end", () => {
  expect(transitions.filter(({ from }) => from === "ended")).toEqual([]);
});

test("every state but the first is reached", () => {
  const reached = new Set(transitions.map(({ cell }) => cell.to));
  expect([...workerStates].filter((state) => !reached.has(state))).toEqual(["offered"]);
});
