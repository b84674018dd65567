// One direction of a connection whose pieces arrive whole: frames of FC, messages of a memory link.
// Read first: lane.ts, which does the same to bytes; network.ts.

import type { Clock, Timer } from "@nvmeof/transport";
import type { Weather } from "./lane.ts";
import type { ScenarioLane } from "./network.ts";

interface Piece {
  readonly bytes: number;
  readonly deliver: () => void;
}

/** Pieces pass, are lost, wait, or trickle. */
export class MessageLane implements ScenarioLane {
  readonly #clock: Clock;
  #weather: Weather;
  /** What has not arrived yet, oldest first. */
  #underWay: Piece[] = [];
  #timer: Timer | undefined;
  #cut: { afterBytes: number; readonly task: () => void } | undefined;

  constructor(clock: Clock, weather: Weather) {
    this.#clock = clock;
    this.#weather = weather;
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

  cutAfter(afterBytes: number, task: () => void): void {
    this.#cut = { afterBytes, task };
  }

  /** A piece is sent: `deliver` is called when it arrives, if it does. */
  pass(bytes: number, deliver: () => void): void {
    if (this.#weather === "silent") return;
    this.#underWay.push({ bytes, deliver });
    this.#pump();
  }

  /** What is under way is lost. */
  drop(): void {
    this.#underWay = [];
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #pump(): void {
    if (this.#weather === "silent") this.#underWay = [];
    if (typeof this.#weather === "object") this.#trickle(this.#weather.bytesPerSecond);
    while (this.#weather === "clear" && this.#underWay.length > 0) this.#arrive();
  }

  #trickle(bytesPerSecond: number): void {
    const next = this.#underWay[0];
    if (this.#timer !== undefined || next === undefined) return;
    const takesMs = (1_000 * next.bytes) / bytesPerSecond;
    this.#timer = this.#clock.at(this.#clock.nowMs() + takesMs, () => {
      this.#timer = undefined;
      this.#arrive();
      this.#pump();
    });
  }

  #arrive(): void {
    const next = this.#underWay.shift();
    if (next === undefined) return;
    const cut = this.#cut;
    if (cut !== undefined && next.bytes > cut.afterBytes) {
      // A piece that does not pass whole does not pass.
      this.#cut = undefined;
      this.#underWay = [];
      this.#weather = "silent";
      cut.task();
      return;
    }
    if (cut !== undefined) cut.afterBytes -= next.bytes;
    next.deliver();
  }
}
