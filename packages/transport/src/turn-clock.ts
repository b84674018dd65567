// The time of the current turn: read once, however many commands begin or end in it.
// Why: reading the clock costs 50 ns, a tenth of what a command costs (node-ceilings.md §4).

import type { Clock } from "./clock.ts";

/** Time within a turn of the event loop, which passes between turns only. */
export class TurnClock {
  readonly #clock: Clock;
  #nowMs = 0;
  #turn: "over" | "on" = "over";
  readonly #end = (): void => {
    this.#turn = "over";
  };

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static readonly #known = new WeakMap<Clock, TurnClock>();

  /** The one of this clock. */
  static of(clock: Clock): TurnClock {
    let turns = TurnClock.#known.get(clock);
    if (turns === undefined) {
      turns = new TurnClock(clock);
      TurnClock.#known.set(clock, turns);
    }
    return turns;
  }

  /** When this turn was first asked for its time, ms. */
  nowMs(): number {
    if (this.#turn === "over") {
      this.#turn = "on";
      this.#nowMs = this.#clock.nowMs();
      this.#clock.defer(this.#end);
    }
    return this.#nowMs;
  }
}
