// Cuts a stream of bytes into what is wanted next: bytes to look at, to put somewhere, or to skip.
// Read first: @nvmeof/transport byte-stream.ts; session.ts says what is wanted.

import { Region } from "@nvmeof/transport";

/** Whom the pieces are for. Each call says what is wanted next, by a method of the cutter. */
export interface CutterSink {
  /** As many bytes as were asked for, at `base`. They stay during this call only. */
  gathered(view: DataView, base: number): void;
  /** All bytes are where they were to be put. */
  placed(): void;
  /** All bytes are skipped. */
  skipped(): void;
}

const Mode = { Unsaid: 0, Gather: 1, Place: 2, Skip: 3, Hold: 4, Stop: 5 } as const;
type Mode = (typeof Mode)[keyof typeof Mode];

/**
 * A machine: the same pieces come out however the bytes are cut. While it holds, what is received is
 * kept; whoever feeds it stops when `isHeld`, so that this is what had arrived already.
 */
export class StreamCutter {
  /** Bytes that were cut off so far: tells a stream that goes on from one that stands. */
  cutBytes = 0;
  /** Pieces that came to their end. */
  pieces = 0;
  readonly #sink: CutterSink;
  readonly #scratch: Region;
  #mode: Mode = Mode.Hold;
  #left = 0;
  #gathered = 0;
  #place: Region | undefined;
  #placeAt = 0;
  #backlog: Region | undefined;
  #run: "idle" | "running" = "idle";

  /** @param gatherBytesMax most bytes that can be asked to look at. */
  constructor(sink: CutterSink, gatherBytesMax: number) {
    this.#sink = sink;
    this.#scratch = new Region(new Uint8Array(gatherBytesMax));
  }

  get isHeld(): boolean {
    return this.#mode === Mode.Hold;
  }

  /** Whether a piece has begun to arrive: then the peer owes the rest of it. */
  get midPiece(): boolean {
    if (this.#mode === Mode.Gather) return this.#gathered > 0;
    return this.#mode === Mode.Place || this.#mode === Mode.Skip;
  }

  /** Bytes that came and were not looked at, because it holds. */
  get backlogBytes(): number {
    return this.#backlog?.bytes.length ?? 0;
  }

  /** The next `bytes` are to be looked at. */
  gather(bytes: number): void {
    this.#want(Mode.Gather, bytes);
  }

  /** The next `bytes` are to be put into `region` from `at` on. */
  place(region: Region, at: number, bytes: number): void {
    this.#place = region;
    this.#placeAt = at;
    this.#want(Mode.Place, bytes);
  }

  /** The next `bytes` are of no interest. */
  skip(bytes: number): void {
    this.#want(Mode.Skip, bytes);
  }

  /** Nothing is wanted for now. To be followed by another wish, and `pump`. */
  hold(): void {
    this.#want(Mode.Hold, 0);
  }

  /** Nothing is wanted any more. */
  stop(): void {
    this.#want(Mode.Stop, 0);
    this.#place = undefined;
    this.#backlog = undefined;
  }

  /** Takes bytes `start` to `end` of `buffer`. */
  receive(buffer: Region, start: number, end: number): void {
    if (this.#mode === Mode.Stop) return;
    if (this.#backlog !== undefined || this.#run === "running") {
      this.#keep(buffer, start, end);
      this.pump();
      return;
    }
    const at = this.#cut(buffer, start, end);
    if (at < end) this.#keep(buffer, at, end);
  }

  /** Goes on with what was kept. */
  pump(): void {
    const kept = this.#backlog;
    if (kept === undefined || this.#run === "running") return;
    this.#backlog = undefined;
    const { length } = kept.bytes;
    const at = this.#cut(kept, 0, length);
    if (at < length) this.#keep(kept, at, length);
  }

  /** What came later is kept behind it. */
  #keep(buffer: Region, start: number, end: number): void {
    const before = this.#backlog?.bytes ?? new Uint8Array(0);
    const all = new Uint8Array(before.length + end - start);
    all.set(before);
    all.set(buffer.bytes.subarray(start, end), before.length);
    this.#backlog = new Region(all);
  }

  #want(mode: Mode, bytes: number): void {
    this.#mode = mode;
    this.#left = bytes;
    this.#gathered = 0;
  }

  /** Where it stopped: at the end, or where it holds. */
  #cut(buffer: Region, start: number, end: number): number {
    this.#run = "running";
    try {
      let at = start;
      while (this.#mode !== Mode.Hold) {
        if (this.#mode === Mode.Stop) return end;
        const wanted = this.#left;
        if (wanted > 0 && at === end) return end;
        const count = Math.min(wanted, end - at);
        this.#take(buffer, at, count);
        this.cutBytes += count;
        at += count;
      }
      return at;
    } finally {
      this.#run = "idle";
    }
  }

  #take(buffer: Region, at: number, count: number): void {
    const isWhole = count === this.#left;
    this.#left -= count;
    if (isWhole) this.pieces++;
    switch (this.#mode) {
      case Mode.Gather:
        this.#gather(buffer, at, count, isWhole);
        break;
      case Mode.Place:
        this.#place!.copy(this.#placeAt, buffer, at, at + count);
        this.#placeAt += count;
        if (!isWhole) break;
        this.#mode = Mode.Unsaid;
        this.#sink.placed();
        break;
      case Mode.Skip:
        if (!isWhole) break;
        this.#mode = Mode.Unsaid;
        this.#sink.skipped();
        break;
      case Mode.Unsaid:
      case Mode.Hold:
      case Mode.Stop:
        throw new Error("the cutter was not told what is wanted next");
    }
  }

  /** In place where all of it lies in the chunk, else by way of the scratch. */
  #gather(buffer: Region, at: number, count: number, isWhole: boolean): void {
    const before = this.#gathered;
    if (before === 0 && isWhole) {
      this.#mode = Mode.Unsaid;
      this.#sink.gathered(buffer.view, at);
      return;
    }
    this.#scratch.copy(before, buffer, at, at + count);
    this.#gathered += count;
    if (!isWhole) return;
    this.#mode = Mode.Unsaid;
    this.#sink.gathered(this.#scratch.view, 0);
  }
}
