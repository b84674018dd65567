// A run of one target: case after case, each new or made of one that led to a new place.
// Read first: check.ts. The same seed, cases and corpus give the same run.

import { changed } from "./bytes.ts";
import { Finding, check } from "./check.ts";
import type { FuzzTarget } from "./fuzz-target.ts";
import { Random, hashOf } from "./random.ts";

/** Inputs that are remembered because they led somewhere new. */
const POOL_MAX = 512;
/** Places that are told apart; beyond, nothing is new any more. */
const PLACES_MAX = 20_000;

/** A case that is a finding. */
export interface FoundCase {
  readonly input: Uint8Array;
  /** Which case of the run it was. */
  readonly at: number;
  readonly finding: Finding;
}

/** What is known of a run so far. */
export interface RunFigures {
  cases: number;
  bytes: number;
  /** Different things that came of inputs: kinds of errors, courses of events. */
  places: number;
}

/** Where an input led: without numbers, of which there are too many. */
const placeOf = (verdict: string): string => verdict.replace(/\d+/g, "#").slice(0, 400);

/** A run that goes on for as long as it is asked to. */
export class TargetRun {
  readonly figures: RunFigures = { cases: 0, bytes: 0, places: 0 };
  readonly target: FuzzTarget;
  readonly #random: Random;
  readonly #pool: Uint8Array[] = [];
  readonly #places = new Set<string>();
  /** Inputs that led somewhere new, for who wants to keep them. */
  readonly news: Uint8Array[] = [];

  /** @param corpus is what some of the cases are made of. */
  constructor(target: FuzzTarget, seed: number, corpus: readonly Uint8Array[] = []) {
    this.target = target;
    this.#random = new Random(seed, hashOf(target.name));
    this.#pool.push(...corpus);
  }

  /** The input of the next case. */
  #next(): Uint8Array {
    const random = this.#random;
    const { target } = this;
    if (this.#pool.length === 0 || random.once(3)) return target.make(random);
    const input = random.pick(this.#pool);
    if (target.change !== undefined && !random.once(3)) return target.change(input, random);
    return changed(input, random, random.pick(this.#pool));
  }

  /** Does one case. Returns what it found, if it did. */
  async step(): Promise<FoundCase | undefined> {
    const at = this.figures.cases++;
    const input = this.#next();
    this.figures.bytes += input.length;
    try {
      this.#note(await check(this.target, input), input);
      return undefined;
    } catch (error) {
      if (!(error instanceof Finding)) throw error;
      return { input, at, finding: error };
    }
  }

  #note(verdict: string, input: Uint8Array): void {
    const place = placeOf(verdict);
    if (this.#places.has(place) || this.#places.size >= PLACES_MAX) return;
    this.#places.add(place);
    this.figures.places = this.#places.size;
    this.news.push(input);
    if (this.news.length > POOL_MAX) this.news.shift();
    if (this.#pool.length < POOL_MAX) this.#pool.push(input);
    else this.#pool[this.#random.below(POOL_MAX)] = input;
  }
}
