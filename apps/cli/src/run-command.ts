// A command of the user's that runs beside a server: with its address in the environment, until one of both ends.
// Read first: io.ts.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Context } from "./context.ts";
import { CliError } from "./errors.ts";

/** A command that was started. */
export interface RunningCommand {
  /** Resolves when it has ended well. Rejects with NVME_ERR_COMMAND otherwise. */
  readonly ended: Promise<void>;
  /** Ends it, and what it has started. Harmless when it has ended. */
  stop(): void;
}

/**
 * Runs `command` in a shell. What it says goes where we say things; in JSON, where stdout is for events,
 * all of it goes to stderr.
 */
export function runCommand(
  { io, format }: Context,
  command: string,
  env: Readonly<Record<string, string>>,
): RunningCommand {
  const isPosix = process.platform !== "win32";
  // A group of its own: Ctrl-C is ours, and it ends with all that it has started.
  const child = spawn(command, {
    shell: true,
    detached: isPosix,
    env: { ...io.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.pipe(format === "json" ? io.stderr : io.stdout, { end: false });
  child.stderr.pipe(io.stderr, { end: false });
  return { ended: endOf(child, command), stop: () => stop(child, isPosix) };
}

async function endOf(child: ChildProcess, command: string): Promise<void> {
  let code: number | null;
  let signal: string | null;
  try {
    [code, signal] = (await once(child, "close")) as [number | null, string | null];
  } catch (error) {
    throw new CliError("NVME_ERR_COMMAND", `cannot run ${command}`, { cause: error });
  }
  if (code === 0) return;
  const how = code === null ? `was ended by ${signal}` : `ended with ${code}`;
  throw new CliError("NVME_ERR_COMMAND", `the command ${how}: ${command}`);
}

function stop(child: ChildProcess, isPosix: boolean): void {
  if (child.exitCode !== null || child.pid === undefined) return;
  try {
    if (isPosix) process.kill(-child.pid, "SIGTERM");
    else child.kill();
  } catch {
    // It has just ended.
  }
}
