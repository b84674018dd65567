// Runs a program to its end or to a deadline, and leaves nothing of it behind.
import { spawn } from "node:child_process";

export interface Outcome {
  /** Exit code; `undefined` if it did not exit by itself. */
  code: number | undefined;
  timedOut: boolean;
  /** What it wrote to stdout. */
  stdout: string;
  /** What it wrote to stdout and stderr, for a message. */
  output: string;
}

interface Options {
  cwd: string;
  deadlineMs: number;
  env?: Record<string, string>;
}

/** Never rejects: whatever happens is in the outcome. */
export function execute(command: string, args: string[], options: Options): Promise<Outcome> {
  const { cwd, deadlineMs, env = {} } = options;
  // A group of its own, so that what the program left in the background ends with it.
  const detached = process.platform !== "win32";
  const child = spawn(command, args, {
    cwd,
    detached,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const outcome: Outcome = { code: undefined, timedOut: false, stdout: "", output: "" };
  const end = (): void => {
    try {
      if (detached && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      else child.kill("SIGKILL");
    } catch {
      // Nothing left to end.
    }
  };
  const deadline = setTimeout(() => {
    outcome.timedOut = true;
    outcome.output += `\n(still running after ${deadlineMs} ms: ended)`;
    end();
  }, deadlineMs);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    outcome.stdout += text;
    outcome.output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (outcome.output += text));
  child.on("exit", end);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      clearTimeout(deadline);
      resolve({ ...outcome, output: error.message });
    });
    child.on("close", (code) => {
      clearTimeout(deadline);
      resolve({ ...outcome, code: code ?? undefined });
    });
  });
}
