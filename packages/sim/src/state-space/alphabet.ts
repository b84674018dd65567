// What the outside world can do to a controller, when it can, and what two things at once may mean.
// Read first: subject.ts, peer.ts. A word of the walk is a list of moves over this alphabet.

import { type State, lifecycle } from "@nvmeof/core";
import { type Callback, type Request, type Subject, requests } from "./subject.ts";

/** What the peer, the network or the time does. */
const worldly = [
  "accept", // the peer answers an attempt, to its end
  "half-accept", // as far as the Connect of the I/O queue, and then no more
  "refuse", // nobody listens
  "refuse-for-good", // Connect is answered with DNR
  "drop-io", // the connection of the I/O queue is lost
  "drop-all", // all connections are lost
  "answer", // a live or closing controller gets the answers that it waits for
  "fence-ends", // nothing that a lost controller left behind can do harm any more
  "timer", // the next timer elapses, whichever that is
] as const;

/** One event of the outside world. */
export type Stimulus = Request | (typeof worldly)[number];

export const alphabet: readonly Stimulus[] = [...requests, ...worldly];

export const isRequest = (stimulus: Stimulus): stimulus is Request =>
  (requests as readonly Stimulus[]).includes(stimulus);

/**
 * How two stimuli come together.
 *
 * - `at once`: the second in the same task, before the first has had any consequence.
 * - `next`, `turn after`: the second in the task that delivers the last of the first, or a turn later:
 *   what both post then meets in one drain of the mailbox, in either order.
 * - `in news`, `in completion`, `in answer`: from inside the first such callback of the first.
 */
export type Bond = "at once" | "next" | "turn after" | `in ${Callback}`;

/** One move: a stimulus and all its consequences, or two that come together. */
export interface Move {
  readonly first: Stimulus;
  readonly second?: {
    readonly bond: Bond;
    readonly stimulus: Stimulus;
    /** Things that the peer delivers when the first is alone. */
    readonly deliveries: number;
  };
}

/** What a move has been seen to do, so that a second stimulus can be placed in it. */
export interface Seen {
  /** Things that the peer, or the owner of the fence, has delivered. */
  readonly deliveries: number;
  readonly callbacks: ReadonlySet<Callback>;
  /** Changes of state. */
  readonly changes: number;
  /** States that the controller was in, from before to after. */
  readonly states: ReadonlySet<State>;
}

export const moveText = ({ first, second }: Move): string =>
  second === undefined ? first : `${first} + ${second.bond} ${second.stimulus}`;

/** Whether `stimulus` can happen to `subject` now. Requests always can. */
export function isPossible(
  { controller, peer, clock, fence }: Subject,
  stimulus: Stimulus,
): boolean {
  if (isRequest(stimulus)) return true;
  const { state } = controller;
  const links = [...peer.links];
  const attempts = (state === "connecting" || state === "recovering") && links.length > 0;
  const isBegun = links.some(({ qid, phase }) => qid === 0 && phase === "open");
  switch (stimulus) {
    case "accept":
    case "refuse-for-good":
      return attempts;
    case "half-accept":
    case "refuse":
      return attempts && !isBegun;
    case "drop-io":
      return links.some(({ qid }) => qid > 0);
    case "drop-all":
      return isBegun;
    case "answer":
      return !attempts && links.some(({ waits }) => waits);
    case "fence-ends":
      return fence.isHeld;
    case "timer":
    default:
      return clock.armed > 0;
  }
}

const deeds: Readonly<Record<Exclude<Stimulus, Request>, (subject: Subject) => void>> = {
  accept: ({ peer }) => peer.be("willing"),
  "half-accept": ({ peer }) => peer.be("half-willing"),
  refuse: ({ peer }) => peer.kill(),
  "refuse-for-good": ({ peer }) => peer.be("final"),
  "drop-io": ({ peer }) => peer.kill(1),
  "drop-all": ({ peer }) => peer.kill(),
  answer: ({ peer }) => peer.answerOnce(),
  "fence-ends": ({ fence }) => fence.end(),
  timer: ({ clock }) => void clock.step(),
};

