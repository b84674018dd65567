// What an oracle says when an invariant does not hold.
// Read first: docs/invariants.md, which numbers them.

/** A broken invariant. */
export interface Violation {
  /** Its number, as in docs/invariants.md: "I1" to "I45". */
  readonly invariant: string;
  /** What was seen, and what should have been. */
  readonly message: string;
  /** Virtual time, ms. */
  readonly atMs: number;
}

/** Takes a violation; the run ends in its next step. */
export type Complain = (invariant: string, message: string) => void;
