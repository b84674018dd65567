// The life of one run of a command: a signal that aborts at the deadline, on Ctrl-C, or when stdout is
// gone; and the moment at which nobody waits for the verb any more.

import { CliError } from "./errors.ts";
import { formatMs } from "./units.ts";

/** From the abort to the moment at which the verb is given up: closes are bounded by 2 s. */
export const GRACE_MS = 2_500;

export class Lifetime {
  readonly #abort = new AbortController();
  readonly #graceMs: number;
  #deadline: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #giveUp: (reason: unknown) => void = () => {};
  /** Rejects with the reason once the grace after an abort has passed. */
  readonly #overdue: Promise<never>;

  constructor(timeoutMs: number | undefined, graceMs: number = GRACE_MS) {
    this.#graceMs = graceMs;
    this.#overdue = new Promise((_resolve, reject) => (this.#giveUp = reject));
    this.#overdue.catch(() => {});
    if (timeoutMs === undefined) return;
    this.#deadline = setTimeout(() => {
      const hint = "Give it more time with --timeout, or look at the peer.";
      const message = `not done after ${formatMs(timeoutMs)}`;
      this.end(new CliError("NVME_ERR_DEADLINE", message, { hint }));
    }, timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Tells the verb to end. The first reason counts. */
  end(reason: CliError): void {
    if (this.signal.aborted) return;
    this.#abort.abort(reason);
    this.#grace = setTimeout(() => this.#giveUp(reason), this.#graceMs);
  }

  /**
   * Runs `work` to its end. Once aborted, whatever it rejects with is the reason of the abort; so it
   * rejects at the latest after the grace.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await Promise.race([work(), this.#overdue]);
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(this.#deadline);
      clearTimeout(this.#grace);
    }
  }
}
