// The engine of `cp`: pieces of fixed size, several under way, memory bounded by them.
// Ends that only go forwards (pipes) take their turns; the others do not wait for each other.

import { runLanes } from "@nvmeof/tools";

/** Where bytes come from. */
export interface Source {
  /** How many there are; undefined where only the end tells. */
  readonly bytes: number | undefined;
  readonly order: "any" | "forward";
  /** Fills `into` from `at` on. Returns how much there was: less only at the end. */
  read(at: number, into: Uint8Array): Promise<number>;
}

/** Where bytes go. */
export interface Destination {
  readonly order: "any" | "forward";
  /** Pieces but the last have the full size. */
  write(at: number, data: Uint8Array): Promise<void>;
  /** All is written: makes it last. */
  finish(): Promise<void>;
}

export interface CopyOptions {
  readonly source: Source;
  readonly destination: Destination;
  /** Bytes to copy, if there are so many; undefined for all. */
  readonly count: number | undefined;
  readonly pieceBytes: number;
  readonly lanes: number;
  readonly signal: AbortSignal;
  readonly progress: (bytes: number) => void;
}

/** Lets pieces pass in their order, one at a time. */
class Turnstile {
  #next = 0;
  readonly #waiting = new Map<number, () => void>();
  #open: boolean;

  constructor(order: "any" | "forward") {
    this.#open = order === "any";
  }

  async enter(piece: number): Promise<void> {
    if (this.#open || piece === this.#next) return;
    await new Promise<void>((resolve) => this.#waiting.set(piece, resolve));
  }

  leave(): void {
    const waiting = this.#waiting.get(++this.#next);
    this.#waiting.delete(this.#next);
    waiting?.();
  }

  /** For whoever fails: all pass, and see for themselves. */
  openForAll(): void {
    this.#open = true;
    for (const waiting of this.#waiting.values()) waiting();
    this.#waiting.clear();
  }
}

/** Copies. Resolves with the bytes copied; rejects with the first error, when nothing is under way. */
export async function copy(options: CopyOptions): Promise<number> {
  const { source, destination, pieceBytes, signal, progress } = options;
  const reading = new Turnstile(source.order);
  const writing = new Turnstile(destination.order);
  let end = Math.min(options.count ?? Infinity, source.bytes ?? Infinity);
  let next = 0;
  let done = 0;
  let failure: unknown;
  const over = (): boolean => failure !== undefined || signal.aborted;

  const onePiece = async (piece: number, buffer: Uint8Array): Promise<void> => {
    const at = piece * pieceBytes;
    await reading.enter(piece);
    if (over() || at >= end) return reading.leave();
    const wanted = Math.min(pieceBytes, end - at);
    const got = await source.read(at, buffer.subarray(0, wanted));
    if (got < wanted) end = Math.min(end, at + got);
    reading.leave();
    await writing.enter(piece);
    if (over()) return;
    if (got > 0) await destination.write(at, buffer.subarray(0, got));
    writing.leave();
    done += got;
    progress(done);
  };

  const openAll = (): void => {
    reading.openForAll();
    writing.openForAll();
  };
  signal.addEventListener("abort", openAll, { once: true });
  try {
    await runLanes(options.lanes, async () => {
      const buffer = new Uint8Array(pieceBytes);
      try {
        while (next * pieceBytes < end && !over()) await onePiece(next++, buffer);
      } catch (error) {
        failure ??= error;
        openAll();
        throw error;
      }
    });
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", openAll);
  }
  await destination.finish();
  return done;
}
