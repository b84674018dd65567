// `top`: whom it finds, what it prints, and how it leaves a terminal.

import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EventEnvelope } from "../envelope.ts";
import { type Run, failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

let env: Readonly<Record<string, string>>;
let target: TestTarget;
let runs: Run[];
beforeEach(async () => {
  env = { XDG_RUNTIME_DIR: freshPath("run") };
  target = await testTarget();
  runs = [];
});
afterEach(async () => {
  for (const run of runs) run.signal("SIGTERM");
  await Promise.all(runs.map(({ ended }) => ended));
  await target.served.close();
});

const sockets = (): string[] => {
  const folder = join(env["XDG_RUNTIME_DIR"]!, "nvmeof");
  return readdirSync(folder).map((name) => join(folder, name));
};

function started(args: readonly string[]): Run {
  const run = start(args, { env });
  runs.push(run);
  return run;
}

/** A host that stays connected. */
async function held(): Promise<Run> {
  const run = started(["connect", "--hold", target.uri]);
  await run.stdout.contains("live, controller");
  return run;
}

const quick = ["--interval", "200ms"];

/** Somebody at a terminal: what is pressed, and what mode the keyboard was in. */
function terminal() {
  const modes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (mode: boolean) => void modes.push(mode),
  });
  const run = start(["top", ...quick], { env, stdin, tty: true });
  return { run, modes, press: (keys: string) => void stdin.write(keys) };
}

const LEFT = "\u001b[?7h\u001b[?25h\u001b[?1049l";

test("without a process it says how to get one", async () => {
  expect(await failure(["top"], { env })).toMatchObject({
    code: "NVME_ERR_NOT_FOUND",
    hint: expect.stringMatching(/connect --hold.*exposeControl/) as string,
    exitCode: 3,
  });
  expect(await failure(["top", "99999"], { env })).toMatchObject({ code: "NVME_ERR_NOT_FOUND" });
  expect(await failure(["top", freshPath("none")], { env })).toMatchObject({ exitCode: 3 });
});

test("of several processes one has to be named", async () => {
  await held();
  const [path] = sockets();
  const other = createServer((socket) => {
    socket.on("error", () => {}); // who asks goes at once
    socket.end("?\n");
  }).listen(join(path!, "..", "7.sock"));
  await once(other, "listening");
  const error = await failure(["top"], { env });
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  expect(error.hint).toContain("7 (does not answer)");
  expect(error.hint).toContain(`${process.pid} connect --hold nqn.2024-01.org.example:cli`);
  const named = await nvmeof(["top", String(process.pid), ...quick], { env });
  expect(named.stdout).toContain("connect --hold");
  expect(await failure(["top", "7"], { env })).toMatchObject({ code: "NVME_ERR_CONTROL" });
  const { run, press } = terminal();
  await run.stdout.contains("which of 2 processes?");
  press("\u001b[B\r");
  await run.stdout.contains("subsystems");
  press("q");
  expect(await run.ended).toBe(0);
  other.close();
});

test("without a terminal it prints one table and ends", async () => {
  await held();
  const { stdout, exitCode } = await nvmeof(["top", ...quick], { env });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /\d+ connect --hold, in .*: event loop \d+%, CPU \d+%\nName .*Inflights\n/,
  );
  expect(stdout).toMatch(/\n {4}namespace 1 +usable .*optimized/);
});

test("as JSON it is one document of one interval", async () => {
  await held();
  const { data, schema, error } = await nvmeofJson(["top", ...quick], { env });
  expect([schema, error]).toEqual(["nvmeof/top", null]);
  expect(data).toMatchObject({
    process: { pid: process.pid },
    subsystems: [
      {
        role: "host",
        nqn: target.served.subsystem.nqn,
        readsPerSecond: 0,
        controllers: [{ state: "live", resets: 0, queues: [{ qid: 1 }] }],
        namespaces: [{ nsid: 1, failed: 0, paths: [{ anaState: "optimized", inflight: 0 }] }],
      },
    ],
  });
  expect(await failure(["top", "--count", "2"], { env })).toMatchObject({ exitCode: 2 });
});

interface Told {
  readonly subsystems: readonly {
    readonly role: string;
    readonly readsPerSecond: number;
    readonly readLatencyMs: number | null;
    readonly utilizationPercent: number | null;
  }[];
}