function begin(subject: Subject, stimulus: Stimulus): void {
  if (isRequest(stimulus)) subject.ask(stimulus);
  else deeds[stimulus](subject);
}

/** Plays a move with all its consequences; says what it did. */
export function play(subject: Subject, { first, second }: Move): Seen {
  const { clock, peer, fence } = subject;
  let deliveries = 0;
  const delivered = (): void => {
    deliveries++;
    if (second === undefined || deliveries !== second.deliveries) return;
    if (second.bond === "next") begin(subject, second.stimulus);
    if (second.bond === "turn after") clock.defer(() => begin(subject, second.stimulus));
  };
  peer.onDelivered = delivered;
  fence.onDelivered = delivered;
  if (second?.bond.startsWith("in ") === true) {
    subject.ambush(second.bond.slice(3) as Callback, second.stimulus as Request);
  }
  subject.callbacks.clear();
  subject.changes = 0;
  subject.passed.clear();
  subject.passed.add(subject.controller.state);
  begin(subject, first);
  if (second?.bond === "at once") begin(subject, second.stimulus);
  clock.settle();
  subject.endAmbush();
  peer.be("silent");
  subject.load();
  return {
    deliveries,
    callbacks: new Set(subject.callbacks),
    changes: subject.changes,
    states: new Set(subject.passed),
  };
}

/** Whether `request` does nothing but get an answer, in each of `states`. */
const isIdle = (request: Request, states: Iterable<State>): boolean =>
  [...states].every((state) => {
    const cell = lifecycle[state][request];
    return cell === "ignore" || cell === "refuse" || (cell === "join" && request === "close");
  });

/** All that can be made of `first` and one more of `possible`, knowing what `first` does alone. */
export function pairsOf(first: Stimulus, seen: Seen, possible: readonly Stimulus[]): Move[] {
  const { deliveries, callbacks } = seen;
  const pairs: Move[] = [];
  const add = (bond: Bond, stimulus: Stimulus): void => {
    pairs.push({ first, second: { bond, stimulus, deliveries } });
  };
  for (const second of possible) {
    // A timer elapses in a task of its own, after all that was deferred before it.
    if (first !== "timer" && second !== "timer") {
      if (isRequest(first) || isRequest(second)) add("at once", second);
    }
    if (!isRequest(second)) continue;
    if (!isRequest(first) && deliveries > 0) {
      add("next", second);
      add("turn after", second);
    }
    for (const callback of callbacks) add(`in ${callback}`, second);
  }
  return pairs;
}

/**
 * Whether a last event is sure to show nothing new: a request that gets nothing but an answer, or a
 * close, with which every sequence ends anyway.
 */
export const isPlainEnd = (stimulus: Stimulus, state: State): boolean =>
  stimulus === "close" || (isRequest(stimulus) && isIdle(stimulus, [state]));

/**
 * Whether a pair is sure to do what another one does.
 *
 * - A request that gets nothing but an answer in each of the states passed does not change what the
 *   first does alone.
 * - Posted from inside news or an answer, mail is handled next, in the same drain; so it is when it was
 *   posted together with what caused the news: with a request, or with the last thing delivered, where
 *   that is what the only news is about. Only `close` does more in its call than post. What a timer
 *   causes can be met in no other way.
 */
export function isRepeated({ first, second }: Move, { states, changes }: Seen): boolean {
  if (second === undefined || !isRequest(second.stimulus)) return false;
  if (isIdle(second.stimulus, states)) return true;
  const isLikeMail = second.bond === "in news" || second.bond === "in answer";
  const isPlaced = isRequest(first) || (first !== "timer" && changes === 1);
  return isLikeMail && isPlaced && second.stimulus !== "close";
}
