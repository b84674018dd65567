// --metrics of verbs that stay: a page for Prometheus while they run, for this machine unless told otherwise.
// Read first: metrics.ts.

import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Run, failure, freshPath, nvmeof, start } from "./testing/run.ts";
import { type TestTarget, testTarget } from "./testing/target.ts";

const ports = ["--listen", "127.0.0.1:0", "--discovery-port", "0"];
const serving = ["serve", "--mem", "1M", ...ports];

let target: TestTarget | undefined;
afterEach(async () => {
  await target?.served.close();
  target = undefined;
});

/** Where the verb says that its metrics are. */
async function urlOf({ stdout }: Run): Promise<string> {
  await stdout.contains("/metrics");
  return /http:\/\/\S+\/metrics/.exec(stdout.text)![0];
}

async function ends(verb: Run, code = 0): Promise<void> {
  verb.signal("SIGINT");
  expect(await verb.ended).toBe(code);
}

const samples = async (url: string): Promise<string> => (await fetch(url)).text();

describe("serve", () => {
  test("shows its target, and nothing once it has ended", async () => {
    const verb = start([...serving, "--metrics", ":0"]);
    const url = await urlOf(verb);
    await verb.stdout.contains("ready\n");
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    expect(await answer.text()).toContain(
      `nvmeof_target_namespace_bytes{target="target",subsystem="1",nsid="1"} 1048576\n`,
    );
    await ends(verb);
    await expect(fetch(url)).rejects.toThrow();
  });

  test("says where in JSON, and shows NQNs where it is told to", async () => {
    const nqn = "nqn.2024-01.org.example:shown";
    const more = ["--metrics", "[::1]:0", "--metrics-nqns", "--nqn", nqn, "--json"];
    const verb = start([...serving, ...more]);
    const url = await urlOf(verb).then((found) => found.replace(/".*/, ""));
    expect(url).toContain("http://[::1]:");
    expect(await samples(url)).toContain(`subsystem="${nqn}"`);
    await ends(verb);
  });

  test("has one page, which can be read and nothing else", async () => {
    const verb = start([...serving, "--metrics", "0"]);
    const url = await urlOf(verb);
    expect((await fetch(new URL("/", url))).status).toBe(404);
    const posted = await fetch(url, { method: "POST", body: "x" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await fetch(`${url}?name[]=up`)).status).toBe(200);
    const long = await fetch(url, { headers: { "X-Long": "x".repeat(10_000) } });
    expect(long.status).toBe(431);
    await ends(verb);
  });

  test("takes a bounded number of connections, and Ctrl-C ends those that say nothing", async () => {
    const verb = start([...serving, "--metrics", ":0"]);
    const url = new URL(await urlOf(verb));
    await verb.stdout.contains("ready\n");
    const sockets = Array.from({ length: 17 }, () =>
      connectSocket({ host: url.hostname, port: Number(url.port) }),
    );
    for (const socket of sockets) socket.on("error", () => {});
    const closed = sockets.map((socket) => once(socket, "close"));
    await Promise.race(closed);
    await ends(verb);
    await Promise.all(closed);
  });

  test.each(["80000", "nonsense", ":", "127.0.0.1"])("refuses --metrics %s", async (text) => {
    const { exitCode, stderr } = await nvmeof([...serving, "--metrics", text]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("HOST:PORT");
  });

  test("tells of a port that is in use", async () => {
    const other: Server = createServer();
    other.listen({ host: "127.0.0.1", port: 0 });
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    expect(await failure([...serving, "--metrics", `:${port}`])).toMatchObject({
      code: "NVME_ERR_LISTEN",
      message: `cannot listen on 127.0.0.1:${port} for metrics`,
      hint: "The port is in use. Choose another, or 0 for any free one.",
    });
    other.close();
  });

  test("asks before other machines may read them", async () => {
    const refused = await nvmeof([...serving, "--metrics", "0.0.0.0:0"]);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("--metrics-any-host");
    const verb = start([...serving, "--metrics", "0.0.0.0:0", "--metrics-any-host"]);
    await urlOf(verb);
    expect(verb.stderr.text).toContain("anybody who can reach 0.0.0.0 may read the metrics");
    await ends(verb);
  });
});

test("connect --hold shows its paths; connect without it has nothing to show", async () => {
  target = await testTarget();
  const verb = start(["connect", "--hold", target.uri, "--metrics", ":0"]);
  const url = await urlOf(verb);
  await verb.stdout.contains("live, controller");
  expect(await samples(url)).toMatch(
    /nvmeof_controller_state\{group="nvme0",address="tcp 127\.0\.0\.1 \d+",state="live"\} 1\n/,
  );
  await ends(verb);
  const looking = await nvmeof(["connect", target.uri, "--metrics", ":0"]);
  expect(looking.exitCode).toBe(2);
  expect(looking.stderr).toContain("add --hold");
});

test("export-nbd shows its host and its server", async () => {
  target = await testTarget();
  const socket = ["--socket", freshPath("disk.sock")];
  const verb = start(["export-nbd", target.namespace(1), ...socket, "--metrics", ":0"]);
  const text = await samples(await urlOf(verb));
  expect(text).toContain(`nvmeof_nbd_connections{server="nbd"} 0\n`);
  expect(text).toContain(`nvmeof_host_requests_waiting{group="nvme0",nsid="1"} 0\n`);
  await ends(verb);
});

test("connect-all shows each of its hosts, and says where once", async () => {
  target = await testTarget();
  const verb = start(["connect-all", target.discovery, "--hold", "--metrics", ":0"]);
  const url = await urlOf(verb);
  await verb.stdout.contains("live, controller");
  expect(await samples(url)).toContain(`nvmeof_host_requests_waiting{group="nvme0",nsid="1"} 0\n`);
  await ends(verb);
  expect(verb.stdout.text.match(/metrics at/g)).toHaveLength(1);
  const looking = await nvmeof(["connect-all", target.discovery, "--metrics", ":0"]);
  expect([looking.exitCode, looking.stderr]).toEqual([2, expect.stringContaining("add --hold")]);
});

test("perf run shows its host while it measures; workers have connections of their own", async () => {
  target = await testTarget();
  const measuring = ["perf", "run", target.namespace(1), "--time", "60", "--metrics", ":0"];
  const verb = start(measuring);
  await verb.stderr.contains("/metrics");
  const url = /http:\/\/\S+\/metrics/.exec(verb.stderr.text)![0];
  expect(await samples(url)).toMatch(/nvmeof_controller_state\{.*state="live"\} 1\n/);
  await ends(verb, 130);
  await expect(fetch(url)).rejects.toThrow();
  const apart = await nvmeof([...measuring, "--workers", "2"]);
  expect([apart.exitCode, apart.stderr]).toEqual([2, expect.stringContaining("--workers")]);
});
