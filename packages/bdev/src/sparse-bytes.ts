// Sparse bytes: an address space of which only the chunks that were written take memory.
// Used by memory.ts. A tree of arrays and not a Map: it is walked for each request, and a range of
// any size is released without looking at what was never there.

/** Bytes of a chunk: a multiple of every block size. */
export const CHUNK_BYTES = 65_536;

/** A node has this many children: a leaf node covers 64 MiB, the one above it 64 GiB. */
const FAN_OUT = 1024;

type Leaf = (Uint8Array | undefined)[];
type Branch = (Leaf | undefined)[];

/** Bytes at 0 to 2^53, zero until written. */
export class SparseBytes {
  readonly #chunksMax: number;
  /** One branch for each 64 GiB; engines keep an array with wide gaps as a table. */
  readonly #root: (Branch | undefined)[] = [];
  #chunks = 0;

  /** `bytesMax`: most memory that chunks may take; at least one chunk. */
  constructor(bytesMax: number) {
    this.#chunksMax = Math.max(1, Math.floor(bytesMax / CHUNK_BYTES));
  }

  /** Memory that chunks take now, bytes. */
  get allocatedBytes(): number {
    return this.#chunks * CHUNK_BYTES;
  }

  /** Copies bytes from `offset` on to `into`, to its bytes `start` to `end`; default: all of them. */
  read(offset: number, into: Uint8Array, start = 0, end = into.length): void {
    for (let to = start, from = offset; to < end;) {
      const index = Math.floor(from / CHUNK_BYTES);
      // No remainder: of a number beyond 32 bits that is a call out of compiled code.
      const at = from - index * CHUNK_BYTES;
      const count = Math.min(end - to, CHUNK_BYTES - at);
      const chunk = this.#find(index);
      if (chunk === undefined) into.fill(0, to, to + count);
      else into.set(count === CHUNK_BYTES ? chunk : chunk.subarray(at, at + count), to);
      to += count;
      from += count;
    }
  }

  /**
   * Where the bytes from `start` on stop being alike, at most `end`: all of them in chunks that take
   * memory, or none.
   */
  extentAt(start: number, end: number): { readonly end: number; readonly isAllocated: boolean } {
    let index = Math.floor(start / CHUNK_BYTES);
    const isAllocated = this.#find(index) !== undefined;
    const last = Math.ceil(end / CHUNK_BYTES);
    for (index++; index < last;) {
      if ((this.#find(index) !== undefined) !== isAllocated) break;
      index = isAllocated ? index + 1 : Math.max(index + 1, this.#skipAbsent(index));
    }
    return { end: Math.min(end, index * CHUNK_BYTES), isAllocated };
  }

  /**
   * Writes bytes `start` to `end` of `from` at `offset`; default: all of them. False when memory ran
   * out: then a part of it may be written.
   */
  write(offset: number, from: Uint8Array, start = 0, end = from.length): boolean {
    for (let done = start, to = offset; done < end;) {
      const index = Math.floor(to / CHUNK_BYTES);
      const at = to - index * CHUNK_BYTES;
      const count = Math.min(end - done, CHUNK_BYTES - at);
      const chunk = this.#findOrAdd(index);
      if (chunk === undefined) return false;
      chunk.set(count === from.length ? from : from.subarray(done, done + count), at);
      done += count;
      to += count;
    }
    return true;
  }

  /** Whether the bytes from `offset` on are those of `other`. */
  equals(offset: number, other: Uint8Array): boolean {
    for (let done = 0; done < other.length;) {
      const at = (offset + done) % CHUNK_BYTES;
      const count = Math.min(other.length - done, CHUNK_BYTES - at);
      const chunk = this.#find(Math.floor((offset + done) / CHUNK_BYTES));
      for (let i = 0; i < count; i++) {
        if (other[done + i] !== (chunk === undefined ? 0 : chunk[at + i])) return false;
      }
      done += count;
    }
    return true;
  }

  /** Makes bytes `start` to `end` zero, and frees the chunks that lie within. */
  clear(start: number, end: number): void {
    const first = Math.ceil(start / CHUNK_BYTES);
    const last = Math.floor(end / CHUNK_BYTES);
    if (first > last) {
      this.#find(last)?.fill(0, start % CHUNK_BYTES, end % CHUNK_BYTES);
      return;
    }
    const head = start % CHUNK_BYTES;
    if (head > 0) this.#find(first - 1)?.fill(0, head);
    const tail = end % CHUNK_BYTES;
    if (tail > 0) this.#find(last)?.fill(0, 0, tail);
    this.#free(first, last);
  }

  /** Frees chunks `first` to `last`, the last one not included, skipping what was never there. */
  #free(first: number, last: number): void {
    for (let index = first; index < last;) {
      const branch = this.#root[Math.floor(index / (FAN_OUT * FAN_OUT))];
      if (branch === undefined) {
        index = next(index, FAN_OUT * FAN_OUT);
        continue;
      }
      const slot = Math.floor(index / FAN_OUT) % FAN_OUT;
      const leaf = branch[slot];
      if (leaf === undefined) {
        index = next(index, FAN_OUT);
        continue;
      }
      const end = Math.min(last, next(index, FAN_OUT));
      for (let each = index; each < end; each++) {
        if (leaf[each % FAN_OUT] === undefined) continue;
        leaf[each % FAN_OUT] = undefined;
        this.#chunks--;
      }
      if (end - index === FAN_OUT) branch[slot] = undefined;
      index = end;
    }
  }

  /** The first chunk from `index` on whose node is there: a hole may be as large as the device. */
  #skipAbsent(index: number): number {
    const branch = this.#root[Math.floor(index / (FAN_OUT * FAN_OUT))];
    if (branch === undefined) return next(index, FAN_OUT * FAN_OUT);
    return branch[Math.floor(index / FAN_OUT) % FAN_OUT] === undefined
      ? next(index, FAN_OUT)
      : index;
  }

  #find(index: number): Uint8Array | undefined {
    const branch = this.#root[Math.floor(index / (FAN_OUT * FAN_OUT))];
    return branch?.[Math.floor(index / FAN_OUT) % FAN_OUT]?.[index % FAN_OUT];
  }

  #findOrAdd(index: number): Uint8Array | undefined {
    const found = this.#find(index);
    if (found !== undefined) return found;
    if (this.#chunks >= this.#chunksMax) return undefined;
    const branch = (this.#root[Math.floor(index / (FAN_OUT * FAN_OUT))] ??= node<Leaf>());
    const leaf = (branch[Math.floor(index / FAN_OUT) % FAN_OUT] ??= node<Uint8Array>());
    this.#chunks++;
    return (leaf[index % FAN_OUT] = new Uint8Array(CHUNK_BYTES));
  }
}

const node = <Child>(): (Child | undefined)[] =>
  Array.from<Child | undefined>({ length: FAN_OUT }).fill(undefined);

/** The next multiple of `step` after `index`. */
const next = (index: number, step: number): number => (Math.floor(index / step) + 1) * step;
