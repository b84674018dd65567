// What one block may hold, deduced from the writes and reads of it that users have seen begin and end.
// Read first: reliability-anchors.md I21, I22, I25, I26; register.ts, which feeds it.
//
// The model. A write may take effect at any time, and any number of times, within its span: from its
// submission to its settling, since a host may have to send it again; when its outcome is unknown, until
// it is fenced as well. One that succeeded has taken effect at least once. A read returns what the block
// held at some moment of its span. All else is deduced:
//
// - When a write has succeeded, every value that could last be written before it began is gone.
// - When a read has returned a value, every value that could last be written before that moment is gone.
// - A crash brings back what was not durably overwritten: by a write that was forced to stable media, or
//   by one that had succeeded before a flush began that has succeeded.
//
// Every deduction is certain, so that no history that the model allows is called wrong. Histories in
// which reads do not overlap each other are decided exactly; of those in which they do, a few that are
// wrong may pass (block-history.test.ts compares with a search of all orders).

/** The writes of a block have ordered beginnings and ends: all are numbers of one count of steps. */
export type Step = number;

/** What {@link WriteSpan.holds} says of a block of zeroes. */
export const ZEROES = 0;

/** When a write may take effect. Shared by the blocks that it covers. */
export interface WriteSpan {
  /** Number of the request. 0 for what was there at first or came by itself. */
  readonly id: number;
  /** What it writes: its own number, or {@link ZEROES}. */
  readonly holds: number;
  readonly start: Step;
  /** Last moment at which it can take effect: Infinity as long as that is not over. */
  end: Step;
}

/** Why a block cannot hold what was read. */
export type Absence =
  /** A later write had succeeded. */
  | "overwritten"
  /** A read had shown a later value. */
  | "seen later"
  /** A crash may not bring it back: it was overwritten, and that was flushed, or forced. */
  | "flushed over"
  | "forced over"
  /** The write was never sent, as its user was told. */
  | "never sent"
  /** No write put it here. */
  | "never written";

/** A value that a block may hold, or has held. */
interface Candidate {
  readonly span: WriteSpan;
  /** From this step on the block surely holds something else. */
  gone: Step;
  goneBy: "overwritten" | "seen later";
  /** When a write had succeeded that began after this one could last take effect. */
  overwritten: Step;
  /** Since when not even a crash can bring it back. */
  buried: Step;
  buriedBy: "flushed over" | "forced over";
  /** A crash that may have brought it back. */
  back: Step;
  /** When a read first returned it; Infinity if none did. */
  seen: Step;
}

/** Values that are known to be gone, kept for messages. */
const PAST_MAX = 64;

export class BlockHistory {
  readonly #cache: "none" | "volatile";
  #candidates: Candidate[] = [];
  readonly #past: Candidate[] = [];
  readonly #neverSent: number[] = [];
  #crashed: Step = 0;

  constructor(cache: "none" | "volatile") {
    this.#cache = cache;
    this.began({ id: 0, holds: ZEROES, start: 0, end: 0 });
  }

  /** What the block may hold, oldest write first. */
  get values(): number[] {
    return this.#candidates.filter(({ gone }) => gone === Infinity).map(({ span }) => span.holds);
  }

