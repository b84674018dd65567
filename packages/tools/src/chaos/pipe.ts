// The last stretch to one end: bytes wait for their moment, and for room at whoever takes them.
// Read first: byte-stream.ts of @nvmeof/transport for the contract of writes; toxics.ts, which sets moments.

import type { ByteStream, Clock, Timer } from "@nvmeof/transport";

interface Piece {
  readonly bytes: Uint8Array;
  readonly dueMs: number;
}

/** How a stream ends. */
export type EndHow = "close" | "reset";

interface End {
  readonly how: EndHow;
  readonly dueMs: number;
}

/** Pieces that were given on are forgotten when there are so many. */
const FORGET_AT = 1_024;

/** Bytes given to a stream before it says that it is drained. */
const UNSENT_BYTES_MAX = 256 * 1024;

/** Bytes on their way to one stream. */
export class Pipe {
  readonly #clock: Clock;
  readonly #heldChanged: (heldBytes: number) => void;
  readonly #ended: (how: EndHow) => void;
  #to: ByteStream | undefined;
  #waiting: Piece[] = [];
  #from = 0;
  #waitingBytes = 0;
  #unsentBytes = 0;
  #end: End | undefined;
  #phase: "open" | "over" = "open";
  #timer: Timer | undefined;
  /** Nothing leaves before what was put in before it. */
  #lastDueMs = 0;

  /**
   * @param heldChanged is told how many bytes are held, after each change.
   * @param ended is told when all is given on and the end is due; the stream is the caller's to end.
   */
  constructor(
    clock: Clock,
    heldChanged: (heldBytes: number) => void,
    ended: (how: EndHow) => void,
  ) {
    this.#clock = clock;
    this.#heldChanged = heldChanged;
    this.#ended = ended;
  }

  /** Bytes that wait here, or at the stream. */
  get heldBytes(): number {
    return this.#waitingBytes + this.#unsentBytes;
  }

  /** The stream is there and takes writes. */
  open(to: ByteStream): void {
    this.#to = to;
    this.#flush();
  }

  /** Puts bytes in, which become its own, not to leave before `dueMs`. */
  push(bytes: Uint8Array, dueMs: number): void {
    if (this.#phase === "over" || this.#end !== undefined || bytes.length === 0) return;
    this.#lastDueMs = Math.max(dueMs, this.#lastDueMs);
    this.#waiting.push({ bytes, dueMs: this.#lastDueMs });
    this.#waitingBytes += bytes.length;
    this.#flush();
    this.#heldChanged(this.heldBytes);
  }

  /** Nothing follows. In order after what waits; a reset drops that. */
  end(how: EndHow, dueMs: number): void {
    if (this.#phase === "over" || (this.#end !== undefined && how !== "reset")) return;
    if (how === "reset") this.#drop();
    this.#end = { how, dueMs: how === "reset" ? dueMs : Math.max(dueMs, this.#lastDueMs) };
    this.#flush();
  }

  /** All that was written has left. */
  drained(): void {
    this.#unsentBytes = 0;
    this.#flush();
    this.#heldChanged(this.heldBytes);
  }

  /** Nobody is there any more. */
  stop(): void {
    this.#phase = "over";
    this.#timer?.cancel();
    this.#drop();
  }

  #drop(): void {
    this.#waiting = [];
    this.#from = 0;
    this.#waitingBytes = 0;
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#phase === "over" || this.#to === undefined) return;
    const nowMs = this.#clock.nowMs();
    const due: Uint8Array[] = [];
    let next = this.#waiting[this.#from];
    while (next !== undefined && next.dueMs <= nowMs && this.#unsentBytes < UNSENT_BYTES_MAX) {
      due.push(next.bytes);
      this.#waitingBytes -= next.bytes.length;
      this.#unsentBytes += next.bytes.length;
      next = this.#waiting[++this.#from];
    }
    if (due.length > 0) this.#to.write(due);
    this.#forget();
    if (next !== undefined) this.#wake(next.dueMs, nowMs);
    else if (this.#end !== undefined) this.#endWhenDue(this.#end, nowMs);
  }

  #forget(): void {
    if (this.#from === this.#waiting.length) {
      this.#waiting = [];
      this.#from = 0;
    } else if (this.#from >= FORGET_AT) {
      this.#waiting.splice(0, this.#from);
      this.#from = 0;
    }
  }

  /** What is due and only lacks room is looked at again when there is some. */
  #wake(dueMs: number, nowMs: number): void {
    if (dueMs > nowMs) this.#timer = this.#clock.at(dueMs, () => this.#flush());
  }

  #endWhenDue({ how, dueMs }: End, nowMs: number): void {
    if (dueMs > nowMs) return this.#wake(dueMs, nowMs);
    this.#phase = "over";
    this.#ended(how);
  }
}
