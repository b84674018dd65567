// A decoder as a target: it may refuse bytes by a typed error, and by nothing else.
// Read first: ../fuzz-target.ts.

import { isNvmeofError } from "@nvmeof/codec";
import { changed } from "../bytes.ts";
import type { FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";

/** Words for a value, however it is made. */
function worded(value: unknown): string {
  const seen = JSON.stringify(value, (_name, each: unknown) => {
    if (typeof each === "bigint") return `${each}n`;
    if (each instanceof Uint8Array) return `bytes ${Buffer.from(each).toString("hex")}`;
    if (each instanceof Map) return [...each];
    return each;
  });
  return seen?.slice(0, 100_000) ?? "nothing";
}

/** What a decoder comes to: its value, or its refusal. */
export function outcomeOf(decode: () => unknown): string {
  try {
    return `read ${worded(decode())}`;
  } catch (error) {
    if (!isNvmeofError(error)) throw error;
    return `refused ${error.code}: ${error.message}`;
  }
}

/** A target of decoders of one kind. */
export interface ParserOptions {
  readonly name: string;
  readonly reads: string;
  /** Something that would be right. */
  readonly valid: (random: Random) => Uint8Array;
  readonly decode: (input: Uint8Array) => unknown;
  readonly quickCases?: number;
}

export function parser({
  name,
  reads,
  valid,
  decode,
  quickCases = 1_500,
}: ParserOptions): FuzzTarget {
  return {
    name,
    reads,
    quickCases,
    make: (random) => {
      const good = valid(random);
      return random.once(4) ? good : changed(good, random, good);
    },
    run: (input) => outcomeOf(() => decode(input)),
  };
}

/** Several decoders behind one first byte, which says whose the rest is. */
export interface Choice {
  readonly valid: (random: Random) => Uint8Array;
  readonly decode: (input: Uint8Array) => unknown;
}

export function parsers(
  name: string,
  reads: string,
  choices: readonly Choice[],
  quickCases?: number,
): FuzzTarget {
  const chosen = (input: Uint8Array): Choice => choices[(input[0] ?? 0) % choices.length]!;
  return parser({
    name,
    reads,
    ...(quickCases === undefined ? {} : { quickCases }),
    valid: (random) => {
      const at = random.below(choices.length);
      const rest = choices[at]!.valid(random);
      const whole = new Uint8Array(1 + rest.length);
      whole[0] = at;
      whole.set(rest, 1);
      return whole;
    },
    decode: (input) => chosen(input).decode(input.subarray(1)),
  });
}
