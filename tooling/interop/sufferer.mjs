// A program that uses the packages while somebody breaks its target: started, spoken to by lines, ended.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "./deadline.mjs";

/** The program, spoken to by lines. */
export class Sufferer {
  #child;
  #lines;
  #log;
  /** @param program a file of this folder */
  constructor(program, args, log) {
    this.#log = log;
    const path = fileURLToPath(new URL(program, import.meta.url));
    this.#child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.on("data", (text) => log(String(text)));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits for it to say `word`, at most `seconds`. */
  async says(word, seconds) {
    const { value, done } = await within(seconds * 1000, this.#lines.next(), () => {
      throw new Error(`it did not say "${word}" within ${seconds} s`);
    });
    if (done) throw new Error(`it ended before it said "${word}"`);
    this.#log(`${value}\n`);
    const said = JSON.parse(value);
    if (said.word !== word) throw new Error(`it said "${said.word}", not "${word}"`);
    return said;
  }

  tell(word) {
    this.#child.stdin.write(`${word}\n`);
  }

  /** Tells it to wait for something, and waits until it says that it is so. */
  async ask(what, seconds = 60) {
    this.tell(what);
    return this.says("so", seconds);
  }

  async ends(seconds) {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, "exit");
    await within(seconds * 1000, exited, () => this.kill());
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

/** Runs `body` with a program that is gone afterwards, whatever happened. */
export async function suffering([program, ...args], log, body) {
  const sufferer = new Sufferer(program, args, log);
  try {
    await body(sufferer);
    await sufferer.ends(20);
  } finally {
    sufferer.kill();
  }
}

export function must(holds, what) {
  if (!holds) throw new Error(what);
}
