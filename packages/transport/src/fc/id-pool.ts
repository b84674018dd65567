// Identifiers of exchanges: each is given out as late after its last use as can be.
// Read first: FC-FS-6 §12 "Exchange management", Recovery_Qualifier and R_A_TOV.

/** No identifier is free. */
export const NO_ID = -1;

/**
 * Numbers from 0 up. One that may still be named by a frame under way is kept out of use until that
 * cannot be any more; this needs no timer, since it is looked at when a number is wanted.
 */
export class IdPool {
  readonly #free: Uint16Array;
  #freeFirst = 0;
  #freeCount: number;
  /** In the order of `#untilMs`, as all are kept back for the same time. */
  readonly #kept: { readonly id: number; readonly untilMs: number }[] = [];

  /** @param count how many there are, up to 65,535: FFFFh means that none is assigned. */
  constructor(count: number) {
    if (!Number.isInteger(count) || count < 1 || count > 0xffff) {
      throw new RangeError(`${count} exchanges; it must be a whole number, 1 to 65535`);
    }
    this.#free = new Uint16Array(count).map((_, id) => id);
    this.#freeCount = count;
  }

  /** Numbers that could be taken now, those apart whose time of rest may just be over. */
  get free(): number {
    return this.#freeCount;
  }

  /** When the next number that is kept back is free again; `Infinity` where none is. */
  get nextFreeMs(): number {
    return this.#kept[0]?.untilMs ?? Infinity;
  }

  /** Numbers that are kept out of use. */
  get kept(): number {
    return this.#kept.length;
  }

  /** Takes the number that was given back longest ago; {@link NO_ID} where none is free. */
  take(nowMs: number): number {
    while (this.#kept.length > 0 && this.#kept[0]!.untilMs <= nowMs) {
      this.give(this.#kept.shift()!.id);
    }
    if (this.#freeCount === 0) return NO_ID;
    const id = this.#free[this.#freeFirst]!;
    this.#freeFirst = (this.#freeFirst + 1) % this.#free.length;
    this.#freeCount--;
    return id;
  }

  give(id: number): void {
    this.#free[(this.#freeFirst + this.#freeCount) % this.#free.length] = id;
    this.#freeCount++;
  }

  /** Gives a number back that must not be used before `untilMs`. */
  keepUntil(id: number, untilMs: number): void {
    this.#kept.push({ id, untilMs });
  }
}
