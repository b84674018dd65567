// Every short sequence of events, each on a controller of its own, in virtual time.
// Read first: alphabet.ts for the moves; watch.ts for what must hold; README.md, "State space".
//
// Sequences are merged, and nothing is lost by it: two of them are one, for what follows, when their
// controllers ran the same effects at the same times, their attempts lost a queue or were refused at
// the same times, and they look the same now: state, timers, queues, what waits on them, what users
// wait for (`Subject.fingerprint`). All that a controller knows comes from there: a cell that says
// ignore, refuse or join does nothing but answer (`Controller.#handle`). So each sequence is played to its end, and only the first of
// those that are equivalent is gone on from. Nor is a pair played that is sure to repeat another
// (`isRepeated`), nor a last event that shows nothing new (`isPlainEnd`). The extent `complete` does
// without all this; a test compares the two.

import type { Lifecycle, State } from "@nvmeof/core";
import {
  type Move,
  type Seen,
  type Stimulus,
  alphabet,
  isPlainEnd,
  isPossible,
  isRepeated,
  moveText,
  pairsOf,
  play,
} from "./alphabet.ts";
import { type Coverage, CountingTable } from "./coverage.ts";
import { type Profile, profiles as allProfiles } from "./profile.ts";
import { Subject } from "./subject.ts";

/** How far to go, and with what. */
export interface WalkOptions {
  /** Events of a sequence, after the start or after the controller is live. Default 6. */
  readonly events?: number;
  /** Pairs of events that come together, in one sequence. Default 1. */
  readonly pairs?: number;
  /** Whether equivalent sequences are all gone on from. Default `reduced`. */
  readonly extent?: "reduced" | "complete";
  /** Default: all. */
  readonly profiles?: readonly Profile[];
  /** What may happen. Default: the whole alphabet. */
  readonly stimuli?: readonly Stimulus[];
  /** What moves the controllers. Default: the production table; a broken one shows what is found. */
  readonly table?: Lifecycle;
  /** The walk ends when so many sequences have failed. Default 10. */
  readonly failuresMax?: number;
  /** Asked before each sequence: where it says yes, the walk ends with what it has. Default: never. */
  readonly stopped?: () => boolean;
}

/** A sequence after which something did not hold. */
export interface WalkFailure {
  readonly profile: string;
  /** The moves, in words. */
  readonly moves: readonly string[];
  readonly complaints: readonly string[];
}

/** What was gone through, and what was found. */
export interface WalkReport {
  /** Sequences played, each to its end and a close. */
  readonly sequences: number;
  /** Of these, those with events that come together. */
  readonly concurrent: number;
  /** Of these, those that were not gone on from, because they are equivalent to another. */
  readonly merged: number;
  /** States of a controller and its peer that were gone on from, told apart by all that is known. */
  readonly distinct: number;
  readonly failures: readonly WalkFailure[];
  readonly coverage: Coverage;
}

/** What a sequence has come to. */
interface Node {
  readonly state: State;
  readonly seen: Seen;
  readonly possible: readonly Stimulus[];
  readonly fingerprint: string;
}

/** How much may follow. */
interface Rest {
  readonly events: number;
  readonly pairs: number;
}

type Limits = Required<Pick<WalkOptions, "extent" | "failuresMax" | "stimuli" | "stopped">>;

const NOTHING_SEEN: Seen = { deliveries: 0, callbacks: new Set(), changes: 0, states: new Set() };

class Walk {
  readonly counting: CountingTable;
  readonly failures: WalkFailure[] = [];
  sequences = 0;
  concurrent = 0;
  merged = 0;
  readonly #profile: Profile;
  readonly #extent: "reduced" | "complete";
  readonly #failuresMax: number;
  readonly #stimuli: readonly Stimulus[];
  readonly #stopped: () => boolean;
  /** Fingerprints that were gone on from, and how far. */
  readonly #visited = new Map<string, Rest[]>();
  readonly #path: Move[] = [];

  constructor(profile: Profile, counting: CountingTable, options: Limits) {
    this.#profile = profile;
    this.counting = counting;
    this.#extent = options.extent;
    this.#failuresMax = options.failuresMax;
    this.#stimuli = options.stimuli;
    this.#stopped = options.stopped;
  }

  get distinct(): number {
    return this.#visited.size;
  }

