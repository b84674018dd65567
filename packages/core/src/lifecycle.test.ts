// The table, quantified: what must hold of every cell, whatever is added to it.

import { expect, test } from "vitest";
import { type Cell, type Effect, type Event, type State, type Transition } from "./lifecycle.ts";
import { events, lifecycle, states } from "./lifecycle.ts";

interface Meeting {
  readonly state: State;
  readonly event: Event;
  readonly cell: Cell;
}

const all: readonly Meeting[] = states.flatMap((state) =>
  events.map((event) => ({ state, event, cell: lifecycle[state][event] })),
);

const isTransition = (cell: Cell): cell is Transition => typeof cell === "object";

const moves = all.flatMap(({ state, event, cell }) =>
  isTransition(cell) ? [{ from: state, event, ...cell }] : [],
);

/** States with an attempt under way, with queues, and with a timer for the next attempt. */
const attempting: readonly State[] = ["connecting", "recovering"];
const over: readonly State[] = ["closing", "closed"];

const says = ({ state, event }: Meeting): string => `${state} × ${event}`;

test("every state meets every event", () => {
  expect(Object.keys(lifecycle)).toEqual([...states]);
  for (const state of states)
    expect(Object.keys(lifecycle[state]).toSorted()).toEqual([...events].toSorted());
});

test("every way out of live tears down, or closes, which does so at the right moment", () => {
  for (const { from, run } of moves) {
    if (from !== "live") continue;
    const ends = run.filter((effect) => effect === "tearDown" || effect === "runClose");
    expect(ends).toHaveLength(1);
    expect(run[0]).toBe(ends[0]);
  }
});

test("every way out of a state with an attempt cancels it, unless it has succeeded", () => {
  for (const { from, event, run } of moves) {
    if (!attempting.includes(from) || event === "connected") continue;
    expect(run[0]).toBe("cancelAttempt");
  }
});

test("there is one teardown: nothing else drops the queues of a live controller", () => {
  const tearing = moves.filter(({ run }) => run.includes("tearDown"));
  expect(new Set(tearing.map(({ from }) => from))).toEqual(new Set(["live"]));
});

test("every way out of waiting disarms its timer, unless that has elapsed", () => {
  for (const { from, event, run } of moves) {
    if (from === "waiting" && event !== "delayElapsed") expect(run).toContain("disarmDelay");
  }
});

test("every way out of fencing calls the fence off, unless it is over", () => {
  for (const { from, to, event, run } of moves) {
    expect(run.includes("fence"), event).toBe(to === "fencing");
    const leaves = from === "fencing" && event !== "fenced";
    expect(run[0] === "cancelFence", event).toBe(leaves);
  }
});

test("loss timers run from a loss to success or the end, and are started once", () => {
  const watched: readonly State[] = ["fencing", "recovering", "waiting"];
  for (const { from, to, run } of moves) {
    expect(run.includes("startLossTimers")).toBe(!watched.includes(from) && watched.includes(to));
    expect(run.includes("stopLossTimers")).toBe(watched.includes(from) && !watched.includes(to));
  }
});

test("an attempt runs in the states that have one, and in no other", () => {
  for (const { to, run } of moves) {
    expect(run.includes("attempt"), to).toBe(attempting.includes(to));
    expect(run.includes("armDelay"), to).toBe(to === "waiting");
    expect(run.includes("goLive"), to).toBe(to === "live");
    expect(run.includes("runClose"), to).toBe(to === "closing");
    expect(run.includes("finish"), to).toBe(to === "closed");
  }
});

test("what is new begins after what is old has ended", () => {
  const last: readonly Effect[] = ["attempt", "armDelay", "fence", "goLive", "runClose", "finish"];
  for (const { run } of moves) {
    const at = run.findIndex((effect) => last.includes(effect));
    expect(at === -1 || at === run.length - 1).toBe(true);
  }
});

test("F10: a close is accepted in every state", () => {
  for (const state of states) {
    const cell = lifecycle[state].close;
    if (over.includes(state)) expect(cell).toBe("join");
    else expect(cell).toMatchObject({ to: "closing" });
  }
});

test("nothing leaves closed, and only the end leaves closing", () => {
  expect(moves.filter(({ from }) => from === "closed")).toEqual([]);
  expect(moves.filter(({ from }) => from === "closing").map(({ event }) => event)).toEqual([
    "ended",
  ]);
  expect(moves.filter(({ to }) => to === "closed").map(({ from }) => from)).toEqual(["closing"]);
});

test("F5, I14: nothing connects on the way out, and whoever asks for it is told why", () => {
  for (const state of over) {
    for (const event of ["reset", "disable", "enable"] as const) {
      expect(lifecycle[state][event]).toBe("refuse");
    }
  }
});

test("whoever asks for something is never met with impossible", () => {
  const asked: readonly Event[] = ["reset", "disable", "enable", "close", "lost"];
  expect(all.filter(({ event, cell }) => asked.includes(event) && cell === "impossible")).toEqual(
    [],
  );
});

test("only requests are joined or refused: a fact has nobody to answer", () => {
  const requests: readonly Event[] = ["reset", "disable", "enable", "close"];
  for (const meeting of all) {
    if (meeting.cell !== "join" && meeting.cell !== "refuse") continue;
    expect(requests, says(meeting)).toContain(meeting.event);
  }
});

test("results of attempts belong to the states that have one", () => {
  const results: readonly Event[] = ["connected", "failed", "refused", "exhausted"];
  for (const { state, event, cell } of all) {
    if (!results.includes(event)) continue;
    expect(cell === "impossible").toBe(!attempting.includes(state));
  }
});

test("no state is left but by events that it can have: all others say why not", () => {
  const reached = new Set<State>(["connecting", ...moves.map(({ to }) => to)]);
  expect([...reached].toSorted()).toEqual([...states].toSorted());
  for (const { from, to, event } of moves) {
    // The one state that follows itself: the first connect goes on with the next address.
    if (from === to) expect([from, event]).toEqual(["connecting", "failed"]);
  }
});

test("from every state there is a way to closed", () => {
  for (const state of states) {
    const cell = lifecycle[state].close;
    const next = isTransition(cell) ? cell.to : state;
    expect(next === "closed" || lifecycle[next].ended).not.toBe("impossible");
  }
});
