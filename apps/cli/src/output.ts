// Stdout, for data and nothing else. Whoever read it may go: then there is nobody left to serve.

import { CliError, errnoIn } from "./errors.ts";
import type { Sink } from "./io.ts";

export const outputClosed = (): CliError =>
  new CliError("NVME_ERR_OUTPUT_CLOSED", "whoever read the output has gone");

export class Output {
  readonly stream: Sink;
  readonly #before: () => void;
  #failure: CliError | undefined;
  readonly #failed: (error: Error) => void;

  /**
   * @param gone is told once when nothing that is written arrives any more.
   * @param before is called before anything is written.
   */
  constructor(stream: Sink, gone: (error: CliError) => void, before: () => void = () => {}) {
    this.stream = stream;
    this.#before = before;
    this.#failed = (error) => {
      if (this.#failure !== undefined) return;
      this.#failure = ["EPIPE", "ERR_STREAM_DESTROYED", "EOF"].includes(errnoIn(error))
        ? outputClosed()
        : new CliError("NVME_ERR_FILE", `cannot write to stdout: ${error.message}`, {
            cause: error,
          });
      gone(this.#failure);
    };
    stream.on("error", this.#failed);
  }

  /** Resolves when the chunk is out of our hands; rejects when nobody takes it any more. */
  write(chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#before();
      this.stream.write(chunk, (error) => {
        if (error === null || error === undefined) resolve();
        else {
          this.#failed(error);
          reject(this.#failure!);
        }
      });
    });
  }

  /** Listens no more. */
  release(): void {
    // An error that comes late must not end the process with a trace.
    this.stream.on("error", () => {});
    this.stream.off("error", this.#failed);
  }
}
