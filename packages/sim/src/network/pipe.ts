// One direction of a connection: what was written leaves, is under way, waits to be read, is lost.
// Read first: weather.ts; end.ts, which writes at one side and hears at the other.

import { type Clock, type Timer, TransportError } from "@nvmeof/transport";
import type { SimRandom } from "../random.ts";
import type { End } from "./end.ts";
import type { Direction } from "./fault.ts";
import { Loans } from "./loan.ts";
import { PduMap } from "./pdu-map.ts";
import type { Part, Slab } from "./slab.ts";
import { Passage, type Weather, retransmissionMs } from "./weather.ts";

/** What arrives at an end. */
const Arrival = { Accept: 0, Opened: 1, Bytes: 2, Fin: 3, Reset: 4 } as const;

interface Item {
  readonly what: (typeof Arrival)[keyof typeof Arrival];
  atMs: number;
  readonly part: Part | undefined;
  readonly bytes: number;
}

/** What a direction tells the connection that it is a part of. */
export interface PipeEvents {
  /** Memory for what is under way. */
  readonly slab: Slab;
  /** Bytes are about to be given to the end that they were for. */
  delivered(direction: Direction, part: Part): void;
  /** A borrowed buffer was changed before `drained`. */
  loanChanged(direction: Direction): void;
  /** The trip wire was reached; what was before it arrives at `arrivalMs`. */
  tripped(direction: Direction, arrivalMs: number): void;
  /** A bit was made wrong. */
  harmed(direction: Direction): void;
}

/** Bytes that the two kernels hold together before the writer has to wait. */
const WINDOW_BYTES = 256 * 1024;

/** Writes until the trip wire, and bytes of the next. */
interface Wire {
  writes: number;
  readonly bytes: number;
}

export class Pipe {
  readonly passage: Passage;
  /** Most bytes that the receiver takes at a time. */
  chunkBytes = Infinity;
  readonly #direction: Direction;
  readonly #clock: Clock;
  readonly #random: SimRandom;
  readonly #events: PipeEvents;
  readonly #loans: Loans;
  readonly #map = new PduMap();
  #from!: End;
  #to!: End;
  /** `ending`: a FIN follows what is written. `ended`: nothing of what is written leaves any more. */
  #sender: "open" | "ending" | "ended" = "open";
  #items: Item[] = [];
  #inside = 0;
  #leaving: "none" | "coming" = "none";
  #drain: "none" | "owed" | "coming" = "none";
  #arrival: "none" | "timer" | "coming" = "none";
  #timer: Timer | undefined;
  #flow: "flows" | "silent" = "flows";
  #silentSinceMs = 0;
  #wire: Wire | undefined;

  constructor(
    direction: Direction,
    clock: Clock,
    random: SimRandom,
    weather: Weather,
    events: PipeEvents,
  ) {
    this.#direction = direction;
    this.#clock = clock;
    this.#random = random;
    this.#events = events;
    this.passage = new Passage(weather, random);
    this.#loans = new Loans(() => events.loanChanged(direction));
  }

  join(from: End, to: End): void {
    this.#from = from;
    this.#to = to;
  }

  /** Whether all that was sent has been heard, or never will be. */
  get isDone(): boolean {
    return this.#sender === "ended" && this.#items.length === 0;
  }

  get isSilent(): boolean {
    return this.#flow === "silent";
  }

  /** The connection comes to the listener's end. */
  accept(): void {
    this.#push(Arrival.Accept);
  }

  /** The listener has taken it: its end is told in a turn of its own. */
  accepted(): void {
    const atMs = this.#clock.nowMs();
    this.#items.unshift({ what: Arrival.Opened, atMs, part: undefined, bytes: 0 });
  }

