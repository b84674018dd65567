// Telling observers of an event so that none of them can harm the teller or the others.
// Read first: block-device.ts, BlockDeviceEvent.

import type { Clock } from "@nvmeof/transport";

/**
 * Those who want to know of something. They are told in order of registration, after the current
 * callback and never inside the call that caused the event. What one of them throws is thrown again
 * in a task of its own: it becomes an uncaught error of the program, and the others are told anyway.
 */
export class Observers<Event> {
  readonly #clock: Pick<Clock, "defer">;
  #observers: readonly { readonly tell: (event: Event) => void }[] = [];

  constructor(clock: Pick<Clock, "defer">) {
    this.#clock = clock;
  }

  /** How many there are. */
  get count(): number {
    return this.#observers.length;
  }

  /** Tells `observer` of events from now on, until the returned function is called. */
  add(observer: (event: Event) => void): () => void {
    const entry = { tell: observer };
    this.#observers = [...this.#observers, entry];
    return () => {
      this.#observers = this.#observers.filter((each) => each !== entry);
    };
  }

  /** Tells those of an event who observe now and still do when their turn comes. */
  tell(event: Event): void {
    const told = this.#observers;
    if (told.length === 0) return;
    this.#clock.defer(() => {
      for (const each of told) {
        if (this.#observers.includes(each)) runGuarded(this.#clock, () => each.tell(event));
      }
    });
  }
}

/** Runs somebody else's code; what it throws is thrown again in a task of its own. */
export function runGuarded(clock: Pick<Clock, "defer">, task: () => void): void {
  try {
    task();
  } catch (error) {
    rethrow(clock, error);
  }
}

/** Throws `error` from a task of its own, where it harms nobody who still has work to do. */
export function rethrow(clock: Pick<Clock, "defer">, error: unknown): void {
  clock.defer(() => {
    throw error;
  });
}
