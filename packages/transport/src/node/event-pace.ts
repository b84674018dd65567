// Waits for events of real sockets: for tests, which never sleep. Not part of the package's interface.

import type { Pace } from "../conformance/case.ts";

/** Turns of the event loop after which what loopback sockets had to say has been said. */
const QUIET_TURNS = 50;

/** Woken by each event, and bounded in time. */
export class EventPace implements Pace {
  readonly #limitMs: number;
  #waiting: (() => void)[] = [];

  constructor(limitMs = 20_000) {
    this.#limitMs = limitMs;
  }

  /** To be called after each event. */
  readonly happened = (): void => {
    for (const wake of this.#waiting.splice(0)) wake();
  };

  async until(done: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(this.#limitMs);
    const tooLate = new Error(`it takes more than ${this.#limitMs} ms`);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(tooLate));
    });
    // Observed here, since it may come when nobody waits any more.
    aborted.catch(() => {});
    while (!done()) {
      const woken = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await Promise.race([woken, aborted]);
    }
  }

  async quiet(): Promise<void> {
    for (let turn = 0; turn < QUIET_TURNS; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

/** What of sockets keeps this process alive: must be nothing after a test. */
export const openSockets = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /TCP|AddrInfo/.test(name));
