// The timers of an outage: the wait before the next attempt, fast-fail, and loss.
// Read first: reconnect.ts for the policy; DESIGN.md §4. They are timers and not checks in passing, so
// that they are exact whatever an attempt is waiting for.

import type { Timer } from "@nvmeof/transport";
import { Addresses } from "./addresses.ts";
import type { ResolvedOptions } from "./options.ts";
import { delayBefore } from "./reconnect.ts";

/** What the timers tell; `holds` says whether it is still so when the controller gets to it. */
export interface OutageEvents {
  delayElapsed(holds: () => boolean): void;
  lossElapsed(holds: () => boolean): void;
  fastFail(): void;
}

/**
 * Refusals in a row that end a series of reconnects. A target that is being set up anew refuses, for a
 * moment and with Do Not Retry, what it takes again a second later; asked thrice, it means it.
 */
const REFUSALS_MAX = 3;
/** Live for this long, a controller has come back; lost sooner, it flaps, and the waits go on. */
const STEADY_MS = 10_000;
/** Wait between attempts at a controller that flaps, where the policy has none. */
const FLAP_DELAY_MS = 1_000;

export class Outage {
  readonly #options: ResolvedOptions;
  readonly #events: OutageEvents;
  readonly #addresses: Addresses;
  /** Failed attempts in this outage. */
  #failures = 0;
  /** Those of them, in a row and up to now, that the controller said to be final. */
  #refusals = 0;
  /** Rounds of attempts, one at each address, that failed since the controller was last live for long. */
  #rounds = 0;
  /** Losses since the controller was last live for long, this one included. */
  #losses = 0;
  #liveSinceMs = -Infinity;
  #delay: Timer | undefined;
  #loss: Timer | undefined;
  #fastFail: Timer | undefined;
  #patience: "wait" | "fail-fast" = "wait";

  constructor(
    options: ResolvedOptions,
    events: OutageEvents,
    addresses: Addresses = new Addresses(options.transports),
  ) {
    this.#options = options;
    this.#events = events;
    this.#addresses = addresses;
  }

  /** Whether a command that finds no queue waits for the controller, or fails at once. */
  get patience(): "wait" | "fail-fast" {
    return this.#patience;
  }

  /** Whether a loss now would follow another one too soon to connect again at once. */
  get flaps(): boolean {
    const liveMs = this.#options.clock.nowMs() - this.#liveSinceMs;
    return this.#losses > 0 && liveMs < STEADY_MS;
  }

  /** The controller was lost. */
  start(): void {
    const { clock, reconnect } = this.#options;
    const nowMs = clock.nowMs();
    // A connection that works for a moment must not bring the waits back to where they began.
    if (!this.flaps) {
      this.#losses = 0;
      this.#rounds = 0;
    }
    this.#losses++;
    // A first connect that was disabled has left its failures behind.
    this.#forget();
    this.#addresses.begin();
    if (reconnect.lossMs > 0) {
      const loss: Timer = clock.at(nowMs + reconnect.lossMs, () =>
        this.#events.lossElapsed(() => this.#loss === loss),
      );
      this.#loss = loss;
    }
    if (reconnect.fastFailMs > 0) {
      this.#fastFail = clock.at(nowMs + reconnect.fastFailMs, () => {
        this.#patience = "fail-fast";
        this.#events.fastFail();
      });
    }
  }

  /** Success, or the end: an outage that is over must not shorten the next one. */
  stop(): void {
    this.#loss?.cancel();
    this.#loss = undefined;
    this.#fastFail?.cancel();
    this.#fastFail = undefined;
    this.#patience = "wait";
    this.#forget();
    this.disarmDelay();
  }

  /** The controller is live. */
  live(): void {
    this.#forget();
    this.#addresses.succeeded();
    this.#liveSinceMs = this.#options.clock.nowMs();
  }

  /**
   * An attempt failed. Says whether another one is to follow; the first connect has no waits.
   *
   * @param permanent the controller said that the same attempt would be refused again.
   */
  failed(isFirstConnect: boolean, permanent = false): "failed" | "exhausted" | "refused" {
    this.#failures++;
    this.#refusals = permanent ? this.#refusals + 1 : 0;
    if (permanent && (isFirstConnect || this.#refusals >= REFUSALS_MAX)) return "refused";
    const round = this.#addresses.attemptFailed();
    if (round === "round-over") this.#rounds++;
    const waits = !isFirstConnect && this.#options.reconnect.delayMs > 0;
    return waits || round === "mid-round" ? "failed" : "exhausted";
  }

  /** Arms the wait before the next attempt. There is none while an address is still untried. */
  armDelay(): { attempt: number; delayMs: number } {
    const { clock } = this.#options;
    const delayMs = this.#addresses.isMidRound ? 0 : this.#delayMs();
    const delay: Timer = clock.at(clock.nowMs() + delayMs, () =>
      this.#events.delayElapsed(() => this.#delay === delay),
    );
    this.#delay = delay;
    return { attempt: this.#failures, delayMs };
  }

  disarmDelay(): void {
    this.#delay?.cancel();
    this.#delay = undefined;
  }

  /** A series of attempts is over: its failures count for nothing in the next one. */
  #forget(): void {
    this.#failures = 0;
    this.#refusals = 0;
  }

  #delayMs(): number {
    const { reconnect, random } = this.#options;
    const policy = reconnect.delayMs > 0 ? reconnect : { ...reconnect, delayMs: FLAP_DELAY_MS };
    return delayBefore(policy, this.#rounds + this.#losses - 1, random);
  }
}
