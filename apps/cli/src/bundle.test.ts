// The built command as people start it: a process of its own. Needs a build (`npm run build`).

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Kept, freshPath } from "./testing/run.ts";
import { testTarget } from "./testing/target.ts";
import { version } from "./version.ts";

const bundle = fileURLToPath(new URL("../dist/nvmeof.js", import.meta.url));
const isBuilt = existsSync(bundle);
if (!isBuilt) console.warn("apps/cli is not built: the bundled file is not tested.");

const env = {
  PATH: process.env["PATH"],
  XDG_CONFIG_HOME: freshPath("config"),
  XDG_RUNTIME_DIR: freshPath("runtime"),
};

interface Started {
  readonly child: ChildProcess;
  readonly stdout: Kept;
  readonly stderr: Kept;
  readonly exited: Promise<number | null>;
}

/** Starts it from a folder where nothing else is: it must not need node_modules. */
function start(...args: string[]): Started {
  const alone = freshPath("nvmeof.js");
  copyFileSync(bundle, alone);
  const child = spawn(process.execPath, [alone, ...args], { env });
  const [stdout, stderr] = [new Kept(), new Kept()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  const exited = once(child, "close").then(([code]) => code as number | null);
  return { child, stdout, stderr, exited };
}

describe.skipIf(!isBuilt)("the bundled file", { timeout: 30_000 }, () => {
  test("knows its version", async () => {
    const { stdout, exited } = start("--version");
    expect(await exited).toBe(0);
    expect(stdout.text).toBe(`${version}\n`);
  });

  test("is started by a file that says the version in at most 1.5 times what Node takes", () => {
    const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
    const timeMs = (...args: string[]): number => {
      const startMs = performance.now();
      const { status } = spawnSync(process.execPath, args, { env, stdio: "ignore" });
      expect(status).toBe(0);
      return performance.now() - startMs;
    };
    // Side by side, so that whatever else the machine does slows both.
    const pairs = Array.from({ length: 11 }, () => [timeMs("-e", "0"), timeMs(bin, "--version")]);
    const median = (which: 0 | 1): number =>
      pairs.map((pair) => pair[which]!).toSorted((a, b) => a - b)[5]!;
    expect(median(1) / median(0)).toBeLessThan(1.5);
  });

  test("is started by a file that passes everything else on to it", async () => {
    const bin = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
    const said = (...args: string[]): unknown[] => {
      const done = spawnSync(process.execPath, args, { env, encoding: "utf8" });
      return [done.status, done.stdout, done.stderr];
    };
    for (const args of [["--version"], ["-V"], ["--help"], ["version"], ["list", "--nonsense"]]) {
      expect(said(bin, ...args)).toEqual(said(bundle, ...args));
    }
  });

  test("says what it can do, and that is no error", async () => {
    const { stdout, exited } = start("--help");
    expect(await exited).toBe(0);
    expect(stdout.text).toMatch(/^Usage: nvmeof/);
  });

  test("runs the demo as one JSON document", async () => {
    const { stdout, exited } = start("demo", "--seconds", "1", "--size", "1M", "--json");
    expect(await exited).toBe(0);
    const { data } = JSON.parse(stdout.text) as { data: unknown };
    expect(data).toMatchObject({
      verify: { mismatches: 0 },
      destruct: { outstanding: 64, settled: 64 },
    });
  });

  test("simulates in threads of its own until Ctrl-C, and says what they found", async () => {
    const threads = ["--workers", "2", "--progress", "json"];
    const { child, stdout, stderr, exited } = start("sim", "run", "--seeds", "1000000", ...threads);
    await stderr.contains('"progress"');
    child.kill("SIGINT");
    expect(await exited).toBe(130);
    expect(stdout.text).toMatch(/^[1-9]\d* seeds from 1 on/);
  });

  test("measures in threads of its own, and Ctrl-C ends them all in bounded time", async () => {
    const target = await testTarget();
    const run = ["perf", "run", target.namespace(1), "--workers", "2", "--json"];
    const done = start(...run, "--time", "200ms", "--ramp-time", "100ms");
    expect(await done.exited).toBe(0);
    const { data } = JSON.parse(done.stdout.text) as { data: { workers: unknown[] } };
    expect(data).toMatchObject({ end: "time", workload: { workers: 2 }, errors: [] });
    expect(data.workers).toHaveLength(2);
    const { child, stderr, exited } = start(...run, "--time", "1h", "--progress", "json");
    await stderr.contains('"progress"');
    const startMs = performance.now();
    child.kill("SIGINT");
    expect(await exited).toBe(130);
    expect(performance.now() - startMs).toBeLessThan(3_000);
    await target.served.close();
  });

  test("serves until SIGTERM, and ends with 0", async () => {
    const ports = ["--listen", "127.0.0.1:0", "--discovery-port", "0"];
    const { child, stdout, exited } = start("serve", "--mem", "1M", ...ports);
    await stdout.contains("ready\n");
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
  });

  test("ends quietly when the reader of its output goes", async () => {
    const target = await testTarget([{ blockCount: 65_536 }]);
    const { child, stderr, exited } = start("cp", target.namespace(1), "-", "--silent");
    child.stdout?.once("data", () => child.stdout?.destroy());
    expect(await exited).toBe(0);
    expect(stderr.text).toBe("");
    await target.served.close();
  });

  test("ends although its stdin stays open", async () => {
    const target = await testTarget();
    const ends = ["-", target.namespace(1), "--yes", "--count", "512"];
    const { child, exited } = start("cp", ...ends);
    child.stdin?.write(Buffer.alloc(512));
    expect(await exited).toBe(0);
    await target.served.close();
  });
});
