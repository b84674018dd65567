// Each stimulus does what its name says, and each way of coming together gives the order it is for.

import { expect, test } from "vitest";
import {
  type Bond,
  type Move,
  alphabet,
  isPossible,
  isRepeated,
  pairsOf,
  play,
} from "./alphabet.ts";
import { CountingTable } from "./coverage.ts";
import { type Profile, profiles } from "./profile.ts";
import { type Request, Subject, requests } from "./subject.ts";

const [patient, , fenced] = profiles as [Profile, Profile, Profile];

function begunAs(profile: Profile, ...moves: readonly Move[]) {
  const counting = new CountingTable();
  const subject = new Subject(profile, counting);
  subject.start();
  for (const move of moves) play(subject, move);
  const before = new Map(
    counting.coverage().pairs.map(({ state, event, count }) => [`${state} ${event}`, count]),
  );
  /** Cells that were met since. */
  const met = (): string[] =>
    counting
      .coverage()
      .pairs.map(({ state, event, count }) => ({ cell: `${state} ${event}`, count }))
      .filter(({ cell, count }) => count > before.get(cell)!)
      .map(({ cell }) => cell);
  return { subject, met };
}

const begun = (...moves: readonly Move[]) => begunAs(patient, ...moves);
const live = () => begun({ first: "accept" });

/** Plays a pair on a live controller, knowing what its first does alone. */
function pair(first: Move["first"], bond: Bond, stimulus: Request) {
  const { deliveries } = play(live().subject, { first });
  const { subject, met } = live();
  play(subject, { first, second: { bond, stimulus, deliveries } });
  return { state: subject.controller.state, met: met().toSorted() };
}

test("a controller that connects waits for the peer, and goes live when it is accepted", () => {
  const { subject } = begun();
  expect(subject.controller.state).toBe("connecting");
  const world = ["accept", "half-accept", "refuse", "refuse-for-good", "timer"];
  const possible = alphabet.filter((stimulus) => isPossible(subject, stimulus));
  expect(possible).toEqual([...requests, ...world]);
  const { deliveries } = play(subject, { first: "accept" });
  expect([subject.controller.state, subject.inflight]).toEqual(["live", 2]);
  expect(deliveries).toBeGreaterThan(8);
});

test("half an attempt has its admin queue, and waits with its I/O queue", () => {
  const { subject } = begun({ first: "half-accept" });
  expect(subject.controller.state).toBe("connecting");
  expect([...subject.peer.links].map(({ qid, waits }) => [qid, waits])).toEqual([
    [0, false],
    [1, true],
  ]);
});

test.each([
  ["refuse", "closing", "exhausted"],
  ["refuse-for-good", "closing", "refused"],
  ["timer", "closing", "exhausted"],
] as const)("%s ends a first connect", (first, _to, event) => {
  const { subject, met } = begun();
  play(subject, { first });
  expect(met()).toEqual([`connecting ${event}`, "closing ended"]);
});

test("a loss of one queue, or of all, loses the controller", () => {
  expect(pair("drop-io", "turn after", "enable").met).toContain("live lost");
  expect(pair("drop-all", "turn after", "enable").met).toContain("live lost");
});

test("a peer that answers nothing is missed by the first deadline", () => {
  const { subject, met } = live();
  play(subject, { first: "timer" });
  expect([subject.clock.nowMs(), met()]).toEqual([4_000, ["live lost"]]);
});

test("an answer is to what waits, and not to what follows from it", () => {
  const { subject } = begun({ first: "accept" }, { first: "close" }, { first: "answer" });
  // The shutdown has begun, and waits.
  expect([subject.controller.state, subject.inflight]).toEqual(["closing", 0]);
  expect(isPossible(subject, "answer")).toBe(true);
  play(subject, { first: "answer" });
  expect(subject.controller.state).toBe("closing");
  play(subject, { first: "answer" });
  expect(subject.controller.state).toBe("closed");
});

test("at once: requests are handled in the order in which they were made", () => {
  expect(pair("reset", "at once", "disable")).toEqual({
    state: "disabled",
    met: ["live reset", "recovering disable"],
  });
  expect(pair("disable", "at once", "reset")).toEqual({
    state: "disabled",
    met: ["disabled reset", "live disable"],
  });
});

test("at once: a close overtakes what was asked before it", () => {
  expect(pair("reset", "at once", "close").met).toEqual(["closing reset", "live close"]);
});

test("next: what the loss has posted comes first; in a completion, which is before that, it does not", () => {
  expect(pair("drop-io", "next", "disable").met).toEqual(["live lost", "recovering disable"]);
  // The loss is stale by then.
  expect(pair("drop-io", "in completion", "disable").met).toEqual(["live disable"]);
});

test("in a completion of the teardown, a close ends the recovery that has just begun", () => {
  expect(pair("reset", "in completion", "close")).toEqual({
    state: "closed",
    met: ["closing ended", "live reset", "recovering close"],
  });
});

test("in news, in an answer: from inside the callback", () => {
  expect(pair("disable", "in news", "enable").met).toEqual(["disabled enable", "live disable"]);
  expect(pair("disable", "in answer", "enable").met).toEqual(["disabled enable", "live disable"]);
});

test("a pair whose second one does nothing is a repetition; all others are not", () => {
  const seen = play(live().subject, { first: "close" });
  const pairs = pairsOf("close", seen, ["reset", "close", "drop-all"]);
  const repeated = pairs.filter((move) => isRepeated(move, seen));
  expect(pairs.length).toBeGreaterThan(repeated.length);
  expect(repeated.map(({ second }) => second!.bond)).not.toContain("at once");
});

test("what a lost controller leaves in doubt is fenced until the fence ends", () => {
  const { subject, met } = begunAs(fenced, { first: "accept" }, { first: "drop-io" });
  expect([subject.controller.state, isPossible(subject, "fence-ends")]).toEqual(["fencing", true]);
  play(subject, { first: "fence-ends" });
  expect([subject.controller.state, isPossible(subject, "fence-ends")]).toEqual([
    "recovering",
    false,
  ]);
  expect(met()).toEqual(["fencing fenced"]);
});

test("the news of a fence's end may come after it was called off", () => {
  const { subject, met } = begunAs(fenced, { first: "accept" }, { first: "drop-io" });
  const second = { bond: "at once", stimulus: "disable", deliveries: 1 } as const;
  expect(play(subject, { first: "fence-ends", second }).deliveries).toBe(1);
  expect([subject.controller.state, met()]).toEqual(["disabled", ["fencing disable"]]);
});

test("with nothing in flight, there is nothing to fence", () => {
  const { subject } = begunAs(fenced, { first: "accept" });
  const second = { bond: "turn after", stimulus: "lost", deliveries: 2 } as const;
  play(subject, { first: "answer", second });
  expect([subject.controller.state, subject.fence.isOpen]).toEqual(["recovering", false]);
});
