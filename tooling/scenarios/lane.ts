// One direction of a connection: bytes pass, are lost, wait, trickle, or end in the middle.
// Read first: @nvmeof/transport byte-stream.ts for the contract that its user still gets.

import type { NvmeofError } from "@nvmeof/codec";
import { type ByteStreamHandler, type Clock, Region, type Timer } from "@nvmeof/transport";

/**
 * What becomes of bytes under way.
 *
 * - `clear`: they arrive.
 * - `silent`: they are lost, and so is the news of an end.
 * - `held`: they wait, and arrive in order once it is clear again.
 * - a rate: they arrive one by one.
 */
export type Weather = "clear" | "silent" | "held" | { readonly bytesPerSecond: number };

/** What follows once as many bytes have passed as were allowed. */
export interface Cut {
  readonly afterBytes: number;
  readonly task: () => void;
}

type Arrival = { readonly bytes: Uint8Array } | { readonly ended: NvmeofError | undefined };

/** Stands between a stream and who hears it. */
export class Lane implements ByteStreamHandler {
  readonly #inner: ByteStreamHandler;
  readonly #clock: Clock;
  readonly #over: () => void;
  readonly #arriving: () => void;
  #weather: Weather;
  #phase: "open" | "over" = "open";
  /** What has not arrived yet, oldest first. */
  #underWay: Arrival[] = [];
  #timer: Timer | undefined;
  #cut: Cut | undefined;

  /**
   * @param over is called before the news of an end is given on.
   * @param arriving is called before bytes are given on, or are lost: whatever the weather does.
   */
  constructor(
    inner: ByteStreamHandler,
    clock: Clock,
    weather: Weather,
    over: () => void,
    arriving: () => void,
  ) {
    this.#inner = inner;
    this.#clock = clock;
    this.#weather = weather;
    this.#over = over;
    this.#arriving = arriving;
  }

  get weather(): Weather {
    return this.#weather;
  }

  set weather(weather: Weather) {
    this.#weather = weather;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pump();
  }

  /** Lets `afterBytes` more pass and then runs `task`; what comes after is lost. */
  cutAfter(afterBytes: number, task: () => void): void {
    this.#cut = { afterBytes, task };
  }

  opened(): void {
    this.#inner.opened();
  }

  drained(): void {
    this.#inner.drained();
  }

  received(buffer: Region, start: number, end: number): void {
    if (this.#phase === "open") this.#arriving();
    if (this.#phase === "over" || this.#weather === "silent") return;
    if (this.#weather === "clear" && this.#underWay.length === 0 && this.#cut === undefined) {
      this.#inner.received(buffer, start, end);
      return;
    }
    this.#underWay.push({ bytes: buffer.bytes.slice(start, end) });
    this.#pump();
  }

  ended(error: NvmeofError | undefined): void {
    if (this.#phase === "over" || this.#weather === "silent") return;
    this.#underWay.push({ ended: error });
    this.#pump();
  }

  /** The connection has broken: what is under way is lost, the news of it arrives in any weather. */
  breaks(error: NvmeofError): void {
    if (this.#phase === "over") return;
    this.stop();
    this.#over();
    this.#inner.ended(error);
  }

  /** Nothing arrives any more: its user has ended the stream by himself. */
  stop(): void {
    this.#phase = "over";
    this.#underWay = [];
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #pump(): void {
    if (this.#weather === "silent") this.#underWay = [];
    if (typeof this.#weather === "object") this.#trickle(this.#weather.bytesPerSecond);
    while (this.#weather === "clear" && this.#underWay.length > 0) this.#arrive(Infinity);
  }

  #trickle(bytesPerSecond: number): void {
    if (this.#timer !== undefined || this.#underWay.length === 0) return;
    this.#timer = this.#clock.at(this.#clock.nowMs() + 1000 / bytesPerSecond, () => {
      this.#timer = undefined;
      this.#arrive(1);
      this.#pump();
    });
  }

  /** Gives on what comes next, at most so many bytes of it. */
  #arrive(bytesMax: number): void {
    const next = this.#underWay.shift();
    if (next === undefined) return;
    if ("ended" in next) {
      this.stop();
      this.#over();
      this.#inner.ended(next.ended);
      return;
    }
    const allowed = Math.min(next.bytes.length, bytesMax, this.#cut?.afterBytes ?? Infinity);
    if (allowed < next.bytes.length) this.#underWay.unshift({ bytes: next.bytes.slice(allowed) });
    if (this.#cut !== undefined) {
      this.#cut = { ...this.#cut, afterBytes: this.#cut.afterBytes - allowed };
    }
    if (allowed > 0) this.#inner.received(new Region(next.bytes.slice(0, allowed)), 0, allowed);
    if (this.#cut?.afterBytes !== 0) return;
    const { task } = this.#cut;
    this.#cut = undefined;
    this.#underWay = [];
    this.#weather = "silent";
    task();
  }
}
