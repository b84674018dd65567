// What happened when: a list of moments that people read and scripts check.

import type { Clock } from "@nvmeof/transport";

/** One moment. */
export interface TimelineEntry {
  /** Milliseconds since the timeline began. */
  readonly atMs: number;
  readonly what: string;
}

/** Notes moments as they come; bounded, so that whoever notes in a loop does no harm. */
export class Timeline {
  readonly entries: TimelineEntry[] = [];
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #noted: (entry: TimelineEntry) => void;

  /** @param noted is told of each moment at once, for whoever prints as it goes. */
  constructor(clock: Clock, noted: (entry: TimelineEntry) => void = () => {}) {
    this.#clock = clock;
    this.#startedMs = clock.nowMs();
    this.#noted = noted;
  }

  note(what: string): void {
    if (this.entries.length >= ENTRIES_MAX) return;
    const entry = { atMs: this.#clock.nowMs() - this.#startedMs, what };
    this.entries.push(entry);
    this.#noted(entry);
  }
}

const ENTRIES_MAX = 1_000;
