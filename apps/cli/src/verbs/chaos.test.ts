// chaos proxy and chaos plan: plans by name, by seed and out of files, and a proxy that does what they say.

import { connect } from "node:net";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Run, failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { NQN, type TestTarget, testTarget } from "../testing/target.ts";
import { formatAddress } from "../address.ts";

let target: TestTarget;
beforeAll(async () => void (target = await testTarget()));
afterAll(() => target.served.close());

interface Line {
  readonly schema: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

const lines = (run: Run): Line[] =>
  run.stdout.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

/** Starts a proxy before the target; when it is ready `use` may work through it; then comes Ctrl-C. */
async function proxied(
  args: string[],
  use: (uri: string, port: number) => Promise<void>,
): Promise<Run> {
  const to = ["--to", `127.0.0.1:${target.port}`, "--listen", "127.0.0.1:0"];
  const run = start(["chaos", "proxy", ...to, ...args, "--json"]);
  await Promise.race([run.stdout.contains("\n"), run.ended]);
  const [ready] = lines(run);
  const { port } = ready!.data["listen"] as { port: number };
  try {
    await use(formatAddress({ host: "127.0.0.1", port, subsystemNqn: NQN, nsid: 1 }), port);
  } finally {
    run.signal("SIGINT");
    expect(await run.ended).toBe(0);
  }
  return run;
}

const planFile = (plan: unknown): string => {
  const path = freshPath("plan.json");
  writeFileSync(path, typeof plan === "string" ? plan : JSON.stringify(plan));
  return path;
};

test("without a plan all passes, and the end says how many connections there were", async () => {
  const run = await proxied([], async (uri) => {
    const { exitCode } = await nvmeof(["write", uri, "--yes"], { stdin: Buffer.alloc(512, 7) });
    expect(exitCode).toBe(0);
    expect((await nvmeof(["read", uri])).bytes).toEqual(Buffer.alloc(512, 7));
  });
  const told = lines(run);
  expect(told[0]).toMatchObject({
    schema: "nvmeof/chaos-proxy",
    event: "ready",
    data: { faults: [] },
  });
  expect(told.at(-1)).toMatchObject({ event: "closed", data: { connections: 4, faults: [] } });
});

test("a fault of the plan is told when it is done, and counted; the host reads again", async () => {
  const select = { queue: "io", opcode: "read", pdu: "C2HData" };
  const plan = planFile({
    version: 1,
    faults: [
      { kind: "bad-ddgst", name: "a bad digest", select: { ...select, nth: 1 } },
      { kind: "dup-completion", select: { ...select, nth: 100 } },
    ],
  });
  const trace = freshPath("chaos.pcapng");
  const run = await proxied(
    ["--plan", plan, "--seed", "9", "--trace", trace],
    async (uri, port) => {
      const { exitCode, bytes } = await nvmeof(["read", uri, "--data-digest"]);
      expect([exitCode, bytes.length]).toEqual([0, 512]);
      expect(port).toBeGreaterThan(0);
    },
  );
  const told = lines(run);
  expect(told[0]!.data).toMatchObject({ seed: 9 });
  expect(told.filter(({ event }) => event === "fault").map(({ data }) => data)).toMatchObject([
    {
      fault: 0,
      kind: "bad-ddgst",
      name: "a bad digest",
      direction: "downstream",
      pdu: "C2HData",
      qid: 1,
    },
  ]);
  expect(told.at(-1)!.data).toMatchObject({ faults: [{ done: 1 }, { done: 0 }] });
  // Both sides of each connection are in the trace, and the host's has the violation.
  const decoded = await nvmeof(["decode", trace, "--errors", "--fail-on", "verdict"]);
  expect([decoded.exitCode, decoded.stdout]).toEqual([
    12,
    expect.stringContaining("[data-digest]"),
  ]);
});

test("people get a line for each fault, and the sum at the end", async () => {
  const to = ["--to", `127.0.0.1:${target.port}`, "--listen", "127.0.0.1:0"];
  const plan = planFile({ version: 1, faults: [{ kind: "latency", latencyMs: 1 }] });
  const ready = freshPath("ready.json");
  const run = start(["chaos", "proxy", ...to, "--plan", plan, "--ready-file", ready, "-v"]);
  await Promise.race([run.stdout.contains("ready\n"), run.ended]);
  const { listen } = JSON.parse(readFileSync(ready, "utf8")) as { listen: { port: number } };
  await nvmeof([
    "id-ctrl",
    formatAddress({ host: "127.0.0.1", port: listen.port, subsystemNqn: NQN }),
  ]);
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
  expect(run.stdout.text).toMatch(/seed 1\n {2}faults\[0\] latency\n/);
  expect(run.stdout.text).toMatch(/latency: connection 1: upstream latencyMs 1, jitterMs 0/);
  expect(run.stderr.text).toMatch(/connection 1: 127\.0\.0\.1:\d+/);
  expect(run.stderr.text).toMatch(/1 connection\n {2}faults\[0\] latency: 2\n/);
});

test("what is encrypted only passes, and that is said", async () => {
  const run = await proxied(["--example", "bad-digests"], async (_uri, port) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(Buffer.from("16030100050100000103", "hex"));
    await new Promise((resolve) => socket.once("close", resolve));
  });
  expect(lines(run).find(({ event }) => event === "aside")?.data).toMatchObject({ why: "tls" });
});

