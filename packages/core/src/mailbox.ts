// A mailbox: what happens is posted, and handled one after another, never inside the poster's call.
// Read first: DESIGN.md §4, "One owner per controller".

import type { Clock } from "@nvmeof/transport";
import { guarded } from "./guard.ts";

/** Mail for one owner. Whoever posts may be anywhere: in a completion, a timer, an observer. */
export class Mailbox<Mail extends object> {
  readonly #clock: Clock;
  readonly #handle: (mail: Mail) => void;
  readonly #mail: Mail[] = [];
  /** `due`: a drain is deferred, or under way. There is never a second one. */
  #drain: "idle" | "due" = "idle";

  /** @param handle is called once for each mail; what it throws does not keep the next one waiting. */
  constructor(clock: Clock, handle: (mail: Mail) => void) {
    this.#clock = clock;
    this.#handle = handle;
  }

  /** Handled after all that was posted before it. */
  post(mail: Mail): void {
    this.#mail.push(mail);
    this.#wake();
  }

  /** Handled before all that waits: for what makes the rest pointless. */
  postFirst(mail: Mail): void {
    this.#mail.unshift(mail);
    this.#wake();
  }

  #wake(): void {
    if (this.#drain === "due") return;
    this.#drain = "due";
    this.#clock.defer(() => {
      // What is posted meanwhile is handled in the same drain: its order is that of the posts.
      for (let mail = this.#mail.shift(); mail !== undefined; mail = this.#mail.shift()) {
        const current = mail;
        guarded(this.#clock, () => this.#handle(current));
      }
      this.#drain = "idle";
    });
  }
}
