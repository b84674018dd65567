// TLS from one end of the command to the other: keys from files, stdin and the environment, and nothing of
// them in what is said.

import { writeFileSync } from "node:fs";
import { TlsKey, TlsPsk, deriveTlsPsk } from "@nvmeof/codec/auth";
import { nodeHmac } from "@nvmeof/transport/node";
import { afterEach, expect, test } from "vitest";
import type { ErrorObject } from "./errors.ts";
import { KeyFile } from "./key-file.ts";
import { type Run, type RunOptions, failure, freshPath, nvmeof, start } from "./testing/run.ts";

const nqn = "nqn.2024-01.com.example:tls";
const hostA = "nqn.2024-01.com.example:a";
const hostB = "nqn.2024-01.com.example:b";
const [keyA, keyB, keyC] = [1, 2, 3].map((seed) =>
  new TlsKey(new Uint8Array(32).fill(0xa0 + seed)).revealText(),
) as [string, string, string];
const freePorts = ["--listen", "127.0.0.1:0", "--discovery-port", "0"];

function file(text: string, name = "tls.key"): string {
  const path = freshPath(name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const serving: Run[] = [];
/** All that was said by anybody: no key may be in it. */
let said = "";

afterEach(async () => {
  for (const run of serving.splice(0)) {
    run.signal("SIGTERM");
    expect(await run.ended).toBe(0);
    said += run.stdout.text + run.stderr.text;
  }
  for (const key of [keyA, keyB, keyC]) {
    const bytes = Buffer.from(TlsKey.parse(key).reveal());
    for (const form of [key.slice(16, 40), bytes.toString("hex").slice(0, 20)]) {
      expect(said.toLowerCase()).not.toContain(form.toLowerCase());
    }
  }
  said = "";
});

interface Ready {
  readonly uri: string;
  readonly tls: boolean;
  readonly listen: { readonly port: number };
  readonly discovery: { readonly port: number };
}

async function serve(...args: string[]): Promise<Ready> {
  const all = ["serve", "--mem", "1M", "--nqn", nqn, ...freePorts, ...args];
  const run = start([...all, "--json", "-vvv"]);
  serving.push(run);
  await Promise.race([run.stdout.contains("\n"), run.ended]);
  const { data, error } = JSON.parse(run.stdout.text) as { data: Ready; error: unknown };
  expect(error).toBeNull();
  return data;
}

async function ok(args: string[], options: RunOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await nvmeof([...args, "-vvv"], options);
  said += stdout + stderr;
  expect(stderr).not.toContain("NVME_ERR");
  expect(exitCode).toBe(0);
  return stdout;
}

async function refused(args: string[], options: RunOptions = {}): Promise<ErrorObject> {
  const { stdout, stderr } = await nvmeof([...args, "-vvv"], options);
  said += stdout + stderr;
  const error = await failure([...args, "-vvv"], options);
  said += JSON.stringify(error);
  return error;
}

const asHost = (hostNqn: string): string[] => ["--hostnqn", hostNqn];

test("a key in a file serves, discovers, connects, copies", async () => {
  const key = file(`# for everybody\n${keyA}\n`);
  const { uri, discovery, tls } = await serve("--tls-key-file", key);
  expect(tls).toBe(true);
  const found = `nvme+tcp://127.0.0.1:${discovery.port}`;
  const log = await ok(["discover", found, "--tls-key-file", key, "--json"]);
  expect(JSON.parse(log)).toMatchObject({
    data: {
      records: [
        { treq: "required", sectype: "TLS 1.3" },
        { subnqn: nqn, treq: "required", sectype: "TLS 1.3" },
        { treq: "required", sectype: "TLS 1.3" },
      ],
    },
  });
  expect(await ok(["list", uri, "--tls-key-file", key])).toContain("1.05 MB");
  const connected = await ok(["connect", uri, "--tls-key-file", key]);
  expect(connected).toMatch(/^security +: TLS 1\.3 with a pre-shared key$/m);
  const disk = `${uri}?nsid=1&tls=1`;
  const env = { NVMEOF_TLS_KEY: keyA };
  await ok(["cp", "-", disk, "--yes"], { stdin: "hello\n", env });
  expect(await ok(["cp", disk, "-", "--count", "6", "--silent"], { env })).toBe("hello\n");
});

test("a key comes by stdin, or from the environment, and identities have two versions", async () => {
  const { uri } = await serve("--tls-key-file", file(keyA));
  await ok(["connect", uri, "--tls-key-file", "-"], { stdin: `${keyA}\n` });
  const env = { NVMEOF_TLS_KEY: keyA };
  await ok(["connect", uri, "--tls"], { env });
  await ok(["connect", `${uri}?tls=1`], { env });
  for (const version of ["0", "1"]) {
    await ok(["connect", uri, "--tls", "--tls-key-identity", version], { env });
  }
  const { identity } = deriveTlsPsk(nodeHmac, TlsKey.parse(keyA), {
    hostNqn: hostA,
    subsystemNqn: nqn,
  });
  await ok(["connect", uri, "--tls", "--tls-key-identity", identity, ...asHost(hostA)], { env });
  // The two ways to derive differ in the identity of version 1, and both are taken.
  await ok(["connect", uri, "--tls", "--tls-compat"], { env });
});

test("each host has its own key, and nobody gets in with that of another", async () => {
  const keys = file(`${hostA} ${keyA}\n${hostB}\t${keyB}\n`);
  const { uri } = await serve("--tls-key-file", keys);
  await ok(["connect", uri, "--tls-key-file", file(keyA), ...asHost(hostA)]);
  // The target's own file serves a host as well: each line is about one.
  await ok(["connect", uri, "--tls-key-file", keys, ...asHost(hostB)]);
  const withC = ["--tls-key-identity", "0", "--tls-key-file", file(keyC)];
  const wrong = await refused(["connect", uri, ...withC, ...asHost(hostA)]);
  expect(wrong).toMatchObject({ code: "NVME_ERR_TLS_WRONG_KEY", exitCode: 6, phase: "tls" });
  expect(wrong.message).toContain(`NVMe0R01 ${hostA} ${nqn}`);
  const stranger = ["connect", uri, "--tls-key-file", file(keyC), ...asHost(`${hostB}b`)];
  expect(await refused(stranger)).toMatchObject({ exitCode: 6, retryable: false });
});

test("a host without a key, and one with a key where there is no TLS, are told so", async () => {
  const { uri } = await serve("--tls-key-file", file(keyA));
  expect((await refused(["connect", uri])).exitCode).toBeGreaterThan(0);
  const nothing = await refused(["connect", uri, "--tls"]);
  expect(nothing).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  expect(nothing.hint).toContain("--tls-key-file");
  const plain = await serve();
  expect(plain.tls).toBe(false);
  const there = await refused(["connect", plain.uri, "--tls-key-file", file(keyA)]);
  expect(there).toMatchObject({ code: "NVME_ERR_TLS_NOT_SPOKEN", exitCode: 9, retryable: false });
});

test("S6: a key for SHA-384 is refused with the reason, before anybody is asked", async () => {
  const key = file(new TlsKey(new Uint8Array(48).fill(7), 2).revealText());
  const error = await refused(["connect", "nvme+tcp://192.0.2.1/x.y:z", "--tls-key-file", key]);
  expect(error).toMatchObject({ code: "NVME_ERR_TLS_HASH_UNSUPPORTED", exitCode: 2 });
  expect(error.message).toContain("SHA-384");
});

test.each([
  [["--tls-key-file", "nowhere.key"], "there is no such file", "NVME_ERR_FILE_NOT_FOUND"],
  [["--tls-key-identity", "x", "--tls"], "no identity", "NVME_ERR_USAGE"],
  [["--concat"], "is not supported", "NVME_ERR_USAGE"],
  [["-t", "fc", "--tls"], "not for FC", "NVME_ERR_USAGE"],
  [["--tls", ...asHost("nqn.2024-01.com.example:ü")], "", "NVME_ERR_UNREACHABLE"],
])("connect %j: %s", async (args, message, code) => {
  const options = { env: { NVMEOF_TLS_KEY: keyA } };
  const uri = `nvme+tcp://127.0.0.1:1/${nqn}`;
  const error = await refused(["connect", uri, ...args], options);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
});

test("a variable that holds no key matters only where a key is needed", async () => {
  const env = { NVMEOF_TLS_KEY: keyA.slice(0, 40) };
  const plain = await serve();
  await ok(["connect", plain.uri], { env });
  const error = await refused(["connect", plain.uri, "--tls"], { env });
  expect(error).toMatchObject({ code: "NVME_ERR_TLS_KEY", exitCode: 2 });
  expect(error.message).toContain("$NVMEOF_TLS_KEY, line 1");
});

test("serve wants a key for --tls, and says which commands connect", async () => {
  const error = await refused(["serve", "--mem", "1M", "--tls", ...freePorts]);
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  const run = start(["serve", "--mem", "1M", ...freePorts, "--tls-key-file", file(keyA)]);
  serving.push(run);
  await run.stdout.contains("ready\n");
  expect(run.stdout.text).toMatch(/^nvmeof list nvme\+tcp:\S+ --tls-key-file FILE$/m);
  expect(run.stdout.text).toMatch(/^nvme connect .* --tls$/m);
});

const psk = new TlsPsk(`NVMe0R01 ${hostA} ${nqn}`, 1, new Uint8Array(32).fill(9));
const names = { hostNqn: hostA, subsystemNqn: nqn };

test("a file of keys has one for all, one for a host, and derived ones for both names", () => {
  const text = `\r\n# keys\r\n${keyC}\r\n  ${hostB}   ${keyB}\n${psk.revealLine()}\n`;
  const keys = new KeyFile({ text, from: "keys" });
  const found = (hostNqn: string, identity?: string) =>
    keys.keyFor({ hostNqn, subsystemNqn: nqn }, identity);
  expect((found(hostA) as TlsPsk).identity).toBe(psk.identity);
  expect((found(hostB) as TlsKey).revealText()).toBe(keyB);
  expect((found("nqn.x") as TlsKey).revealText()).toBe(keyC);
  expect(found(hostA, psk.identity)).toBe(found(hostA));
  // Another identity of the same names is not that of the derived one.
  expect((found(hostA, "NVMe1R01 …") as TlsKey).revealText()).toBe(keyC);
  expect(new KeyFile({ text: `${hostB} ${keyB}`, from: "keys" }).keyFor(names)).toBeUndefined();
  expect(JSON.stringify(keys)).not.toContain("NVMeTLSkey");
});

test.each([
  ["", "keys holds no TLS key"],
  ["# nothing\n", "keys holds no TLS key"],
  [`${keyA}\n${keyA.slice(0, -1)}`, "keys, line 2: the TLS key cannot be used"],
  [`not-a-name\u0007 ${keyA}`, "keys, line 1: there is no NQN before the key"],
  [`${keyA} ${hostA}`, "keys, line 1: the TLS key cannot be used"],
  [`${hostA} ${nqn} more`, "keys, line 1: the TLS key cannot be used"],
])("a file of keys that is none is refused by its line: %#", (text, message) => {
  const read = (): unknown => new KeyFile({ text, from: "keys" });
  expect(read).toThrow(message);
  expect(read).toThrow(/^(?!.*(oaGh|NVMeTLSkey-1:01:o))/s);
});