test("a target that is not there is told of", async () => {
  const run = start(["chaos", "proxy", "--to", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--json"]);
  await run.stdout.contains("\n");
  const { port } = lines(run)[0]!.data["listen"] as { port: number };
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await run.stdout.contains("unreachable");
  run.signal("SIGINT");
  await run.ended;
  const { data } = lines(run).find(({ event }) => event === "unreachable")!;
  expect(data).toMatchObject({ connection: 1, error: { code: "NVME_ERR_UNREACHABLE" } });
});

const proxy = ["chaos", "proxy", "--to", "127.0.0.1:4420", "--listen", "127.0.0.1:0"];

test.each([
  [
    "where nobody says so, other machines",
    [...proxy.slice(0, -1), "0.0.0.0:0"],
    "NVME_ERR_USAGE",
    /0\.0\.0\.0/,
  ],
  ["two plans", [...proxy, "--plan", "a", "--example", "b"], "NVME_ERR_USAGE", /both name a plan/],
  [
    "an example that is none",
    [...proxy, "--example", "blackhol"],
    "NVME_ERR_USAGE",
    /no example "blackhol"/,
  ],
  [
    "a file that is not there",
    [...proxy, "--plan", "nowhere.json"],
    "NVME_ERR_FILE_NOT_FOUND",
    /nowhere/,
  ],
  ["no target", ["chaos", "proxy"], "NVME_ERR_USAGE", /--to/],
  ["no plan to print", ["chaos", "plan"], "NVME_ERR_USAGE", /which plan/],
] as const)("refused: %s", async (_what, args, code, message) => {
  const error = await failure(args);
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
});

test("a mistake in a plan is told with its place, and what was meant", async () => {
  const select = { opcode: "raed-only" };
  const path = planFile({ version: 1, faults: [{ kind: "drop-pdu", select }] });
  expect(await failure([...proxy, "--plan", path])).toMatchObject({
    code: "NVME_ERR_PLAN",
    exitCode: 2,
    message: 'faults[0].select.opcode: "raed-only" is no opcode, by name or number',
  });
  const error = await failure(["chaos", "plan", "--check", planFile("{")]);
  expect([error.code, error.message]).toEqual([
    "NVME_ERR_USAGE",
    expect.stringMatching(/is not JSON/),
  ]);
});

test("what chaos plan prints is what chaos plan takes", async () => {
  const { stdout } = await nvmeof(["chaos", "plan", "--example", "lost-completion"]);
  const checked = await nvmeof(["chaos", "plan", "--check", "-"], { stdin: stdout });
  expect(checked.stdout).toBe(
    "- is a plan: seed 1, 2 faults\n  faults[0] drop-pdu\n  faults[1] drop-pdu\n",
  );
  const made = await nvmeof(["chaos", "plan", "--from-seed", "42"]);
  expect((await nvmeof(["chaos", "plan", "--from-seed", "42"])).stdout).toBe(made.stdout);
  const { data } = await nvmeofJson(["chaos", "plan", "--check", planFile(made.stdout)]);
  expect(data).toMatchObject({ seed: 42 });
  const { data: list } = await nvmeofJson(["chaos", "plan", "--list"]);
  const { examples } = list as { examples: { name: string }[] };
  expect(examples.map(({ name }) => name)).toContain("kato-starve");
});

/** A trace of a write of 16 KiB and a read of it. */
async function recorded(): Promise<string> {
  const trace = freshPath("recorded.pcapng");
  const stdin = Buffer.alloc(16_384, 5);
  await nvmeof(["write", target.namespace(1), "--yes", "--trace", trace], { stdin });
  return trace;
}

test("a capture is played again: the same answers, and nothing is written without a yes", async () => {
  const trace = await recorded();
  const replay = ["chaos", "replay", trace, "--to", `127.0.0.1:${target.port}`];
  expect(await failure(replay)).toMatchObject({ code: "NVME_ERR_CONFIRMATION", exitCode: 2 });
  const { exitCode, stdout } = await nvmeof([...replay, "--yes"]);
  expect([exitCode, stdout]).toEqual([
    0,
    expect.stringMatching(/^2 connections, \d+ PDUs sent, \d+ answers, 0 differences\n$/),
  ]);
  const { data } = await nvmeofJson([...replay, "--yes", "--connection", "1"]);
  expect(data).toMatchObject({ connections: 1, differences: 0, kept: [] });
});

test("a target that answers otherwise is exit code 12, and each difference is told", async () => {
  const other = await testTarget([{ blockCount: 16 }]);
  const replay = ["chaos", "replay", await recorded(), "--to", `127.0.0.1:${other.port}`, "--yes"];
  const { exitCode, stdout, stderr } = await nvmeof(replay);
  expect(exitCode).toBe(12);
  expect(stdout).toMatch(/Write nsid 1 slba 0 blocks 32.*recorded .*, now LBA Out of Range/);
  expect(stderr).toMatch(/the target answers otherwise: \d+ difference/);
  await other.served.close();
});

test("what cannot be played is refused", async () => {
  const to = ["--to", "127.0.0.1:1"];
  const replay = ["chaos", "replay", await recorded(), ...to, "--connection", "9"];
  expect(await failure(replay)).toMatchObject({ code: "NVME_ERR_USAGE" });
  const garbage = planFile("no capture at all");
  expect(await failure(["chaos", "replay", garbage, ...to])).toMatchObject({
    code: "NVME_ERR_CAPTURE",
  });
});
