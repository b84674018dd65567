// Diagnostics channels in one place, for tests: what `node:diagnostics_channel` is, without the process.
// Read first: @nvmeof/transport diagnostics.ts.

import type { DiagnosticsChannel } from "@nvmeof/transport";

/** What was heard, in its order. */
export interface Heard {
  readonly name: string;
  readonly message: unknown;
}

export class Listeners {
  readonly heard: Heard[] = [];
  /** Messages that were published, heard or not. */
  published = 0;
  readonly #subscribed = new Set<string>();
  readonly #channels = new Map<string, DiagnosticsChannel>();

  /** The port that a controller is given. */
  readonly diagnostics = (name: string): DiagnosticsChannel => {
    const known = this.#channels.get(name) ?? this.#channel(name);
    this.#channels.set(name, known);
    return known;
  };

  /** Listens to these from now on. */
  listen(...names: readonly string[]): void {
    for (const name of names) this.#subscribed.add(name);
  }

  /** Names of what was heard, in its order. */
  get names(): string[] {
    return this.heard.map(({ name }) => name);
  }

  #channel(name: string): DiagnosticsChannel {
    const isSubscribed = (): boolean => this.#subscribed.has(name);
    return {
      get hasSubscribers() {
        return isSubscribed();
      },
      publish: (message) => {
        this.published++;
        if (isSubscribed()) this.heard.push({ name, message });
      },
    };
  }
}
