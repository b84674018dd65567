// The record of a run: a hash over every event, the last of them, and all of them on demand.
// Read first: reliability-anchors I45: a seed gives the identical trace, byte for byte, everywhere.

import type { Clock } from "@nvmeof/transport";

/** Values that print alike on every platform: no floating point beyond whole microseconds. */
export type TraceValue = string | number | boolean | undefined;

/** One thing that happened. */
export interface TraceEvent {
  readonly step: number;
  /** Virtual time, ms, to the microsecond. */
  readonly atMs: number;
  /** Who: "host0", "port1", "target", "disk0", "plan". */
  readonly who: string;
  /** What, a fixed word: "submit", "settle", "state", "fault". */
  readonly what: string;
  readonly fields: Readonly<Record<string, TraceValue>>;
}

/** How many events a failure prints. */
const LAST_EVENTS = 200;

/** Collects events; costs little unless `keep` is "all". */
export class Trace {
  readonly #clock: Clock;
  readonly #keep: "last" | "all";
  #events: TraceEvent[] = [];
  #steps = 0;
  /** Two independent 32-bit hashes make a collision no concern. */
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;

  constructor(clock: Clock, keep: "last" | "all" = "last") {
    this.#clock = clock;
    this.#keep = keep;
  }

  add(who: string, what: string, fields: Readonly<Record<string, TraceValue>> = {}): void {
    const atMs = Math.round(this.#clock.nowMs() * 1000) / 1000;
    const event: TraceEvent = { step: this.#steps++, atMs, who, what, fields };
    this.#mix(atMs * 1000);
    this.#mixText(who);
    this.#mixText(what);
    for (const key in fields) {
      this.#mixText(key);
      const value = fields[key];
      if (typeof value === "number") this.#mix(value);
      else this.#mixText(String(value));
    }
    this.#events.push(event);
    if (this.#keep === "last" && this.#events.length >= 2 * LAST_EVENTS) {
      this.#events = this.#events.slice(-LAST_EVENTS);
    }
  }

  /** The events kept: all, or the last 200. */
  get events(): readonly TraceEvent[] {
    return this.#keep === "all" ? this.#events : this.#events.slice(-LAST_EVENTS);
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Hash of every event so far, 16 hexadecimal digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #mix(value: number): void {
    const word = value | 0;
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ (word + (this.#high << 6)), 0x85ebca6b) ^ (value / 2 ** 32);
  }

  #mixText(text: string): void {
    this.#mix(text.length);
    for (let at = 0; at < text.length; at++) this.#mix(text.charCodeAt(at));
  }
}
