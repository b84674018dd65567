// What a network does to what passes: how long it takes, in what pieces, and what is lost or harmed.
// Read first: README.md; used by pipe.ts for streams. It knows no stream, so that frames can use it.

import type { SimRandom } from "../random.ts";

/** The conditions of one direction. */
export interface Weather {
  /** Time that everything takes, ms. */
  readonly latencyMs: number;
  /** Time that it may take beyond that, ms; chance decides for each piece. */
  readonly jitterMs: number;
  /** Bandwidth; 0 for no limit. */
  readonly bytesPerMs: number;
  /** Where a stream is cut: nowhere, anywhere, or after nearly every byte. */
  readonly cut: "whole" | "random" | "bytes";
  /** One piece in so many is lost; a stream repeats it, and all behind it waits. 0 for none. */
  readonly lossOneIn: number;
  /** One piece in so many gets a wrong bit; 0 for none. */
  readonly harmOneIn: number;
  /**
   * Where the wrong bit is: only in what a digest covers, so that every one can be detected. A
   * connection without digests is left alone.
   */
  readonly harm: "header" | "payload" | "either";
}

/** A network that does nothing but take its time. */
export const CALM: Weather = {
  latencyMs: 0.2,
  jitterMs: 0.1,
  bytesPerMs: 0,
  cut: "whole",
  lossOneIn: 0,
  harmOneIn: 0,
  harm: "either",
};

/** First time after which a stream repeats what was lost, ms; twice as long each further time. */
const RETRANSMISSION_MS = 200;

/** The longest pause between two repetitions, ms. */
const RETRANSMISSION_MAX_MS = 60_000;

/** Pieces that one write is cut into, at most: a byte at a time must not cost a run its budget. */
const CUTS_MAX = 48;

/** Longest piece, bytes. */
const PIECE_BYTES_MAX = 64 * 1024;

/** One direction of a way, through the weather of the moment. Keeps the order of what passes. */
export class Passage {
  weather: Weather;
  readonly #random: SimRandom;
  /** When the last byte so far has left, where bandwidth is limited. */
  #freeAtMs = 0;
  #lastArrivalMs = 0;
  #cuts = 0;

  constructor(weather: Weather, random: SimRandom) {
    this.weather = weather;
    this.#random = random;
  }

  /** When `bytes` bytes that leave at `nowMs` arrive: not before anything that left earlier. */
  arrivalMs(nowMs: number, bytes: number): number {
    const { latencyMs, jitterMs, bytesPerMs } = this.weather;
    let atMs = nowMs;
    if (bytesPerMs > 0) {
      this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / bytesPerMs;
      atMs = this.#freeAtMs;
    }
    atMs += latencyMs + this.fraction(jitterMs);
    return (this.#lastArrivalMs = Math.max(atMs, this.#lastArrivalMs));
  }

  /** Nothing arrives before `atMs` from now on. */
  holdUntil(atMs: number): void {
    this.#lastArrivalMs = Math.max(atMs, this.#lastArrivalMs);
  }

  /** A part of `ms`, to the microsecond. */
  fraction(ms: number): number {
    const microseconds = Math.floor(ms * 1000);
    return microseconds <= 0 ? 0 : this.#random.below(microseconds + 1) / 1000;
  }

  /** A write begins: its pieces are counted from here. */
  beginWrite(): void {
    this.#cuts = 0;
  }

  /** Length of the next piece of `bytes` bytes. */
  cut(bytes: number): number {
    const whole = Math.min(bytes, PIECE_BYTES_MAX);
    const { cut } = this.weather;
    if (cut === "whole" || whole <= 1 || ++this.#cuts > CUTS_MAX) return whole;
    if (cut === "bytes") return 1;
    // Half of all pieces are left whole; of the rest, as many are short as are of any length.
    const dice = this.#random.below(4);
    if (dice >= 2) return whole;
    return 1 + this.#random.below(dice === 0 ? Math.min(whole, 80) : whole);
  }

  /** Time that a loss costs a piece, ms: mostly 0. */
  lossMs(): number {
    const { lossOneIn } = this.weather;
    if (lossOneIn === 0 || !this.#random.oneIn(lossOneIn)) return 0;
    return this.#random.oneIn(4) ? 3 * RETRANSMISSION_MS : RETRANSMISSION_MS;
  }

  /** Whether the next piece is harmed. */
  harms(): boolean {
    const { harmOneIn } = this.weather;
    return harmOneIn > 0 && this.#random.oneIn(harmOneIn);
  }
}

/**
 * When a stream repeats what was lost since `sinceMs`, if that is to be after `nowMs`: the pauses
 * double, so that a network that was silent for long is not used at once when it is back.
 */
export function retransmissionMs(sinceMs: number, nowMs: number): number {
  let atMs = sinceMs;
  for (let pauseMs = RETRANSMISSION_MS; atMs < nowMs;) {
    atMs += pauseMs;
    pauseMs = Math.min(2 * pauseMs, RETRANSMISSION_MAX_MS);
  }
  return atMs;
}
