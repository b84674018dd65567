// What a run comes to: whether something was wrong, a hash of all that happened, and its figures.
// Read first: run.ts; docs/invariants.md for the numbers of invariants.

import type { TraceEvent } from "./trace.ts";
import type { Violation } from "./violation.ts";

/** What happened in a run, or in many, in numbers. Records are by name; order has no meaning. */
export interface Figures {
  /** Runs that these figures are of. */
  readonly runs: number;
  /** Virtual time, ms. */
  readonly virtualMs: number;
  /** Events of the trace. */
  readonly events: number;
  /** Requests of users to block devices. */
  readonly submitted: number;
  /** Those that settled, by outcome: "done", "failed", "unknown", "not-sent". */
  readonly settled: Readonly<Record<string, number>>;
  /** Faults and operations carried out, by kind. */
  readonly steps: Readonly<Record<string, number>>;
  /** Edges of the lifecycle that controllers went along: "live > recovering: lost". */
  readonly edges: Readonly<Record<string, number>>;
  /** Fences: "held", and how they ended: "ccr", "immediate", "new-incarnation", "time", "not released". */
  readonly fences: Readonly<Record<string, number>>;
}

/** The figures of no run. */
export const noFigures: Figures = {
  runs: 0,
  virtualMs: 0,
  events: 0,
  submitted: 0,
  settled: {},
  steps: {},
  edges: {},
  fences: {},
};

/** What a run comes to. */
export interface Verdict {
  readonly seed: number;
  /** The first invariant that did not hold; undefined if all did. */
  readonly violation: Violation | undefined;
  /** Of all events: the same plan gives the same, everywhere. */
  readonly hash: string;
  readonly figures: Figures;
  /** The last events, or all of them where they were asked for. */
  readonly events: readonly TraceEvent[];
}

/** Counts by name. */
export type Counts = Record<string, number>;

/** One more of `name`. */
export function count(counts: Counts, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function sumOf(a: Readonly<Counts>, b: Readonly<Counts>): Counts {
  const sum: Counts = {};
  for (const name of Array.from(new Set([...Object.keys(a), ...Object.keys(b)])).sort()) {
    sum[name] = (a[name] ?? 0) + (b[name] ?? 0);
  }
  return sum;
}

/** Figures of two sets of runs together. */
export function mergeFigures(a: Figures, b: Figures): Figures {
  return {
    runs: a.runs + b.runs,
    virtualMs: a.virtualMs + b.virtualMs,
    events: a.events + b.events,
    submitted: a.submitted + b.submitted,
    settled: sumOf(a.settled, b.settled),
    steps: sumOf(a.steps, b.steps),
    edges: sumOf(a.edges, b.edges),
    fences: sumOf(a.fences, b.fences),
  };
}

/** An event as a person reads it: "   12.345 ms  host0  state  from=live to=recovering". */
export function formatEvent({ atMs, who, what, fields }: TraceEvent): string {
  const text = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
  return `${atMs.toFixed(3).padStart(12)} ms  ${who.padEnd(8)} ${what.padEnd(10)} ${text}`.trimEnd();
}

/** Events that a failure shows. */
const SHOWN_EVENTS = 40;

/** What was wrong, as a person reads it: seed, invariant, the last events, and how to see it again. */
export function failureText({ seed, violation, events }: Verdict): string {
  if (violation === undefined) return "";
  const { invariant, message, atMs } = violation;
  return [
    `seed ${seed}: ${invariant} does not hold at ${atMs.toFixed(3)} ms: ${message}`,
    ...events.slice(-SHOWN_EVENTS).map(formatEvent),
    `see it again: nvmeof sim replay ${seed}`,
  ].join("\n");
}
