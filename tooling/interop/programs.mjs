// Programs the checks run: each in a process group of its own, under a deadline, none left behind.
import { spawn } from "node:child_process";
import { within } from "./deadline.mjs";

const running = new Set();

/** A program that was started. `exited` never rejects; whoever wants to know looks at the fields. */
export class Program {
  stdout = "";
  stderr = "";
  /** Exit code; `undefined` until it has exited, and if it was ended by a signal. */
  code = undefined;
  exited;
  #child;

  constructor(command, args, { env = {}, cwd, log = () => {} } = {}) {
    log(`$ ${[command, ...args].join(" ")}\n`);
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      // A group of its own: it ends with what it started, and Ctrl-C reaches it through us alone.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of ["stdout", "stderr"]) {
      this.#child[stream].setEncoding("utf8").on("data", (text) => {
        this[stream] += text;
        log(text);
      });
    }
    running.add(this);
    this.exited = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.stderr += error.message;
        running.delete(this);
        resolve();
      });
      this.#child.on("close", (code) => {
        this.code = code ?? undefined;
        running.delete(this);
        resolve();
      });
    });
  }

  /** The last words of a program, for a message. */
  get lastWords() {
    return (this.stderr.trim() || this.stdout.trim()).split("\n").slice(-8).join("\n");
  }

  signal(name) {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, name);
    } catch {
      // Gone already.
    }
  }

  /** True once it has exited; false if `ms` passed before. */
  exitsWithin(ms) {
    const exited = this.exited.then(() => true);
    return within(ms, exited, () => false);
  }

  /** Asks it to end, and ends it if it has not within `graceMs`. True if it went by itself. */
  async stop(graceMs) {
    this.signal("SIGTERM");
    const byItself = await this.exitsWithin(graceMs);
    this.signal("SIGKILL");
    await this.exitsWithin(5000);
    return byItself;
  }
}

/** Runs a program to its end. To be still running after `deadlineMs` is an error. */
export async function execute(command, args, { deadlineMs, ...options }) {
  const program = new Program(command, args, options);
  if (!(await program.exitsWithin(deadlineMs))) {
    await program.stop(1000);
    throw new Error(`${command} ${args[0] ?? ""} was still running after ${deadlineMs} ms`);
  }
  return program;
}

/** Ends everything that still runs. */
export async function stopPrograms(graceMs) {
  await Promise.all([...running].map((program) => program.stop(graceMs)));
}

/** The same at once, for a process that is exiting itself. */
export function killPrograms() {
  for (const program of running) program.signal("SIGKILL");
}
