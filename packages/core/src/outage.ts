// The timers of an outage: the wait before the next attempt, fast-fail, and loss.
// Read first: reconnect.ts for the policy; DESIGN.md §4. They are timers and not checks in passing, so
// that they are exact whatever an attempt is waiting for.

import type { NvmeofError } from "@nvmeof/codec";
import type { Timer } from "@nvmeof/transport";
import { TimeoutError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";
import { delayBefore } from "./reconnect.ts";

/** What the timers tell; `holds` says whether it is still so when the controller gets to it. */
export interface OutageEvents {
  delayElapsed(holds: () => boolean): void;
  lossElapsed(holds: () => boolean, error: NvmeofError): void;
  fastFail(): void;
}

export class Outage {
  readonly #options: ResolvedOptions;
  readonly #events: OutageEvents;
  /** Failed attempts in this outage. */
  #failures = 0;
  #delay: Timer | undefined;
  #loss: Timer | undefined;
  #fastFail: Timer | undefined;
  #patience: "wait" | "fail-fast" = "wait";

  constructor(options: ResolvedOptions, events: OutageEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Whether a command that finds no queue waits for the controller, or fails at once. */
  get patience(): "wait" | "fail-fast" {
    return this.#patience;
  }

  /** The controller was lost. */
  start(): void {
    const { clock, reconnect } = this.#options;
    const nowMs = clock.nowMs();
    if (reconnect.lossMs > 0) {
      const loss: Timer = clock.at(nowMs + reconnect.lossMs, () => {
        const error = new TimeoutError("reconnecting", reconnect.lossMs);
        this.#events.lossElapsed(() => this.#loss === loss, error);
      });
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
    this.#failures = 0;
    this.disarmDelay();
  }

  /** An attempt failed. */
  failed(): void {
    this.#failures++;
  }

  /** Arms the wait before the next attempt. There is none while an address is still untried. */
  armDelay(): { attempt: number; delayMs: number } {
    const { clock, reconnect, random, transports } = this.#options;
    const round = Math.floor(this.#failures / transports.length);
    const untried = this.#failures % transports.length !== 0;
    const delayMs = untried ? 0 : delayBefore(reconnect, round, random);
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
}