  write(pieces: readonly Uint8Array[]): void {
    this.#drain = "owed";
    if (this.#sender === "open") for (const piece of pieces) this.#loans.add(piece);
    this.#leaveSoon();
  }

  /** An end of bytes behind what was written. */
  end(): void {
    if (this.#sender !== "open") return;
    this.#sender = "ending";
    this.#leaveSoon();
  }

  /** An end of bytes here and now; what the sender writes on goes nowhere. */
  endNow(): void {
    if (this.#sender === "ended") return;
    this.#sender = "ended";
    this.#loans.drop();
    this.#push(Arrival.Fin);
  }

  /** The sender resets: a part of what is under way may still come, then the reset, if anything. */
  abort(): void {
    this.#cease();
    if (this.#flow === "flows") this.#push(Arrival.Reset);
  }

  /** The sender is gone without a word. */
  cease(): void {
    if (this.#sender === "ended") return;
    this.#cease();
    this.wake();
  }

  /** A reset from in between: it overtakes all, silence too. The sender does not know. */
  reset(): void {
    this.#clear();
    this.#push(Arrival.Reset, 0);
  }

  /** A reset that comes after all that is under way. */
  resetLast(): void {
    if (this.#flow === "silent" || this.#items.at(-1)?.what === Arrival.Reset) return;
    this.#sender = "ended";
    this.#loans.drop();
    this.#push(Arrival.Reset);
  }

  /** Nobody is there any more, at either end. */
  drop(): void {
    this.#sender = "ended";
    this.#loans.drop();
    this.#clear();
  }

  silence(): void {
    if (this.#flow === "silent") return;
    this.#flow = "silent";
    this.#silentSinceMs = this.#clock.nowMs();
    // Who is gone repeats nothing.
    if (this.#items.at(-1)?.what === Arrival.Reset) this.#dropUnderWay(0);
    if (this.#loans.bytes > 0) this.#leaveSoon();
  }

  heal(): void {
    if (this.#flow === "flows") return;
    this.#flow = "flows";
    const againMs = retransmissionMs(this.#silentSinceMs, this.#clock.nowMs());
    for (const item of this.#items) {
      if (item.atMs > this.#silentSinceMs) item.atMs = Math.max(item.atMs, againMs);
    }
    if (this.#items.length > 0) this.passage.holdUntil(againMs);
    this.wake();
  }

  /** Sets the trip wire, or takes it away. */
  trip(wire: { readonly afterWrites: number; readonly bytes: number } | undefined): void {
    this.#wire = wire && { writes: wire.afterWrites, bytes: wire.bytes };
  }

  /** Something may be due: called when an end reads again as well. */
  wake(): void {
    const first = this.#items[0];
    if (first === undefined || this.#arrival === "coming" || !this.#canArrive(first)) return;
    if (first.atMs > this.#clock.nowMs()) {
      if (this.#arrival === "timer") return;
      this.#arrival = "timer";
      this.#timer = this.#clock.at(first.atMs, this.#arrive);
      return;
    }
    this.#timer?.cancel();
    this.#arrival = "coming";
    this.#clock.defer(this.#arrive);
  }

  #canArrive(first: Item): boolean {
    // A reset in here was sent before the silence, or comes from this side of it; a listener's list
    // is as it was before.
    if (this.#flow === "silent" && first.what > Arrival.Opened && first.what !== Arrival.Reset) {
      return false;
    }
    return first.what <= Arrival.Opened || this.#to.takes;
  }

  readonly #arrive = (): void => {
    this.#arrival = "none";
    const first = this.#items[0];
    if (first === undefined || !this.#canArrive(first)) return;
    if (first.atMs <= this.#clock.nowMs()) {
      this.#items.shift();
      this.#inside -= first.bytes;
      this.#give(first);
      if (this.#loans.bytes > 0) this.#leaveSoon();
    }
    this.wake();
  };

  #give(item: Item): void {
    switch (item.what) {
      case Arrival.Accept:
        this.#to.accept();
        break;
      case Arrival.Opened:
        this.#to.open();
        break;
      case Arrival.Bytes: {
        const part = item.part!;
        if (this.#to.hears) this.#events.delivered(this.#direction, part);
        this.#to.hear(part);
        break;
      }
      case Arrival.Fin:
        this.#to.hearEnd(undefined);
        this.#from.settle();
        break;
      case Arrival.Reset:
        this.#clear();
        this.#to.hearEnd(new TransportError("connection-lost", `${this.#to.remote} is lost`));
    }
  }

  /** What is written is copied later than it was written, and not all at once. */
  #leaveSoon(): void {
    if (this.#leaving === "coming") return;
    this.#leaving = "coming";
    const laterMs = this.#random.oneIn(4)
      ? this.passage.fraction(this.passage.weather.jitterMs)
      : 0;
    if (laterMs === 0) this.#clock.defer(this.#leave);
    else this.#clock.at(this.#clock.nowMs() + laterMs, this.#leave);
  }

  readonly #leave = (): void => {
    this.#leaving = "none";
    if (this.#wire !== undefined && this.#loans.bytes > 0 && this.#wire.writes-- === 0) {
      this.#leaveInPart(this.#wire.bytes);
      return;
    }
    this.passage.beginWrite();
    while (this.#loans.bytes > 0 && this.#inside < WINDOW_BYTES) {
      const bytes = Math.min(this.#loans.bytes, WINDOW_BYTES - this.#inside);
      this.#send(Math.min(this.passage.cut(bytes), this.chunkBytes));
    }
    if (this.#loans.bytes > 0) return;
    if (this.#sender === "ending") {
      this.#sender = "ended";
      this.#push(Arrival.Fin);
    }
    this.#drainSoon();
  };

  #leaveInPart(bytes: number): void {
    this.#wire = undefined;
    this.#send(Math.min(bytes, this.#loans.bytes));
    this.#events.tripped(this.#direction, this.passage.arrivalMs(this.#clock.nowMs(), 0));
    if (this.#loans.bytes === 0) this.#drainSoon();
  }

  #send(count: number): void {
    if (count === 0) return;
    const part = this.#events.slab.take(count);
    this.#loans.take(part);
    if (this.passage.harms()) this.#harm(part);
    else this.#map.pass(part);
    // What is lost leaves once more, and holds back all behind it.
    const atMs = this.passage.arrivalMs(this.#clock.nowMs() + this.passage.lossMs(), count);
    this.#inside += count;
    this.#items.push({ what: Arrival.Bytes, atMs, part, bytes: count });
    this.wake();
  }

  #harm(piece: Part): void {
    const { harm } = this.passage.weather;
    const covered: { part: "header" | "payload"; start: number; end: number }[] = [];
    this.#map.pass(piece, covered);
    const runs = covered.filter(({ part }) => harm === "either" || harm === part);
    if (runs.length === 0) return;
    const { start, end } = this.#random.pick(runs);
    piece.region.bytes[this.#random.between(start, end - 1)]! ^= 1 << this.#random.below(8);
    this.#events.harmed(this.#direction);
  }

  #push(what: Item["what"], atMs = this.passage.arrivalMs(this.#clock.nowMs(), 0)): void {
    this.#items.push({ what, atMs, part: undefined, bytes: 0 });
    this.wake();
  }

  /** Once all is out, in a turn of its own. */
  #drainSoon(): void {
    if (this.#drain !== "owed") return;
    this.#drain = "coming";
    this.#clock.defer(() => {
      if (this.#drain === "coming") {
        this.#drain = "none";
        this.#from.drained();
      }
    });
  }

  #cease(): void {
    this.#sender = "ended";
    this.#loans.drop();
    const nowMs = this.#clock.nowMs();
    const underWay = this.#items.filter(({ atMs }) => atMs > nowMs).length;
    this.#dropUnderWay(this.#flow === "silent" ? 0 : this.#random.below(underWay + 1));
  }

  /** Drops what has not arrived yet but for the first `keep`. */
  #dropUnderWay(keep: number): void {
    const sinceMs = this.#flow === "silent" ? this.#silentSinceMs : this.#clock.nowMs();
    // Who has connected is on the listener's list, whatever follows.
    const kept = (item: Item): boolean => item.atMs <= sinceMs || item.what <= Arrival.Opened;
    const arrived = this.#items.filter(kept).length;
    for (const { bytes } of this.#items.splice(arrived + keep)) this.#inside -= bytes;
  }

  #clear(): void {
    this.#items = [];
    this.#inside = 0;
    if (this.#arrival !== "timer") return;
    this.#timer?.cancel();
    this.#arrival = "none";
  }
}
