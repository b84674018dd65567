// What runs while a controller is live: keep-alive, and requests for asynchronous events.
// Read first: keep-alive.ts; Base 2.0 §5.2 "Asynchronous Event Request command", §3.9 "Keep Alive".

import { type AsyncEvent, type Decoded, type NvmeofError, decodeAsyncEvent } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import { asyncEventCommand, keepAliveCommand, sendAdmin } from "./admin.ts";
import { wantsProof } from "./auth/errors.ts";
import { KeepAliveError, NvmeStatusError } from "./errors.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { QueuePair } from "./queue-pair.ts";

/** What the services tell the controller. They report; they decide nothing. */
export interface ServiceEvents {
  asyncEvent(event: Decoded<typeof AsyncEvent>): void;
  /** The controller has answered Keep Alive, after that time. */
  answered(roundTripMs: number): void;
  /** The controller does not answer, or no longer accepts Keep Alive. */
  silent(error: NvmeofError): void;
}

/** A controller that completes event requests at once, for ever, gets the next one no sooner. */
const REARM_MS = 10;
/** One that wants to be told anew who the host is gets it after that: an exchange takes less. */
const PROVEN_MS = 1_000;

/** Runs from `goLive` to the teardown. */
export class LiveServices {
  readonly #clock: Clock;
  readonly #admin: QueuePair;
  readonly #events: ServiceEvents;
  readonly #keepAlive: KeepAlive | undefined;
  #keepAliveTimer: Timer | undefined;
  #rearmTimer: Timer | undefined;
  #armedMs = -Infinity;
  #stopped: "running" | "stopped" = "running";

  /**
   * @param keepAliveTimeoutMs KATO, ms; 0 for none.
   * @param sinceMs when the attempt began whose queues these are: the controller counts since then.
   */
  constructor(
    clock: Clock,
    admin: QueuePair,
    keepAliveTimeoutMs: number,
    sinceMs: number,
    events: ServiceEvents,
  ) {
    this.#clock = clock;
    this.#admin = admin;
    this.#events = events;
    if (keepAliveTimeoutMs > 0) {
      this.#keepAlive = new KeepAlive(keepAliveTimeoutMs, clock.nowMs(), sinceMs);
      this.#watch();
    }
    this.#requestEvent();
  }

  /** No event follows. The requests that are out are the teardown's to settle. */
  stop(): void {
    this.#stopped = "stopped";
    this.#keepAliveTimer?.cancel();
    this.#rearmTimer?.cancel();
  }

  #watch(): void {
    const machine = this.#keepAlive!;
    this.#keepAliveTimer?.cancel();
    this.#keepAliveTimer = this.#clock.at(machine.deadlineMs(), () => {
      machine.handle({ type: "tick" }, this.#clock.nowMs());
      this.#drain(machine);
      if (this.#stopped === "running" && machine.deadlineMs() !== Infinity) this.#watch();
    });
  }

  #drain(machine: KeepAlive): void {
    for (let output = machine.poll(); output !== undefined; output = machine.poll()) {
      if (output.type === "expired") this.#events.silent(new KeepAliveError(output.silentMs));
      else this.#send(machine);
    }
  }

  #send(machine: KeepAlive): void {
    const sentMs = this.#clock.nowMs();
    // Never out of room: the controller keeps slots of the admin queue back for itself.
    sendAdmin(this.#admin, keepAliveCommand(Infinity), Infinity, (error) => {
      if (this.#stopped === "stopped") return;
      // Who asks for authentication is there; what follows from it is asked by the queue.
      if (error === undefined || wantsProof(error)) {
        const nowMs = this.#clock.nowMs();
        machine.handle({ type: "acknowledged" }, nowMs);
        this.#watch();
        this.#events.answered(nowMs - sentMs);
      } else if (error instanceof NvmeStatusError) {
        this.#events.silent(error);
      }
    });
  }

  #requestEvent(): void {
    this.#armedMs = this.#clock.nowMs();
    sendAdmin(this.#admin, asyncEventCommand, Infinity, (error, dw0) => {
      if (this.#stopped === "stopped") return;
      if (wantsProof(error)) {
        this.#requestAgain(PROVEN_MS);
        return;
      }
      // A controller without room for event requests says so, and is not asked again.
      if (error !== undefined) return;
      this.#events.asyncEvent(decodeAsyncEvent(dw0));
      if ((this.#stopped as string) === "running") this.#requestAgain(REARM_MS);
    });
  }

  /** `sinceMs`: after the last request. */
  #requestAgain(sinceMs: number): void {
    const again = this.#armedMs + sinceMs;
    this.#rearmTimer = this.#clock.at(again, () => this.#requestEvent());
  }
}
