// Which bytes of a transfer have arrived, in whatever order they came.
// Read first: FC-FS-6 §9 "Parameter" (relative offset); host-port.ts and target-port.ts, the users.

/** Pieces apart from each other that are kept; frames are not reordered further than this. */
const GAPS_MAX = 64;

/** What became of a piece that was added. */
export type Added = "new" | "overlap" | "too-many-gaps";

/** A set of bytes, as pieces that do not touch, in ascending order. One object serves many transfers. */
export class Ranges {
  #pieces: { start: number; end: number }[] = [];
  #bytes = 0;

  /** Bytes that are in the set. */
  get bytes(): number {
    return this.#bytes;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#bytes = 0;
  }

  /** Adds bytes `start` to `end`, of which none may be there already. */
  add(start: number, end: number): Added {
    const pieces = this.#pieces;
    const last = pieces.at(-1);
    let at = pieces.length;
    if (last !== undefined && start < last.end) {
      at = pieces.findIndex((piece) => piece.end > start);
      if (pieces[at]!.start < end) return "overlap";
    }
    const before = pieces[at - 1];
    const after = pieces[at];
    this.#bytes += end - start;
    if (before?.end === start) {
      before.end = after?.start === end ? after.end : end;
      if (after?.start === end) pieces.splice(at, 1);
    } else if (after?.start === end) {
      after.start = start;
    } else if (pieces.length === GAPS_MAX) {
      this.#bytes -= end - start;
      return "too-many-gaps";
    } else {
      pieces.splice(at, 0, { start, end });
    }
    return "new";
  }
}
