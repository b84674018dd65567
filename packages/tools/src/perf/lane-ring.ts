// Lanes that have nothing to do, in the order in which they became free: all queues get their share.

/** A queue of a bounded number of things, without allocation. */
export class LaneRing<T> {
  readonly #slots: (T | undefined)[];
  #head = 0;
  #count = 0;

  /** @param capacity the most that there will ever be. */
  constructor(capacity: number) {
    this.#slots = Array.from({ length: capacity }, () => undefined);
  }

  get size(): number {
    return this.#count;
  }

  add(item: T): void {
    if (this.#count === this.#slots.length) throw new Error("more lanes than there are");
    this.#slots[(this.#head + this.#count) % this.#slots.length] = item;
    this.#count++;
  }

  /** The oldest; undefined when there is none. */
  take(): T | undefined {
    if (this.#count === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#count--;
    return item;
  }
}
