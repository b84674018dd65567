// A piece of a stream that came before its turn, and how it joins those that wait already.
// Read first: lane.ts.

/** Bytes of a stream that wait for what comes before them. */
export interface Piece {
  readonly seq: number;
  /** What was captured of it. */
  readonly bytes: Uint8Array;
  /** Bytes that it had on the wire. */
  readonly wireBytes: number;
}

const distance = (a: number, b: number): number => (a - b) | 0;

/**
 * Puts `piece` among `waiting`, which are in order and do not overlap. Of bytes that are there already
 * those stay that came first; `differs` is told where the others are not the same.
 *
 * @returns bytes that were added.
 */
export function insertPiece(waiting: Piece[], piece: Piece, differs: () => void): number {
  let rest: Piece | undefined = piece;
  let added = 0;
  let at = firstBehind(waiting, piece.seq);
  while (rest !== undefined) {
    const other = waiting[at];
    if (other === undefined || distance(other.seq, rest.seq) >= rest.wireBytes) {
      waiting.splice(at, 0, rest);
      return added + rest.bytes.length;
    }
    const before = distance(other.seq, rest.seq);
    if (before > 0) {
      const head = cut(rest, 0, before);
      waiting.splice(at, 0, head);
      added += head.bytes.length;
      at++;
    }
    if (overlapDiffers(other, rest)) differs();
    const covered = before + other.wireBytes;
    rest = covered < rest.wireBytes ? cut(rest, covered, rest.wireBytes) : undefined;
    at++;
  }
  return added;
}

/** Index of the first piece that ends behind `seq`. The newest are looked at first. */
function firstBehind(waiting: readonly Piece[], seq: number): number {
  let at = waiting.length;
  while (at > 0) {
    const { seq: from, wireBytes } = waiting[at - 1]!;
    if (distance(seq, from) >= wireBytes) break;
    at--;
  }
  return at;
}

const cut = ({ seq, bytes }: Piece, from: number, to: number): Piece => ({
  seq: (seq + from) >>> 0,
  bytes: bytes.subarray(Math.min(from, bytes.length), Math.min(to, bytes.length)),
  wireBytes: to - from,
});

function overlapDiffers(one: Piece, other: Piece): boolean {
  const shift = distance(one.seq, other.seq);
  const from = Math.max(0, shift);
  const to = Math.min(other.bytes.length, shift + one.bytes.length);
  for (let at = from; at < to; at++) {
    if (other.bytes[at] !== one.bytes[at - shift]) return true;
  }
  return false;
}
