// The programs that benchmarks run: compiled or bundled once, started on a core, never left behind.
// Read first: bundle.mjs; machine.ts.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, renameSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";
import { pinnedTo } from "./machine.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** How a program is run: a command with its arguments. */
export type Command = readonly string[];

const commands = new Map<string, Promise<Command>>();

/** The C compiler: CC, as make has it. */
const cc = process.env["CC"] ?? "cc";

/** Compiles a program in C; undefined where there is no compiler for it. */
function compiled(name: string): Command | undefined {
  const folder = at("./node_modules/.cache/bench/");
  mkdirSync(folder, { recursive: true });
  const output = `${folder}${name.replace("/", "-")}`;
  // Renamed when it is whole: another run may be about to start it.
  const whole = `${output}.${process.pid}`;
  const { status } = spawnSync(cc, ["-O2", "-o", whole, at(`./${name}.c`)]);
  if (status !== 0) return undefined;
  renameSync(whole, output);
  return [output];
}

/**
 * The command of a program of this folder. `bare/client` is JavaScript, `bare/client.c` is C: where
 * there is no compiler the same in JavaScript stands in for it.
 */
export function program(name: string): Promise<Command> {
  let command = commands.get(name);
  if (command === undefined) {
    const inC = name.endsWith(".c") ? compiled(name.slice(0, -2)) : undefined;
    const script = name.replace(/\.c$/, "");
    command =
      inC === undefined
        ? bundle(script).then((outfile: string) => [process.execPath, outfile])
        : Promise.resolve(inC);
    commands.set(name, command);
  }
  return command;
}

/** Whether the programs in C are that, and not their stand-ins. */
export const hasCompiler = spawnSync(cc, ["--version"]).status === 0;

const running = new Set<ChildProcess>();

/** Ends all that runs, at once. */
export function killPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** A program that hangs is ended after this time. */
const DEADLINE_MS = 120_000;

/** A program that runs, and the lines of JSON that it says. */
export class Running {
  readonly pid: number;
  /** Resolves with the exit code; undefined where a signal ended it. */
  readonly exit: Promise<number | undefined>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  errors = "";

  constructor(command: Command, core: number | undefined, deadlineMs = DEADLINE_MS) {
    const [file, ...args] = [...(core === undefined ? [] : pinnedTo(core)), ...command];
    const child = spawn(file!, args, {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: deadlineMs,
      killSignal: "SIGKILL",
    });
    running.add(child);
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    child.stdin.on("error", () => {});
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.exit = new Promise((resolve) => {
      child.on("error", () => resolve(undefined));
      child.on("exit", (code) => {
        running.delete(child);
        resolve(code ?? undefined);
      });
    });
  }

  /** The next line that it says. @throws Error when it says no more. */
  async says<T>(): Promise<T> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`it has ended and said nothing: ${this.errors}`);
    return JSON.parse(value) as T;
  }

  /** All that it says until it ends. */
  async saysAll<T>(): Promise<T[]> {
    const said: T[] = [];
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done === true) return said;
      said.push(JSON.parse(value) as T);
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exit;
  }

  /** A line of JSON to its stdin. */
  tell(line: object): void {
    this.#child.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  /** Ends it by its stdin, as it ends when we are gone. @returns its exit code */
  async end(): Promise<number | undefined> {
    this.#child.stdin?.end();
    return this.exit;
  }
}