test("a measurement and the target that it measures are seen at work", async () => {
  const readyFile = freshPath("ready.json");
  const where = ["--listen", "127.0.0.1:0", "--discovery-port", "0", "--ready-file", readyFile];
  const serving = started(["serve", "--mem", "1M", ...where, "--json"]);
  await serving.stdout.contains(`"uri"`);
  const { data } = JSON.parse(serving.stdout.text) as { data: { uri: string } };
  const [ofTarget] = sockets();
  const load = ["--time", "1h", "--iodepth", "4", "--progress", "json"];
  const measuring = started(["perf", "run", `${data.uri}?nsid=1`, ...load]);
  await measuring.stderr.contains(`"progress"`);
  const ofHost = sockets().find((each) => each !== ofTarget);
  for (const [socket, role] of [
    [ofTarget, "target"],
    [ofHost, "host"],
  ] as const) {
    const args = ["top", socket!, "-o", "ndjson", "--count", "2", ...quick];
    const { stdout, exitCode } = await nvmeof(args, { env });
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      const { event, data: told } = JSON.parse(line) as EventEnvelope;
      const [subsystem] = (told as Told).subsystems;
      expect([event, subsystem!.role]).toEqual(["sample", role]);
      expect(subsystem!.readsPerSecond).toBeGreaterThan(0);
      if (role === "target") continue;
      expect(subsystem!.readLatencyMs).toBeGreaterThan(0);
      expect(subsystem!.utilizationPercent).toBeGreaterThan(0);
    }
  }
});

test("an NBD server is seen with its clients, and the host behind it", async () => {
  const path = freshPath("nbd.sock");
  const exporting = started(["export-nbd", target.namespace(1), "--socket", path]);
  await exporting.stdout.contains("ready\n");
  const { data } = await nvmeofJson(["top", ...quick], { env });
  expect((data as Told).subsystems.map(({ role }) => role)).toEqual(["host", "nbd"]);
});

test("lines go on until Ctrl-C, which ends them with 0", async () => {
  await held();
  const run = start(["top", "-o", "ndjson", ...quick], { env });
  await run.stdout.contains(`"sample"`);
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
});

test("--no-control has no socket", async () => {
  const run = started(["connect", "--hold", "--no-control", target.uri]);
  await run.stdout.contains("live, controller");
  expect(await failure(["top"], { env })).toMatchObject({ code: "NVME_ERR_NOT_FOUND" });
});

test("where no socket can be made the work goes on without", async () => {
  env = { XDG_RUNTIME_DIR: "/proc" };
  const run = started(["connect", "--hold", "-v", target.uri]);
  await run.stdout.contains("live, controller");
  expect(run.stderr.text).toContain("no control socket");
});

test("on a terminal it is a screen: keys lead down and back, and q leaves it as it was", async () => {
  await held();
  const { run, modes, press } = terminal();
  await run.stdout.contains("> nqn");
  expect(modes).toEqual([true]);
  press("\r");
  await run.stdout.contains("subsystems > nqn.2024-01.org.example:cli");
  press("\r");
  await run.stdout.contains("> namespace 1");
  press("\u001b[B\t");
  await run.stdout.contains("event loop delay");
  press("?");
  await run.stdout.contains("PgUp");
  run.stdout.emit("resize");
  await run.stdout.contains("\u001b[2J\u001b[1;1H");
  press("xq");
  expect(await run.ended).toBe(0);
  expect(modes).toEqual([true, false]);
  expect(run.stdout.text.endsWith(LEFT)).toBe(true);
});

test.each([
  ["Ctrl-C", (_run: Run, press: (keys: string) => void) => press("\u0003")],
  ["SIGTERM", (run: Run) => run.signal("SIGTERM")],
])("%s leaves the terminal as it was", async (_what, end) => {
  await held();
  const { run, modes, press } = terminal();
  await run.stdout.contains("measuring");
  end(run, press);
  expect(await run.ended).toBe(0);
  expect(modes).toEqual([true, false]);
  expect(run.stdout.text.endsWith(LEFT)).toBe(true);
});

test("when the process ends the terminal is left, and it says so", async () => {
  const watched = await held();
  const { run, modes } = terminal();
  await run.stdout.contains("measuring");
  watched.signal("SIGINT");
  expect(await run.ended).toBe(14);
  expect(modes).toEqual([true, false]);
  expect(run.stdout.text.endsWith(LEFT)).toBe(true);
  expect(run.stderr.text).toContain("the process has ended");
});

test.each([["10ms"], ["0"], ["2h"], ["soon"]])("an interval of %s is refused", async (interval) => {
  expect(await failure(["top", "--interval", interval], { env })).toMatchObject({ exitCode: 2 });
});
