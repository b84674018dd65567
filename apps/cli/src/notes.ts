// What is said on stderr beside errors: warnings, steps, and whatever a person wants to know.

import type { Sink } from "./io.ts";
import { withoutSecrets } from "./redact.ts";

export class Notes {
  readonly stream: Sink;
  readonly #level: number;

  /** @param level -1 with --silent, else the number of -v. */
  constructor(stream: Sink, level: number) {
    this.stream = stream;
    this.#level = level;
  }

  /** Said unless --silent. */
  say(text: string): void {
    this.#write(0, text);
  }

  /** Said with -v. */
  detail(text: string): void {
    this.#write(1, text);
  }

  /** Said with -vv. */
  trace(text: string): void {
    this.#write(2, text);
  }

  #write(level: number, text: string): void {
    if (this.#level >= level) this.stream.write(`${withoutSecrets(text)}\n`);
  }
}
