// What the checks say: a line for each as it ends, everything they did in a log file, and the count.
import { appendFileSync, writeFileSync } from "node:fs";

export class Report {
  checks = [];
  /** Facts of the run (kernel, accelerator...), for the JSON summary. */
  facts = {};
  #group = "";
  #logFile;
  #muted = false;
  #startedMs = performance.now();

  #wanted;

  /** @param wanted a RegExp: checks that do not match are left out, but for those the rest needs. */
  constructor(logFile, wanted) {
    this.#logFile = logFile;
    this.#wanted = wanted;
  }

  log = (text) => {
    if (!this.#muted) appendFileSync(this.#logFile, text);
  };

  say(line) {
    this.log(`${line}\n`);
    if (!this.#muted) process.stdout.write(`${line}\n`);
  }

  /** From here on nothing is said: the run is being interrupted, and what fails now means nothing. */
  mute() {
    this.#muted = true;
  }

  group(title) {
    this.#group = title;
    this.say(`\n${title}`);
  }

  /**
   * Runs one check; it fails by throwing, and what it returns is a note. True if it passed, so that
   * a caller can leave out what depends on it.
   */
  async check(name, run, { needed = false } = {}) {
    if (!needed && this.#wanted?.test(`${this.#group}: ${name}`) === false) return false;
    this.log(`\n### ${this.#group}: ${name}\n`);
    const startMs = performance.now();
    try {
      this.#add(name, startMs, "passed", { note: (await run()) ?? undefined });
      return true;
    } catch (error) {
      this.log(`${error.stack}\n`);
      this.#add(name, startMs, "failed", { error: error.message });
      return false;
    }
  }

  skip(name, reason) {
    this.#add(name, performance.now(), "skipped", { note: reason });
  }

  #add(name, startMs, result, { note, error }) {
    const ms = Math.round(performance.now() - startMs);
    this.checks.push({ group: this.#group, name, result, ms, note, error });
    const word = { passed: "ok  ", failed: "FAIL", skipped: "skip" }[result];
    const time = result === "skipped" ? [] : [`${(ms / 1000).toFixed(1)} s`];
    this.say(`  ${word}  ${name} (${[...time, note].filter(Boolean).join(", ")})`);
    if (error !== undefined) this.say(error.replaceAll(/^/gm, "        "));
  }

  count(result) {
    return this.checks.filter((check) => check.result === result).length;
  }

  /** `N passed, N failed`, and `, N skipped` if any were. */
  get closingLine() {
    const skipped = this.count("skipped");
    const tail = skipped > 0 ? `, ${skipped} skipped` : "";
    return `${this.count("passed")} passed, ${this.count("failed")} failed${tail}`;
  }

  writeJson(file) {
    const [passed, failed, skipped] = ["passed", "failed", "skipped"].map((r) => this.count(r));
    const ms = Math.round(performance.now() - this.#startedMs);
    const summary = { passed, failed, skipped, ms, ...this.facts, checks: this.checks };
    writeFileSync(file, `${JSON.stringify(summary, undefined, 2)}\n`);
  }
}