  /** A write was submitted. */
  began(span: WriteSpan): void {
    this.#candidates.push({
      span,
      gone: Infinity,
      goneBy: "overwritten",
      overwritten: Infinity,
      buried: Infinity,
      buriedBy: "flushed over",
      back: 0,
      seen: Infinity,
    });
  }

  /** A write succeeded at `step`. @param forced it is on stable media. */
  succeeded(span: WriteSpan, step: Step, forced: boolean): void {
    for (const each of this.#candidates) {
      if (each.span === span || lastOf(each) >= span.start) continue;
      each.overwritten = Math.min(each.overwritten, step);
      if (step < each.gone) {
        each.gone = step;
        each.goneBy = "overwritten";
      }
      if (forced && step < each.buried) {
        each.buried = step;
        each.buriedBy = "forced over";
      }
    }
  }

  /** A write settled as never sent. @returns whether a read has shown it all the same. */
  wasNotSent(span: WriteSpan): boolean {
    const found = this.#candidates.find((each) => each.span === span);
    this.#candidates = this.#candidates.filter((each) => each !== found);
    if (span.holds === ZEROES) return false;
    keepSome(this.#neverSent, span.holds);
    return found !== undefined && found.seen !== Infinity;
  }

  /** A read that began at `start` has returned `holds` at `step`. @returns why that cannot be. */
  read(holds: number, start: Step, step: Step): Absence | undefined {
    // The earliest moment of the read at which the block may have held it.
    let moment: Step = Infinity;
    // Since when it must have held it, where nothing can have written it during the read.
    let since: Step = 0;
    for (const each of this.#candidates) {
      if (each.span.holds !== holds || each.gone <= start) continue;
      each.seen = Math.min(each.seen, step);
      moment = Math.min(moment, Math.max(start, each.span.start));
      since = Math.max(since, lastOf(each));
    }
    if (moment === Infinity) return this.#absence(holds);
    const gone = since < start ? since : step;
    for (const each of this.#candidates) {
      if (each.span.holds === holds || lastOf(each) >= moment) continue;
      each.gone = Math.min(each.gone, gone);
      each.goneBy = "seen later";
    }
    return undefined;
  }

  /** Whether the block may have held anything but `holds` at some time since `start`. */
  mayHaveDiffered(holds: number, start: Step): boolean {
    return this.#candidates.some(({ span, gone }) => span.holds !== holds && gone > start);
  }

  /** A flush that began at `start` succeeded at `step`. */
  flushed(start: Step, step: Step): void {
    for (const each of this.#candidates) {
      if (each.overwritten >= start || each.buried <= step) continue;
      each.buried = step;
      each.buriedBy = "flushed over";
    }
  }

  /** Power was lost at `step`: the cache may have kept any part of what it held. */
  crashed(step: Step): void {
    if (this.#cache === "none") return;
    this.#crashed = step;
    for (const each of this.#candidates) {
      if (each.buried !== Infinity) continue;
      each.gone = Infinity;
      each.overwritten = Infinity;
      each.back = step;
    }
  }

  /** The block was cut off, or replaced, at `step`: it holds zeroes, durably. */
  cleared(step: Step): void {
    const span: WriteSpan = { id: 0, holds: ZEROES, start: step, end: step };
    this.succeeded(span, step, true);
    this.began(span);
  }

  /** Forgets what was gone before `oldest`, the beginning of the oldest read under way. */
  prune(oldest: Step): void {
    for (const each of this.#candidates) {
      if (!isPast(each, oldest, this.#cache)) continue;
      // Zeroes have no name: those that are gone say nothing of others.
      if (each.span.holds !== ZEROES) keepSome(this.#past, each);
    }
    this.#candidates = this.#candidates.filter((each) => !isPast(each, oldest, this.#cache));
  }

  #absence(holds: number): Absence {
    const isIt = ({ span }: Candidate): boolean => span.holds === holds;
    const found = this.#candidates.findLast(isIt) ?? this.#past.find(isIt);
    // Only a crash can bring back what was buried; without one it is the order that is wrong.
    if (found !== undefined) return this.#crashed > found.buried ? found.buriedBy : found.goneBy;
    if (holds === ZEROES) return "overwritten";
    return this.#neverSent.includes(holds) ? "never sent" : "never written";
  }
}

function keepSome<T>(list: T[], one: T): void {
  list.push(one);
  if (list.length > PAST_MAX) list.shift();
}

/** The last moment at which the block may have come to hold it. */
const lastOf = ({ span, back }: Candidate): Step => Math.max(span.end, back);

const isPast = ({ gone, buried }: Candidate, oldest: Step, cache: "none" | "volatile"): boolean =>
  gone < oldest && (cache === "none" || buried < oldest);
