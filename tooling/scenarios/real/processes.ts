// Programs of this folder as processes: bundled once, started, and never left behind.
// Read first: target-program.ts and host-program.ts, which are what is run.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const bundles = new Map<string, Promise<string>>();

/** Bundles `name`.ts of this folder; gives the path of the bundle. */
export function bundle(name: string): Promise<string> {
  const outfile = at(`../node_modules/.cache/scenarios/${process.pid}/${name}.mjs`);
  const made =
    bundles.get(name) ??
    build({
      entryPoints: [at(`./${name}.ts`)],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      conditions: ["@nvmeof/source"],
      logLevel: "silent",
    }).then(() => outfile);
  bundles.set(name, made);
  return made;
}

/** A program that runs. */
export class Program implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #exit: Promise<number | undefined>;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    this.#exit = once(child, "exit").then(([code]: (number | null)[]) => code ?? undefined);
  }

  /** Its exit code once it has ended; undefined where a signal ended it. */
  get exit(): Promise<number | undefined> {
    return this.#exit;
  }

  /** The next line that it says, which is JSON. */
  async says<T>(): Promise<T> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`it has ended and said nothing: ${this.#errors}`);
    return JSON.parse(value) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that is stopped does not hear SIGTERM.
    this.child.kill("SIGKILL");
    await this.#exit;
  }
}

/** Starts a program of this folder, under `wrapper` if there is one. */
export async function start(
  name: string,
  args: readonly string[],
  wrapper: readonly string[] = [],
): Promise<Program> {
  const [command, ...rest] = [...wrapper, process.execPath, await bundle(name), ...args];
  return new Program(spawn(command!, rest, { stdio: ["pipe", "pipe", "pipe"] }));
}

/** A target that listens. */
export interface RunningTarget {
  readonly program: Program;
  readonly host: string;
  readonly port: number;
}

export const UUID = "3e1f0c8a-52a4-4c7b-9a5f-7d0f2a6f1b01";

/** Starts a target; at a free port of this machine unless said. */
export async function startTarget(
  { host = "127.0.0.1", port = 0, blockCount = 4_096 } = {},
  wrapper: readonly string[] = [],
): Promise<RunningTarget> {
  const args = [host, String(port), UUID, String(blockCount)];
  const program = await start("target-program", args, wrapper);
  const address = await program.says<{ host: string; port: number }>();
  return { program, ...address };
}
