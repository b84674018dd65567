// Events as they come: a line with its time for people, an envelope on a line of its own for scripts.
// Read first: envelope.ts.

import type { Context } from "./context.ts";
import { eventEnvelope, jsonText } from "./envelope.ts";
import { printable } from "./printable.ts";

/** Lines that wait for whoever reads them; more are left out. */
const WAITING_MAX = 10_000;

/** Writes events to stdout, in the format that was asked for. */
export class EventStream {
  readonly #context: Context;
  readonly #schema: string;
  #written: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #leftOut = 0;

  constructor(context: Context, schema: string) {
    this.#context = context;
    this.#schema = schema;
  }

  readonly tell = (event: string, data: object, text: string): void => {
    const { format, out, style } = this.#context;
    if (this.#waiting >= WAITING_MAX) {
      this.#leftOut++;
      return;
    }
    const at = new Date().toISOString();
    const line =
      format === "json"
        ? jsonText(eventEnvelope(this.#schema, event, { at, ...data }), false)
        : `${style.dim(at)}  ${printable(text)}\n`;
    // Whoever read the output may have gone: the signal says so.
    this.#waiting++;
    const over = (): void => void this.#waiting--;
    this.#written = out.write(line).then(over, over);
  };

  /** Events that were not told: whoever reads is too slow for them. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Resolves when the last line is out. */
  async ended(): Promise<void> {
    await this.#written;
  }
}
