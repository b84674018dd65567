// Buffers that what a turn sends is gathered in, used again once the kernel has taken them.
// Read first: why one write for each turn is worth a factor of eight: README.md.

const BYTES_MIN = 64 * 1024;

export interface Staged {
  readonly bytes: Uint8Array;
  /** To be called when the write has ended. */
  readonly release: () => void;
}

export class Staging {
  readonly #free: Staged[] = [];

  /** A buffer of at least so many bytes. */
  take(bytes: number): Staged {
    const free = this.#free.pop();
    if (free !== undefined && free.bytes.length >= bytes) return free;
    const staged: Staged = {
      bytes: new Uint8Array(Math.max(bytes, BYTES_MIN)),
      release: () => void this.#free.push(staged),
    };
    return staged;
  }
}
