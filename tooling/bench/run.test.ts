// The command itself: programs that lose no I/O, also without a compiler; and an end that leaves nothing.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execute } from "@nvmeof/tooling-support";
import { expect, test } from "vitest";

const cwd = fileURLToPath(new URL(".", import.meta.url));
const timeout = 180_000;

const bench = (args: readonly string[], env: Record<string, string> = {}) =>
  execute(process.execPath, ["run.mjs", ...args], { cwd, deadlineMs: timeout - 10_000, env });

/** Short, for what is not about figures. */
const short = ["--rounds", "1", "--seconds", "0.15"];

interface Report {
  readonly comparisons: readonly {
    readonly row: { readonly name: string };
    readonly value: number;
    readonly ours: { readonly iops: number; readonly clientUserUs: number };
  }[];
}

test("what was measured is written as JSON, also without a compiler", { timeout }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "nvmeof-bench-"));
  const json = join(folder, "bench.json");
  const names = ["host-w128k-qd32", "target-w4k-qd128", "both-r4k-qd128"];
  const args = ["--only", names.join(","), "--json", json, ...short];
  const { code, output } = await bench(args, { CC: "/nonexistent/cc" });
  expect(code, output).toBe(0);
  expect(output).toContain("no C compiler");
  const { comparisons } = JSON.parse(readFileSync(json, "utf8")) as Report;
  rmSync(folder, { recursive: true });
  expect(comparisons.map(({ row }) => row.name)).toEqual(names);
  for (const { value, ours } of comparisons) {
    expect(value).toBeGreaterThan(0);
    expect(ours.iops).toBeGreaterThan(0);
  }
});

test("digests, many queues and many namespaces lose no I/O", { timeout }, async () => {
  const only = "digests-w4k-qd128,digests-w128k-qd32,queues-16,namespaces-16,promise-r4k-qd32";
  const { code, output } = await bench(["--only", only, ...short]);
  expect(code, output).toBe(0);
});

test.each([
  [["--only", "no-such-row"], "no row has such a name"],
  [["--profile", "no-such-row"], "there is no row no-such-row"],
])("%j is answered with what is wrong", { timeout }, async (args, message) => {
  const { code, output } = await bench(args);
  expect(code).toBe(1);
  expect(output).toContain(message);
});

/** Processes that it has started: Linux says so. */
function childrenOf({ pid }: ChildProcess): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether it runs; one that has ended and that nobody has asked about does not. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test.runIf(process.platform === "linux")(
  "Ctrl-C ends it, and all that it has started",
  { timeout },
  async () => {
    const child = spawn(process.execPath, ["run.mjs", "--only", "both-r4k-qd128"], { cwd });
    let started: number[] = [];
    while (started.length < 3) {
      await turn();
      started = childrenOf(child);
      expect(child.exitCode).toBeNull();
    }
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(130);
    while (started.some(isRunning)) await turn();
  },
);
