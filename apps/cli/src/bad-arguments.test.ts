// What people type by mistake, and what others may put into files: rows C1 to C6 of docs/bad-input.md.

import { mkdirSync, openSync, closeSync, ftruncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Writable } from "node:stream";
import { planOf } from "@nvmeof/sim";
import { afterAll, describe, expect, test } from "vitest";
import { identityFile } from "./identity.ts";
import { failure, freshPath, nvmeof } from "./testing/run.ts";
import { testTarget } from "./testing/target.ts";

const target = await testTarget([{}]);
afterAll(() => target.served.close());
const uri = target.namespace(1);

describe("C1: a secret where others can read it is refused, and not repeated", () => {
  const secret = "hunter2-hunter2";
  test.each([
    `nvme+tcp://me:${secret}@192.0.2.1/nqn.2024-01.x:y`,
    `nvme+tcp://${secret}@192.0.2.1`,
    `nvme+tcp://me:${secret}@[::1/nqn.2024-01.x:y`,
    `nvme+tcp://192.0.2.1/nqn.2024-01.x:y?dhchap-secret=${secret}`,
    `nvme+tcp://192.0.2.1:99999/nqn.2024-01.x:y?nsid=1&tls-key=${secret}`,
    `nvme+tcp://192.0.2.1/nqn.2024-01.x:y?psk=${secret}#there`,
    `http://me:${secret}@192.0.2.1/`,
  ])("C1: %s", async (address) => {
    for (const more of [[], ["--json"], ["-vv"]]) {
      const { exitCode, stdout, stderr } = await nvmeof(["list", address, ...more]);
      expect(exitCode).toBe(2);
      expect(stdout + stderr).not.toContain("hunter2");
      expect(stdout + stderr).toContain("NVME_ERR_ADDRESS");
    }
  });
});

describe("C2: a value that cannot be is a wrong use, and its option is named", () => {
  const long = `nqn.2024-01.org.example:${"a".repeat(224 - 24)}`;
  test.each([
    [["--timeout", "-1"], "--timeout"],
    [["--timeout", "1e9"], "--timeout"],
    [["--timeout", "5 parsecs"], "--timeout"],
    [["--timeout", "999999h"], "--timeout"],
    [["--connect-timeout", "99999999999"], "--connect-timeout"],
    [["--keep-alive-tmo", "0x10"], "--keep-alive-tmo"],
    [["-s", "70000"], "--trsvcid"],
    [["-s", "0"], "--trsvcid"],
    [["-s", "44.20"], "--trsvcid"],
    [["-Q", "65537"], "--queue-size"],
    [["-i", "0"], "--nr-io-queues"],
    [["-n", long], "--nqn"],
    [["-q", ""], "--hostnqn"],
    [["-q", "nqn.2024-01.x:\u001b[2J"], "--hostnqn"],
    [["-I", "00000000-0000-0000-0000-00000000000g"], "--hostid"],
  ])("C2: %j", async (args, option) => {
    const said = ["list", "nvme+tcp://192.0.2.1/nqn.2024-01.x:y", ...args];
    const { exitCode, stderr, stdout } = await nvmeof(said);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(option);
    // What was typed may be a terminal's own language.
    // oxlint-disable-next-line no-control-regex
    expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
  });

  test.each([
    ["nvme+tcp://::1:4420/nqn.2024-01.x:y", "stands in brackets"],
    ["nvme+tcp://[::1", ""],
    ["nvme+tcp://192.0.2.1:0/nqn.2024-01.x:y", '"0" is not a port'],
    ["nvme+tcp://192.0.2.1:70000/nqn.2024-01.x:y", '"70000" is not a port'],
    [`nvme+tcp://192.0.2.1/${"a".repeat(224)}`, "223"],
    ["nvme+tcp://192.0.2.1/nqn.2024-01.x:y?nsid=0", "not a namespace ID"],
    ["nvme+tcp://192.0.2.1/nqn.2024-01.x:y?nsid=4294967295", "not a namespace ID"],
    ["nvme+tcp://192.0.2.1/nqn.2024-01.x:y?__proto__=1", "not known"],
    ["nvme+tcp://192.0.2.1/%zz", "%"],
    ["nvme+tcp://192.0.2.1/%00", ""],
    ["nvme+rdma://192.0.2.1/nqn.2024-01.x:y", "not a transport that is known"],
    [`nvme+tcp://${"a".repeat(100_000)}@b`, "user or a password"],
  ])("C2: the address %.60s", async (address, message) => {
    const { exitCode, stderr } = await nvmeof(["list", address]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.length).toBeLessThan(1_000);
  });
});

