// Host side of the Keep Alive timer: when to send, and when the controller counts as gone.
// Read first: Base 2.0 §3.9 "Keep Alive"; DESIGN.md §4 (one outstanding at most, read before judging).

import { GRACE_MS, STALL_MS } from "./stall.ts";

/** What happened. */
export type KeepAliveInput = { readonly type: "tick" } | { readonly type: "acknowledged" };

/** What to do. */
export type KeepAliveOutput =
  { readonly type: "send" } | { readonly type: "expired"; readonly silentMs: number };

/** Machine: `handle` an input, `poll` to `undefined`, be back at `deadlineMs`. */
export class KeepAlive {
  readonly #timeoutMs: number;
  /** `graced`: the probe is overdue, but we were stalled ourselves; there is one grace a probe. */
  #phase: "quiet" | "probing" | "graced" | "expired" = "quiet";
  /** Since when the controller is silent: the last acknowledgement, or the start. */
  #heardMs: number;
  /** When the last probe was sent. */
  #sentMs: number;
  #deadlineMs: number;
  #output: KeepAliveOutput | undefined;

  /**
   * @param timeoutMs KATO, ms; more than 0.
   * @param sinceMs since when the controller may count: from Connect on, and not from the end of a
   * bring-up that took its time. Default now.
   */
  constructor(timeoutMs: number, nowMs: number, sinceMs: number = nowMs) {
    this.#timeoutMs = timeoutMs;
    this.#heardMs = nowMs;
    this.#sentMs = sinceMs;
    this.#deadlineMs = sinceMs + timeoutMs / 2;
  }

  handle(input: KeepAliveInput, nowMs: number): void {
    if (this.#phase === "expired") return;
    if (input.type === "acknowledged") {
      this.#phase = "quiet";
      this.#heardMs = nowMs;
      // Probe at half time: one slow round trip must not expire a healthy controller. The controller
      // counts from probe to probe, so that the time of the answer's way is not added.
      this.#deadlineMs = Math.max(nowMs, this.#sentMs + this.#timeoutMs / 2);
      return;
    }
    // An early tick falls through: it is harmless, so drivers need not be exact.
    if (nowMs < this.#deadlineMs) return;
    if (this.#phase === "quiet") {
      this.#phase = "probing";
      this.#sentMs = nowMs;
      this.#deadlineMs = Math.max(this.#heardMs + this.#timeoutMs, nowMs + this.#timeoutMs / 2);
      this.#output = { type: "send" };
      return;
    }
    if (this.#phase === "probing" && nowMs - this.#deadlineMs > STALL_MS) {
      // The answer may be waiting unread: our own event loop stood still.
      this.#phase = "graced";
      this.#deadlineMs = nowMs + GRACE_MS;
      return;
    }
    this.#phase = "expired";
    this.#output = { type: "expired", silentMs: nowMs - this.#heardMs };
  }

  poll(): KeepAliveOutput | undefined {
    const output = this.#output;
    this.#output = undefined;
    return output;
  }

  deadlineMs(): number {
    return this.#phase === "expired" ? Infinity : this.#deadlineMs;
  }
}
