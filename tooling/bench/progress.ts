// How far the run is: a bar on a terminal, nothing elsewhere. Results are lines of stdout in any case.
// Read first: main.ts.

import { type SingleBar, default as cliProgress } from "cli-progress";

export class Progress {
  readonly #bar: SingleBar | undefined;

  constructor(runs: number) {
    if (!process.stderr.isTTY || runs === 0) return;
    this.#bar = new cliProgress.SingleBar({
      format: "{bar} {value}/{total} runs, {eta_formatted} left  {what}",
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      linewrap: true,
      barsize: 20,
    });
    this.#bar.start(runs, 0, { what: "" });
    // The cursor is to be seen again, also after Ctrl-C.
    process.on("exit", () => this.end());
  }

  /** What is being run. */
  says(what: string): void {
    this.#bar?.update({ what });
  }

  tick(): void {
    this.#bar?.increment();
  }

  /** A line of the result; the bar stays below. */
  log(line: string): void {
    if (this.#bar !== undefined) process.stderr.write("\r\u001B[2K");
    process.stdout.write(`${line}\n`);
  }

  end(): void {
    this.#bar?.stop();
  }
}
