// Listening to abort signals on behalf of many calls, with one listener for each signal.
// Why: Node warns of a leak from the eleventh listener of a signal on, and a signal for a thousand
// reads at a time is ordinary use.

/** Who waits for which signal. */
export class SignalListeners {
  readonly #waiting = new Map<AbortSignal, Entry>();

  /** Signals that are listened to. */
  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Calls `aborted` once when `signal` is aborted, unless the returned function is called before.
   * A signal that is aborted already is not looked at.
   */
  add(signal: AbortSignal, aborted: () => void): () => void {
    let entry = this.#waiting.get(signal);
    if (entry === undefined) {
      const callbacks = new Set<() => void>();
      const listener = (): void => {
        this.#waiting.delete(signal);
        for (const each of callbacks) each();
      };
      entry = { callbacks, listener };
      this.#waiting.set(signal, entry);
      signal.addEventListener("abort", listener, { once: true });
    }
    const { callbacks, listener } = entry;
    callbacks.add(aborted);
    return () => {
      if (!callbacks.delete(aborted) || callbacks.size > 0) return;
      // A signal may outlive thousands of calls: it must keep none of them.
      signal.removeEventListener("abort", listener);
      if (this.#waiting.get(signal)?.callbacks === callbacks) this.#waiting.delete(signal);
    };
  }
}

interface Entry {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}