describe("C3: a file of the user that makes no sense is named, and not read beyond its bound", () => {
  const identity = (content: string | Uint8Array) => {
    const env = { XDG_CONFIG_HOME: freshPath("config") };
    mkdirSync(dirname(identityFile(env)), { recursive: true });
    writeFileSync(identityFile(env), content);
    return env;
  };
  const good = {
    hostNqn: "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001",
    hostId: "00000000-0000-4000-8000-000000000001",
  };

  test("C3: unknown keys, line ends of another system and a byte order mark are no fault", async () => {
    const text = JSON.stringify({ ...good, more: 1, __proto__: 2 }, undefined, 2);
    const env = identity(`\ufeff${text.replaceAll("\n", "\r\n")}`);
    const { stdout, exitCode } = await nvmeof(["show-hostnqn"], { env });
    expect([exitCode, stdout.trim()]).toEqual([0, good.hostNqn]);
  });

  test.each([
    ["nothing", ""],
    ["zeroes", new Uint8Array(100)],
    ["an array", "[]"],
    ["null", "null"],
    ["deep nesting", "[".repeat(60_000)],
    ["names of other types", '{"hostNqn":1,"hostId":{}}'],
    ["an NQN with a control character", JSON.stringify({ ...good, hostNqn: "nqn\u0007" })],
  ])("C3: %s", async (_what, content) => {
    const env = identity(content);
    const error = await failure(["show-hostnqn"], { env });
    expect(error).toMatchObject({ code: "NVME_ERR_IDENTITY" });
    expect(error.message).toContain(identityFile(env));
  });

  test.each([
    ["the host's names", (file: string, env: Record<string, string>) => [["show-hostnqn"], env]],
    ["a plan", (file: string) => [["sim", "replay", file], {}]],
    ["a measurement", (file: string) => [["perf", "compare", file, file], {}]],
    ["data to write", (file: string) => [["write", uri, "-d", file, "--yes"], {}]],
  ] as const)("C3: 10 GB instead of %s", async (_what, command) => {
    const env = identity("");
    const file = identityFile(env);
    const descriptor = openSync(file, "w");
    ftruncateSync(descriptor, 10 * 2 ** 30);
    closeSync(descriptor);
    const [args, its] = command(file, env) as [string[], Record<string, string>];
    const error = await failure(args, { env: its });
    expect(error.message).toMatch(/has more than \d+ bytes/);
  });
});

describe("C4: what comes in must be what is to be written", () => {
  test.each([
    [100, ["-z", "512"], "there are 100 bytes of data, 512 are to be written"],
    [513, [], "513 bytes, which is no whole number of blocks"],
    [0, [], "0 bytes, which is no whole number of blocks"],
    [511, ["-c", "0"], ""],
  ])("C4: %d bytes with %j", async (bytes, args, message) => {
    const read = (): Promise<{ bytes: Buffer }> => nvmeof(["read", uri, "-z", "4096"]);
    const before = (await read()).bytes;
    const stdin = Buffer.alloc(bytes, 7);
    const error = await failure(["write", uri, "--yes", ...args], { stdin });
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(message);
    expect((await read()).bytes.equals(before)).toBe(true);
  });
});

test("C5: whoever reads our output may go, and that is no failure", async () => {
  const gone = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    },
  });
  const { exitCode, stderr } = await nvmeof(["list", uri], { stdout: gone });
  expect([exitCode, stderr]).toEqual([0, ""]);
});

describe("C6: a plan that somebody has made is bounded, and changes nothing of ours", () => {
  const plan = JSON.stringify(planOf(1));
  const replay = async (text: string) => {
    const file = freshPath("plan.json");
    writeFileSync(file, text);
    return nvmeof(["sim", "replay", file]);
  };

  test.each([
    ["deep nesting", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["no plan", "{}"],
    ["a list", "[]"],
    ["a number", "1"],
    ["lists of nothing", '{"seed":1,"safetyMs":1,"targets":{},"hosts":[],"users":[]}'],
  ])("C6: %s", async (_what, text) => {
    const { exitCode, stderr } = await replay(text);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("NVME_ERR_USAGE");
  });

  test("C6: __proto__ and constructor are names like others", async () => {
    const hostile = plan.replace(
      "{",
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},',
    );
    expect((await replay(hostile)).exitCode).toBe(0);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test.each([
    ["hosts that are none", { hosts: [null] }],
    ["targets that are none", { targets: [1, "x"] }],
    ["a time that is none", { safetyMs: null }],
  ])("C6: %s are a wrong use, and no bug of ours", async (_what, change) => {
    const { exitCode, stderr } = await replay(JSON.stringify({ ...planOf(1), ...change }));
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("no plan")]);
  });
});
