// serve: memory and files for hosts, until a signal comes.

import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type Server, connect, createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { type Run, failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";

const freePorts = ["--listen", "127.0.0.1:0", "--discovery-port", "0"];

interface Ready {
  readonly uri: string;
  readonly nqn: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly discovery: { readonly host: string; readonly port: number };
  readonly listeners: readonly { readonly port: number }[];
}

/** Starts `serve`; when it is ready, `use` may work with it; then it is told to end. */
async function serving(
  args: string[],
  use: (ready: Ready, run: Run) => Promise<void>,
): Promise<Run> {
  const run = start(["serve", ...args, ...freePorts, "--json"]);
  await Promise.race([run.stdout.contains("\n"), run.ended]);
  const { data, error } = JSON.parse(run.stdout.text) as { data: Ready; error: unknown };
  expect(error).toBeNull();
  try {
    await use(data, run);
  } finally {
    run.signal("SIGTERM");
    expect(await run.ended).toBe(0);
  }
  return run;
}

test("memory and files become namespaces in the order given", async () => {
  const file = freshPath("disk.img");
  writeFileSync(file, "");
  truncateSync(file, 2 ** 20);
  const nqn = "nqn.2024-01.org.example:served";
  const backings = ["--mem", "1M", "--file", file, "--mem", "3M"];
  await serving([...backings, "--nqn", nqn, "--block-size", "4096"], async (ready) => {
    expect(ready.uri).toBe(`nvme+tcp://127.0.0.1:${ready.listen.port}/${nqn}`);
    const { data } = await nvmeofJson(["list", ready.uri]);
    expect(data).toMatchObject({
      namespaces: [
        { nsid: 1, sizeBytes: "1048576", blockBytes: 4096 },
        { nsid: 2, sizeBytes: "1048576" },
        { nsid: 3, sizeBytes: "3145728" },
      ],
    });
    const uri = `${ready.uri}?nsid=2`;
    await nvmeof(["write", uri, "--yes"], { stdin: Buffer.alloc(4096, 0xab) });
  });
  expect(readFileSync(file).subarray(0, 4096).equals(Buffer.alloc(4096, 0xab))).toBe(true);
  expect(statSync(file).size).toBe(2 ** 20);
});

test("discovery tells the address that is advertised", async () => {
  await serving(["--mem", "1M", "--advertise", "192.0.2.7"], async ({ discovery, nqn, listen }) => {
    const uri = `nvme+tcp://127.0.0.1:${discovery.port}`;
    const { data } = await nvmeofJson(["discover", uri]);
    const { records } = data as { records: Record<string, unknown>[] };
    const offered = records.filter(({ subnqn }) => subnqn === nqn);
    expect(offered.map(({ traddr, trsvcid }) => `${String(traddr)}:${String(trsvcid)}`)).toContain(
      `192.0.2.7:${listen.port}`,
    );
  });
});

test("over FC, by the address that it prints: discovery, reads and writes", async () => {
  await serving(["--transport", "fc", "--mem", "4M"], async ({ uri, nqn, listen, discovery }) => {
    expect(uri).toBe(`nvme+fc://127.0.0.1:${listen.port}/${nqn}`);
    const found = await nvmeofJson(["discover", `nvme+fc://127.0.0.1:${discovery.port}`]);
    const { records } = found.data as { records: Record<string, unknown>[] };
    const offered = records.filter(({ subnqn }) => subnqn === nqn);
    expect(offered).toMatchObject([{ trtype: "fc", uri }]);
    const { data } = await nvmeofJson(["list", uri]);
    expect(data).toMatchObject({ namespaces: [{ nsid: 1, sizeBytes: "4194304" }] });
    // More than one sequence, each way.
    const bytes = Buffer.alloc(1_000_448, "0123456789abcdef");
    await nvmeof(["write", uri, "--yes"], { stdin: bytes });
    const read = await nvmeof(["read", uri, "-z", String(bytes.length)]);
    expect(read.bytes.equals(bytes)).toBe(true);
    // The same place, said by options.
    const said = ["-t", "fc", "-a", "127.0.0.1", "-s", String(listen.port), "-n", nqn];
    expect((await nvmeofJson(["id-ctrl", ...said])).error).toBeNull();
  });
});

test("a target over TCP is no port of FC, and the other way round", async () => {
  await serving(["--mem", "1M"], async ({ uri }) => {
    const wrong = await failure(["list", uri.replace("nvme+tcp", "nvme+fc"), "--no-retries"]);
    expect(wrong.exitCode).not.toBe(0);
  });
});

test("the ready file has the addresses, whole as soon as it is there", async () => {
  const file = freshPath("ready.json");
  const more = ["--listen", "127.0.0.1:0", "--ready-file", file];
  await serving(["--mem", "1M", ...more], async (ready) => {
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(ready);
    expect(ready.listeners).toHaveLength(2);
    expect(ready.listen).toEqual(ready.listeners[0]);
    const [, second] = ready.listeners;
    const uri = `nvme+tcp://127.0.0.1:${second?.port}/${ready.nqn}`;
    expect((await nvmeof(["connect", uri])).exitCode).toBe(0);
  });
});

test("people get commands to copy, and are told who comes with -v", async () => {
  const run = start(["serve", "--mem", "64M", ...freePorts, "-v"]);
  await run.stdout.contains("\nready\n");
  const [, uri = ""] = /^nvmeof list (\S+)$/m.exec(run.stdout.text) ?? [];
  expect(run.stdout.text).toContain("namespace 1: 67.11 MB, blocks of 512 bytes, memory 1");
  expect(run.stdout.text).toMatch(/^nvme connect -t tcp -a 127\.0\.0\.1 -s \d+ -n nqn\./m);
  expect((await nvmeof(["list", uri])).exitCode).toBe(0);
  await run.stderr.contains("connected");
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
});

test("only the hosts that are named may connect, if any are", async () => {
  const me = "nqn.2024-01.org.example:me";
  await serving(["--mem", "1M", "--allow-host", me], async ({ uri }) => {
    expect((await nvmeof(["connect", uri, "--hostnqn", me])).exitCode).toBe(0);
    const error = await failure(["connect", uri]);
    expect(error).toMatchObject({ code: "NVME_ERR_HOST_NOT_ALLOWED", exitCode: 6 });
    expect(error.hint).toContain("--hostnqn");
  });
});

test.each([
  [[], "NVME_ERR_USAGE", "there is nothing to serve"],
  [["--mem", "1000"], "NVME_ERR_UNALIGNED", "no whole number of blocks"],
  [["--mem", "1M", "--block-size", "1000"], "NVME_ERR_USAGE", "--block-size"],
  [["--mem", "1M", "--nqn", ""], "NVME_ERR_USAGE", "--nqn: the name is empty"],
  [["--file", "/no/such/disk"], "NVME_ERR_FILE", "/no/such/disk"],
  [["--mem", "1M", "--listen", "0.0.0.0:0"], "NVME_ERR_USAGE", "other machines can reach 0.0.0.0"],
  [["--mem", "1M", "--listen", "here"], "NVME_ERR_USAGE", '"here" is not HOST:PORT'],
  [["--mem", "1M", "--limit", "queues=4"], "NVME_ERR_USAGE", '--limit: there is no limit "queues"'],
  [["--mem", "1M", "--limit", "connectionsMax"], "NVME_ERR_USAGE", "is not NAME=VALUE"],
  [["--mem", "1M", "--limit", "lingerMs=soon"], "NVME_ERR_USAGE", '"soon" is not a duration'],
  [
    ["--mem", "1M", "--limit", "queueDepthMax=1"],
    "NVME_ERR_USAGE",
    "--limit: queueDepthMax must be",
  ],
])("serve %j is refused: %s", async (args, code, message) => {
  const error = await failure(["serve", ...args]);
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
});

test("other machines are let in where somebody said so", async () => {
  const open = ["--listen", "0.0.0.0:0", "--allow-any-host"];
  await serving(["--mem", "1M", ...open], async ({ listeners }) => {
    expect(listeners[0]).toMatchObject({ host: "0.0.0.0" });
    await Promise.resolve();
  });
});

test("whoever lets in other machines is warned that a name is no proof, and told what to do", async () => {
  const run = start(
    ["serve", "--mem", "1M", ...freePorts, "--listen", "0.0.0.0:0"].concat("--allow-any-host"),
  );
  await run.stdout.contains("\nready\n");
  expect(run.stderr.text).toContain("warning: 0.0.0.0 can be reached from other machines");
  expect(run.stderr.text).toContain("not authenticated: anybody may read and write");
  expect(run.stderr.text).toContain("Listen on 127.0.0.1");
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
});

test("nobody is warned who listens on the loopback", async () => {
  const run = start(["serve", "--mem", "1M", ...freePorts]);
  await run.stdout.contains("\nready\n");
  expect(run.stderr.text).toBe("");
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
});

test("F111: told to end under load, it drains, and ends in time; its host is told of the loss", async () => {
  const run = start(["serve", "--mem", "8M", ...freePorts]);
  await run.stdout.contains("\nready\n");
  const [, uri = ""] = /^nvmeof list (\S+)$/m.exec(run.stdout.text) ?? [];
  const load = start([
    "perf",
    "run",
    uri,
    "--rw",
    "randrw",
    "--yes",
    "--time",
    "60s",
    "--no-retries",
  ]);
  // Some requests are under way when it is told to end, and all the time from then on.
  await nvmeof(["read", uri]);
  const startedMs = performance.now();
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(2_500);
  expect(await load.ended).not.toBe(0);
  expect(load.stderr.text).toContain("NVME_ERR_");
});

test("a limit that was given holds, and with -v it is said who met it", async () => {
  const limits = ["--limit", "controllers-max=1", "--limit", "initializeTimeoutMs=100ms"];
  const run = start(["serve", "--mem", "1M", ...freePorts, "-v", ...limits]);
  await run.stdout.contains("\nready\n");
  const [, uri = ""] = /^nvmeof list (\S+)$/m.exec(run.stdout.text) ?? [];
  const held = start(["connect", "--hold", uri, "--json"]);
  await held.stdout.contains("\n");
  const error = await failure(["connect", uri, "--no-retries"]);
  expect(error.message).toContain("Controller Busy");
  await run.stderr.contains("(controllersMax)");
  const { port, hostname } = new URL(uri.replace("nvme+tcp:", "http:"));
  const silent = connect(Number(port), hostname);
  silent.on("error", () => {}); // it is reset
  await new Promise((closed) => silent.on("close", closed));
  await run.stderr.contains("(initializeTimeoutMs)");
  held.signal("SIGINT");
  expect(await held.ended).toBe(0);
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
});

test("a port that is taken is told, with what to do", async () => {
  const taken: Server = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  const error = await failure(["serve", "--mem", "1M", "--listen", `127.0.0.1:${port}`]);
  expect(error).toMatchObject({ code: "NVME_ERR_LISTEN", exitCode: 13 });
  expect(error.hint).toContain("port is in use");
  taken.close();
});
