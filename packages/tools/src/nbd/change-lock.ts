// Who changes which blocks: whole blocks may be changed side by side, a block in part only alone.
// Read first: byte-channel.ts, which reads, changes and writes blocks; @nvmeof/bdev range-lock.ts does the
// same for exclusive users, and at the price of an object for each.

/** A change of blocks `firstLba` to `endLba`, the last not included. Made once, used again and again. */
export interface Change {
  readonly firstLba: number;
  readonly endLba: number;
  /** Alone: it reads blocks in order to write them. Otherwise together with others of its kind. */
  readonly isAlone: boolean;
  /** Where the lock keeps it. The lock's affair; -1 where it is not held. */
  heldAt: number;
  /** Called when it has waited and may go. */
  granted(): void;
}

const overlap = (a: Change, b: Change): boolean => a.firstLba < b.endLba && b.firstLba < a.endLba;

/** Whether two changes may not be under way at the same time. */
const conflict = (a: Change, b: Change): boolean => (a.isAlone || b.isAlone) && overlap(a, b);

/**
 * A lock on ranges of blocks with two kinds of users. First come, first served among those who conflict.
 * While nobody works alone it costs two assignments, and no allocation ever.
 */
export class ChangeLock {
  /** Changes under way, in no order. */
  readonly #held: (Change | undefined)[] = [];
  #heldCount = 0;
  #alone = 0;
  /** Those that wait, in the order they came. */
  #waiting: Change[] = [];

  /** Changes that are under way or wait. */
  get count(): number {
    return this.#heldCount + this.#waiting.length;
  }

  /** Whether `change` may go at once. Otherwise it waits, and its `granted` will be called. */
  acquire(change: Change): boolean {
    const isFree = this.#waiting.length === 0 && this.#alone === 0 && !change.isAlone;
    if (isFree || !this.#isBlocked(change, this.#waiting.length)) {
      this.#hold(change);
      return true;
    }
    this.#waiting.push(change);
    return false;
  }

  /** The change is done. Those that waited for it may go, inside this call. */
  release(change: Change): void {
    const at = change.heldAt;
    const last = this.#held[--this.#heldCount]!;
    this.#held[at] = last;
    last.heldAt = at;
    this.#held[this.#heldCount] = undefined;
    change.heldAt = -1;
    if (change.isAlone) this.#alone--;
    if (this.#waiting.length > 0) this.#grant();
  }

  /** Whether a change has to wait for one under way, or for one of the first `ahead` that wait. */
  #isBlocked(change: Change, ahead: number): boolean {
    for (let i = 0; i < this.#heldCount; i++) if (conflict(this.#held[i]!, change)) return true;
    for (let i = 0; i < ahead; i++) if (conflict(this.#waiting[i]!, change)) return true;
    return false;
  }

  #hold(change: Change): void {
    change.heldAt = this.#heldCount;
    this.#held[this.#heldCount++] = change;
    if (change.isAlone) this.#alone++;
  }

  #grant(): void {
    const due: Change[] = [];
    for (let i = 0; i < this.#waiting.length;) {
      const change = this.#waiting[i]!;
      if (this.#isBlocked(change, i)) {
        i++;
        continue;
      }
      this.#waiting.splice(i, 1);
      this.#hold(change);
      due.push(change);
    }
    // Told when all is noted: one of them may end, and another begin, inside its call.
    for (const change of due) change.granted();
  }
}