  /**
   * Plays the sequence so far with `move` at its end, and all that can follow; says what it did. Yields
   * after each sequence.
   */
  *visit(move: Move | undefined, rest: Rest): Generator<void, Seen, void> {
    if (this.failures.length >= this.#failuresMax || this.#stopped()) return NOTHING_SEEN;
    if (move !== undefined) this.#path.push(move);
    const node = this.#play(rest);
    yield;
    const { seen, possible, fingerprint } = node;
    if (rest.events > 0 && possible.length > 0 && this.#isNew(fingerprint, rest)) {
      yield* this.#follow(node, rest);
    }
    if (move !== undefined) this.#path.pop();
    return seen;
  }

  *#follow({ possible, state }: Node, { events, pairs }: Rest): Generator<void, void, void> {
    for (const first of possible) {
      if (events === 1 && this.#extent === "reduced" && isPlainEnd(first, state)) continue;
      const seen = yield* this.visit({ first }, { events: events - 1, pairs });
      if (events < 2 || pairs < 1) continue;
      for (const pair of pairsOf(first, seen, possible)) {
        if (this.#extent === "reduced" && isRepeated(pair, seen)) continue;
        yield* this.visit(pair, { events: events - 2, pairs: pairs - 1 });
      }
    }
  }

  /** The whole sequence, on a controller of its own, to its end. */
  #play({ events }: Rest): Node {
    const subject = new Subject(this.#profile, this.counting);
    const { watch } = subject;
    let seen = NOTHING_SEEN;
    watch.attempt(() => {
      subject.start();
      for (const move of this.#path) seen = play(subject, move);
    });
    const goesOn = events > 0;
    const possible = goesOn
      ? this.#stimuli.filter((stimulus) => isPossible(subject, stimulus))
      : [];
    const { state } = subject.controller;
    const fingerprint = goesOn ? subject.fingerprint() : "";
    watch.end();
    this.sequences++;
    if (this.#path.some(({ second }) => second !== undefined)) this.concurrent++;
    if (watch.complaints.length > 0) this.#failed(watch.complaints);
    return { state, seen, possible, fingerprint };
  }

  #failed(complaints: readonly string[]): void {
    const moves = this.#path.map((move) => moveText(move));
    this.failures.push({ profile: this.#profile.name, moves, complaints });
  }

  /** Whether nothing equivalent was gone on from as far as this may be. */
  #isNew(fingerprint: string, rest: Rest): boolean {
    const before = this.#visited.get(fingerprint) ?? [];
    const isKnown = before.some(
      ({ events, pairs }) => events >= rest.events && pairs >= rest.pairs,
    );
    if (!isKnown) this.#visited.set(fingerprint, [...before, rest]);
    if (!isKnown || this.#extent === "complete") return true;
    this.merged++;
    return false;
  }
}

/** Walks; the same options give the same report. */
export function walk(options: WalkOptions = {}): WalkReport {
  const steps = walkInSteps(options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same, one sequence at a time: yields how many there were, for those who have to do something else. */
export function* walkInSteps(options: WalkOptions = {}): Generator<number, WalkReport, void> {
  const { events = 6, pairs = 1, extent = "reduced", failuresMax = 10 } = options;
  const { profiles = allProfiles, stimuli = alphabet, stopped = () => false } = options;
  const counting = new CountingTable(options.table);
  const walks: Walk[] = [];
  const sum = (of: (walk: Walk) => number): number =>
    walks.reduce((total, walk) => total + of(walk), 0);
  for (const profile of profiles) {
    const left = failuresMax - sum(({ failures }) => failures.length);
    const walk = new Walk(profile, counting, { extent, failuresMax: left, stimuli, stopped });
    walks.push(walk);
    // From a live controller first: the other walk then meets it, and stops there.
    const rest = { events: events - (profile.fewerEvents ?? 0), pairs };
    for (const first of [{ first: "accept" } as const, undefined]) {
      const visits = walk.visit(first, rest);
      while (visits.next().done !== true) yield sum(({ sequences }) => sequences);
    }
  }
  return {
    sequences: sum(({ sequences }) => sequences),
    concurrent: sum(({ concurrent }) => concurrent),
    merged: sum(({ merged }) => merged),
    distinct: sum(({ distinct }) => distinct),
    failures: walks.flatMap(({ failures }) => failures),
    coverage: counting.coverage(),
  };
}
