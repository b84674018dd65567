// The newest Node, as the registry has it: a package whose tarball holds the program and nothing to run.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where it is kept for the next time: it is large. */
const kept = fileURLToPath(new URL("../../node_modules/.cache/newest-node/", import.meta.url));

/** Time to ask for the version, and to fetch what is not there yet, ms. */
const ASK_MS = 15_000;
const FETCH_MS = 150_000;

/** A Node, or why there is none. */
export type NewestNode =
  | { readonly program: string; readonly version: string }
  | { readonly program: undefined; readonly reason: string };

const reasonOf = (error: unknown): string => String(error).split("\n")[0]!;

/** Gets it. Never rejects: where there is no network, or no such package, it says so. */
export async function newestNode(): Promise<NewestNode> {
  const { platform, arch } = process;
  if (platform !== "linux") return { program: undefined, reason: `not looked for on ${platform}` };
  const name = `node-${platform}-${arch}`;
  try {
    const { stdout } = await run("npm", ["view", name, "version"], { timeout: ASK_MS });
    const version = stdout.trim();
    const folder = `${kept}${version}/`;
    const program = `${folder}node_modules/${name}/bin/node`;
    if (!existsSync(program)) await fetch(`${name}@${version}`, folder);
    return { program, version };
  } catch (error) {
    return { program: undefined, reason: reasonOf(error) };
  }
}

/** Into a folder of its own first: two that fetch at the same time must not meet. */
async function fetch(what: string, folder: string): Promise<void> {
  const draft = `${kept}${process.pid}.new`;
  mkdirSync(draft, { recursive: true });
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--no-package-lock"];
  try {
    await run("npm", ["install", "--prefix", draft, ...quiet, what], { timeout: FETCH_MS });
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
