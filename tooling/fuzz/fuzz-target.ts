// What can be fuzzed, as an interface: how inputs are made, what is done with one, and what must hold.
// Read first: README.md. registry.ts has all of them; a new one is a line there.

import type { Random } from "./random.ts";

/** Where an input is cut before it is given on: offsets, increasing. */
export type Cuts = readonly number[];

/** Something that reads bytes. */
export interface FuzzTarget {
  /** By which it is asked for: "pdu-host". */
  readonly name: string;
  /** What reads the bytes, in a line. */
  readonly reads: string;
  /** An input, made by structure: most of it right, and some of it wrong. */
  make(random: Random): Uint8Array;
  /** An input changed by structure. Default: changes of bytes only. */
  change?(input: Uint8Array, random: Random): Uint8Array;
  /**
   * Reads an input, and gives what came of it in words: the same for the same input. It throws what
   * nobody who reads bytes may throw; `Broken` where it saw something else that must not be.
   */
  run(input: Uint8Array, cuts: Cuts): string | Promise<string>;
  /** A stream: what comes of it must not depend on where it is cut. */
  readonly chunked?: boolean;
  /** Time that an input may take, ms, and what each of its bytes adds to it. Default 50 and 0.05. */
  readonly msMax?: number;
  readonly msPerByte?: number;
  /** Memory outside the heap that reading an input may allocate, bytes. Default 4 MiB. */
  readonly bytesMax?: number;
  /** How many cases the test suite takes: a fraction of a second. */
  readonly quickCases: number;
}

/** Something that must hold does not; of a target's own oracle. */
export class Broken extends Error {
  override readonly name = "Broken";
}
