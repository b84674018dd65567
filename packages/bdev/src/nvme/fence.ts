// A fence: writes of unknown outcome wait behind it until the connection that took them can do no more
// harm. Read first: Base 2.3 §9.6 "Communication Loss Handling"; reliability-anchors.md §1.3. fences.ts
// decides how a fence comes to its end; waiting-room.ts is where the requests wait.

import type { Clock, Timer } from "@nvmeof/transport";

/** Names one time that a controller was ready. Base 2.3 §5.4.3 "Cross-Controller Reset command". */
export interface Incarnation {
  readonly cntlid: number;
  /** Controller Instance Uniquifier, 1 to 255. */
  readonly ciu: number;
  /** Controller Instance Random Number. */
  readonly cirn: bigint;
}

/**
 * Why nothing can do harm any more, or is held to be unable to.
 *
 * - `ccr`: another controller has reset the lost one, and said so in its log.
 * - `immediate`: another controller has answered at once that nothing is left of it.
 * - `new-incarnation`: its controller ID is in use again, which it could not be before its end.
 * - `time`: as much time has passed as the controller may take to notice that its host is gone, and
 *   to end what it does for it.
 * - `accepted`: the controller gives no time in which it ends commands, and the user takes that.
 */
export type FenceRelease = "ccr" | "immediate" | "new-incarnation" | "time" | "accepted";

/** Where a fence stands. */
export type FenceState =
  | { readonly phase: "idle" } // nobody waits
  | { readonly phase: "holding"; readonly sinceMs: number }
  | { readonly phase: "released"; readonly by: FenceRelease }
  | { readonly phase: "given-up" }; // no way to know: the outcome stays unknown

/** Somebody with requests behind a fence. */
export interface FenceWaiter {
  /** It was released or given up: those that wait behind it may go, or have to be failed. */
  fenceOver(fence: Fence): void;
}

/** What a fence tells those who are to bring it to its end. */
export interface FenceEvents {
  /** The first request waits. Not again until nobody has waited in between. */
  holding(fence: Fence): void;
  /** Released, given up, or idle since nobody waits any more. `held`: the most that waited. */
  over(fence: Fence, held: number, heldMs: number): void;
}

/** Holds what a lost controller may still do, until it can do no more harm. Made by its group. */
export class Fence {
  /** What the lost controller is called; undefined where it has not said. */
  readonly incarnation: Incarnation | undefined;
  /** CQT of the lost controller, ms; 0 where it promises nothing. */
  readonly quiesceMs: number;
  /** KATO as the controller rounds it, ms; 0 for none. */
  readonly keepAliveMs: number;
  readonly #clock: Clock;
  readonly #events: FenceEvents;
  readonly #timeMs: number;
  readonly #waiters = new Set<FenceWaiter>();
  #state: FenceState = { phase: "idle" };
  #holds = 0;
  #held = 0;
  #timer: Timer | undefined;
  #endsMs = Infinity;

  /** @param timeMs after which the fence ends by itself, counted from the last hold; Infinity for never. */
  constructor(
    clock: Clock,
    facts: Pick<Fence, "incarnation" | "quiesceMs" | "keepAliveMs">,
    timeMs: number,
    events: FenceEvents,
  ) {
    this.incarnation = facts.incarnation;
    this.quiesceMs = facts.quiesceMs;
    this.keepAliveMs = facts.keepAliveMs;
    this.#clock = clock;
    this.#timeMs = timeMs;
    this.#events = events;
  }

  get state(): FenceState {
    return this.#state;
  }

  /** When it ends by time, ms of the clock; Infinity where only a reset can end it. */
  get endsMs(): number {
    return this.#endsMs;
  }

  /** Whether time alone ends it. */
  get endsByTime(): boolean {
    return this.#timeMs !== Infinity;
  }

  /** Requests that wait. */
  get holds(): number {
    return this.#holds;
  }

  /**
   * One more request is to wait. Says whether it has to: not when the fence is over. The time counts
   * from the last one, since only then it is sure that nobody keeps the connection alive.
   */
  hold(waiter: FenceWaiter): "held" | "over" {
    const { phase } = this.#state;
    const isKnown = phase === "released" && this.#state.by !== "time";
    if (phase === "given-up" || isKnown) return "over";
    this.#holds++;
    this.#held = Math.max(this.#held, this.#holds);
    this.#waiters.add(waiter);
    this.#arm();
    if (phase === "holding") return "held";
    this.#state = { phase: "holding", sinceMs: this.#clock.nowMs() };
    this.#events.holding(this);
    return "held";
  }

  /** A request waits no longer, for reasons of its own. */
  leave(): void {
    this.#holds--;
    if (this.#holds === 0 && this.#state.phase === "holding") this.#end({ phase: "idle" });
  }

  /** Nothing can do harm any more. */
  release(by: FenceRelease): void {
    if (this.#state.phase === "holding") this.#end({ phase: "released", by });
  }

  /** There is no way left to find out. */
  giveUp(): void {
    if (this.#state.phase === "holding") this.#end({ phase: "given-up" });
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#timeMs === Infinity) return;
    this.#endsMs = this.#clock.nowMs() + this.#timeMs;
    this.#timer = this.#clock.at(this.#endsMs, () => this.release("time"));
  }

  #end(state: FenceState): void {
    const sinceMs = this.#state.phase === "holding" ? this.#state.sinceMs : this.#clock.nowMs();
    const held = this.#held;
    this.#state = state;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#held = 0;
    this.#events.over(this, held, this.#clock.nowMs() - sinceMs);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    if (state.phase === "idle") return;
    this.#holds = 0;
    for (const waiter of waiters) waiter.fenceOver(this);
  }
}
