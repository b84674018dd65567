// What is said on stderr beside errors: warnings, steps, and whatever a person wants to know.

import type { Sink } from "./io.ts";
import { withoutSecrets } from "./redact.ts";

export class Notes {
  readonly stream: Sink;
  readonly #level: number;
  readonly #before: () => void;

  /**
   * @param level -1 with --silent, else the number of -v.
   * @param before is called before anything is written.
   */
  constructor(stream: Sink, level: number, before: () => void = () => {}) {
    this.stream = stream;
    this.#level = level;
    this.#before = before;
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
    if (this.#level < level) return;
    this.#before();
    this.stream.write(`${withoutSecrets(text)}\n`);
  }
}
