// A lock on ranges: who overlaps waits, who does not goes on. First come, first served.
// Used by disk-channel.ts, so that two read-modify-writes of one block do not undo each other.

/** A lock that is asked for, held or over. */
export interface RangeTicket {
  /** Gives the range back, or stops waiting for it. Harmless when that is done already. */
  release(): void;
}

interface Entry {
  readonly first: number;
  readonly end: number;
  granted: (() => void) | undefined;
}

const overlap = (a: Entry, b: Entry): boolean => a.first < b.end && b.first < a.end;

/** Locks ranges of numbers, such as blocks. Everybody looks at everybody: for tens of users. */
export class RangeLock {
  /** Held and waiting, in the order they came. An entry waits while it has `granted`. */
  readonly #entries: Entry[] = [];

  /** Held and waiting. */
  get count(): number {
    return this.#entries.length;
  }

  /**
   * Locks `first` to `end`, `end` not included. `granted` is called once, now or when the ranges
   * before it that overlap are released; not after `release`.
   */
  acquire(first: number, end: number, granted: () => void): RangeTicket {
    const entry: Entry = { first, end, granted };
    this.#entries.push(entry);
    this.#grant();
    return {
      release: () => {
        const at = this.#entries.indexOf(entry);
        if (at === -1) return;
        this.#entries.splice(at, 1);
        entry.granted = undefined;
        this.#grant();
      },
    };
  }

  #grant(): void {
    // Collected first: `granted` may acquire and release.
    const due: Entry[] = [];
    for (const [i, entry] of this.#entries.entries()) {
      if (entry.granted === undefined) continue;
      if (!this.#entries.slice(0, i).some((before) => overlap(before, entry))) due.push(entry);
    }
    for (const entry of due) {
      const { granted } = entry;
      entry.granted = undefined;
      granted?.();
    }
  }
}
