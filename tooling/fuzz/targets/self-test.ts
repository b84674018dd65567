// Targets with a known fault each: what the fuzzer must find, or it finds nothing.
// Read first: ../engine.test.ts, ../command.test.ts. They run where they are named, and not otherwise.

import { Broken, type Cuts, type FuzzTarget } from "../fuzz-target.ts";
import { outcomeOf } from "./parser.ts";

const includes = (input: Uint8Array, ...bytes: readonly number[]): boolean =>
  Buffer.from(input).includes(Buffer.from(bytes));

const faulty = (
  name: string,
  run: (input: Uint8Array, cuts: Cuts) => string,
  more: Partial<FuzzTarget> = {},
): FuzzTarget => ({
  name,
  reads: "nothing: it has a fault that must be found",
  quickCases: 0,
  make: (random) => random.bytes(random.between(1, 64)),
  run,
  ...more,
});

/** So that nothing is optimised away. */
let kept: Uint8Array | undefined;

export const selfTests: readonly FuzzTarget[] = [
  faulty("self-throws", (input) => {
    if (includes(input, 0x42)) throw new TypeError(`cannot read ${input.length} bytes`);
    return "fine";
  }),
  faulty("self-broken", (input) => {
    if (includes(input, 0x42)) throw new Broken("something that must hold does not");
    return "fine";
  }),
  faulty(
    "self-chunked",
    (input, cuts) => (includes(input, 0xfe) ? `pieces ${cuts.length}` : "fine"),
    {
      chunked: true,
    },
  ),
  faulty("self-changing", (input) => (includes(input, 0x42) ? String(performance.now()) : "fine")),
  faulty("self-memory", (input) => {
    kept = includes(input, 0xff) ? new Uint8Array(64 * 1024 * 1024) : undefined;
    return kept === undefined ? "fine" : "full";
  }),
  faulty("self-slow", (input) => {
    if (!includes(input, 0x42)) return "fine";
    const untilMs = performance.now() + 70;
    let turns = 0;
    for (let nowMs = 0; nowMs < untilMs; turns++) nowMs = performance.now();
    return turns > 0 ? "slow" : "fine";
  }),
  faulty("self-hangs", (input) => {
    for (let at = 0; at < input.length;) at += input[at] === 0x42 ? 0 : 1;
    return "fine";
  }),
  faulty("self-fine", (input) =>
    outcomeOf(() => {
      return input.length;
    }),
  ),
];
