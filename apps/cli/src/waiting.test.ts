// Nobody waits before a terminal that is silent: whatever can take long shows that it is at work, and what
// it waits for, and ends well by Ctrl-C. Read first: status-line.ts, progress.ts.

import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deviceProvider } from "./device-provider.ts";
import type { CommandSpec } from "./command.ts";
import { commands } from "./commands.ts";
import { type Run, type RunOptions, freshPath, nvmeof, start } from "./testing/run.ts";
import { type RawServer, type TestTarget, testTarget } from "./testing/target.ts";
import { stranger } from "./testing/strangers.ts";

const visible = commands.filter(({ visibility }) => visibility !== "hidden");
const hasProgress = (spec: CommandSpec): boolean =>
  spec.options().some(({ long }) => long === "--progress");

/** What has no end by itself and no bar, and how it shows that it is at work. */
const tellsItself: Readonly<Record<string, string>> = {
  serve: "says when it is ready",
  "export-nbd": "says when it is ready",
  format: "the status line says so",
  "sim replay": "prints events",
  "chaos proxy": "says when it is ready, and prints faults",
  top: "is a screen",
};

test("whatever has no deadline shows progress, or tells what it does", () => {
  const endless = visible.filter(({ timeoutMs }) => timeoutMs === undefined);
  const silent = endless.filter((spec) => !hasProgress(spec) && !(spec.name in tellsItself));
  expect(silent.map(({ name }) => name)).toEqual([]);
  // The runner shows a line for all the others, which is tested below.
  for (const { timeoutMs } of visible) expect(timeoutMs ?? 0).toBeLessThanOrEqual(120_000);
});

describe("what shows progress", () => {
  let slow: TestTarget;
  let frozen: TestTarget;
  beforeAll(async () => {
    const provider = deviceProvider({ manageNamespaces: 2 ** 20, erase: "none" });
    const disk = { blockCount: 2 ** 17, latencyMs: 300 };
    const limits = { closeTimeoutMs: 100 };
    slow = await testTarget([disk], { provider, erase: "all", limits });
    frozen = await testTarget([{ latencyMs: 600_000 }], { limits });
  });
  afterAll(async () => {
    await slow.served.close();
    await frozen.served.close();
  });

  /** A capture that never ends: its packets again and again. */
  async function endlessCapture(): Promise<Readable> {
    const file = freshPath("list.pcapng");
    const { exitCode } = await nvmeof(["list", slow.uri, "--trace", file]);
    expect(exitCode).toBe(0);
    const bytes = readFileSync(file);
    return Readable.from(
      (async function* () {
        // As a pipe does, it lets others have their turn.
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve));
          yield bytes;
        }
      })(),
    );
  }

  type Scenario = readonly [
    args: (disk: string) => string[],
    shows: RegExp,
    options?: () => Promise<RunOptions>,
  ];
  const scenarios: Readonly<Record<string, Scenario>> = {
    demo: [() => ["demo", "--size", "2G"], /\[=* *\] +\d+%/],
    cp: [(disk) => ["cp", disk, freshPath("copy.img")], /reading +\[=* *\] +\d+%.*eta/],
    "perf run": [(disk) => ["perf", "run", disk, "--time", "1h"], /randread .*IOPS/],
    "sim run": [() => ["sim", "run", "--seeds", "1000000"], /\d+ of 1000000 seeds/],
    "sim states": [() => ["sim", "states", "--events", "8"], /\d+ sequences/],
    sanitize: [
      () => ["sanitize", slow.uri, "--sanact", "start-overwrite", "--wait", "--yes"],
      /sanitizing {2}\d+ %/,
    ],
    "device-self-test": [
      () => ["device-self-test", frozen.uri, "--self-test-code", "2", "--wait"],
      /testing {2}\d+ %/,
    ],
    decode: [
      () => ["decode", "-", "--summary"],
      /decoding {2}.*B\/s/,
      async () => ({ stdin: await endlessCapture() }),
    ],
  };
  /**
   * `sim shrink` wants a plan that breaks an invariant, which there is in tooling/planted-bugs alone;
   * `chaos replay` a capture and a peer of its time, see verbs/chaos-replay.ts.
   */
  const elsewhere = ["sim shrink", "chaos replay"];

  test("is all in the table below", () => {
    const named = visible.filter(hasProgress).map(({ name }) => name);
    expect(Object.keys(scenarios).concat(elsewhere).toSorted()).toEqual(named.toSorted());
  });

  test.each(Object.entries(scenarios))("%s, on a terminal, until Ctrl-C", async (_name, row) => {
    const [args, shows, options = () => Promise.resolve({})] = row;
    const run = start(args(slow.namespace(1)), { tty: true, ...(await options()) });
    await shown(run, shows);
    run.signal("SIGINT");
    expect(await run.ended).toBe(130);
    expect(run.quits).toEqual([]);
    expect(run.stderr.text).toMatch(/\(NVME_ERR_INTERRUPTED\)\n$/);
    // What is said stands on lines of its own.
    expect(stripVTControlCharacters(run.stderr.text)).toMatch(/(^|[\r\n])interrupted, closing/);
  });
});

/** Resolves when stderr has such a text. Rejects when the command ends before. */
async function shown({ stderr, ended }: Run, text: RegExp): Promise<void> {
  let isOver = false;
  const over = ended.then(() => (isOver = true));
  while (!text.test(stderr.text)) {
    if (isOver) throw new Error(`it has ended with: ${stderr.text}`);
    await Promise.race([stderr.written(), over]);
  }
}

// A hundred commands at once, on a machine that may be busy.
describe("what connects", { timeout: 60_000 }, () => {
  let silent: RawServer;
  beforeAll(async () => void (silent = await stranger("silent")));
  afterAll(() => silent[Symbol.asyncDispose]());

  /** Something that each option that must be given takes. */
  const given = (spec: CommandSpec): string[] =>
    spec
      .options()
      .filter(({ mandatory }) => mandatory)
      .flatMap(({ long, argChoices }) => [long!, argChoices?.[0] ?? "1"]);

  const takesAddress = ({ args = [] }: CommandSpec): boolean =>
    args.some(([name]) => /^[<[]uri/.test(name));

  /** Values of arguments, and options without which there is nothing to ask for. */
  const more: Readonly<Record<string, readonly string[]>> = {
    "set-feature": ["--value", "1"],
  };

  test("says to whom, on a terminal, and ends at once by Ctrl-C: every command", async () => {
    const specs = visible.filter(takesAddress).filter(({ name }) => !name.startsWith("alias "));
    expect(specs.length).toBeGreaterThan(50);
    const runs = specs.map((spec) => {
      const asksDiscovery = /discover|connect-all/.test(spec.name);
      const address = asksDiscovery ? silent.uri.replace(/\/nqn.*/, "") : `${silent.uri}?nsid=1`;
      const args = [...spec.name.split(" "), address, ...given(spec), ...(more[spec.name] ?? [])];
      return { spec, run: start([...args, "--connect-timeout", "60s"], { tty: true }) };
    });
    for (const { spec, run } of runs) {
      await shown(run, /connecting to 127\.0\.0\.1:\d+ {2}\d+ s/).catch((error: unknown) => {
        throw new Error(`${spec.name}: ${(error as Error).message}`);
      });
    }
    for (const { run } of runs) run.signal("SIGINT");
    for (const { spec, run } of runs) {
      expect([spec.name, await run.ended]).toEqual([spec.name, 130]);
      expect(run.stderr.text).toContain("\r\u001b[Kinterrupted, closing");
    }
  });
});
