// What a new user does wrong, and what the command says then: all of it in one text to be read,
// wrong-invocations.golden.txt. `npx vitest run apps/cli/src/wrong-invocations -u` prints it anew.
// Read first: errors.ts for the lines; each must say what, where and why, and what to do next.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DhchapKey, TlsKey } from "@nvmeof/codec/auth";
import { afterAll, expect, test } from "vitest";
import { folder, nvmeof } from "./testing/run.ts";
import { stranger } from "./testing/strangers.ts";
import { NQN, testTarget } from "./testing/target.ts";

const HOST = "nqn.2014-08.org.nvmexpress:uuid:0b5e1a6e-7c0b-4d5a-9c8f-3f1d6f0a2b11";
const key = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => (seed * 71 + i * 13 + 5) & 0xff);

const tlsKey = new TlsKey(key(3));
const targets = {
  disk: await testTarget([{}, { readOnly: true }]),
  picky: await testTarget([{}], { allowedHosts: ["nqn.2024-01.org.example:somebody-else"] }),
  proving: await testTarget([{}], {
    allowedHosts: [{ nqn: HOST, dhchap: { hostKey: new DhchapKey(key(1), 1) } }],
  }),
  secure: await testTarget([{}], { tls: { key: tlsKey } }),
  plain: await testTarget([{}], { allowedHosts: [HOST] }),
};
const strangers = {
  http: await stranger("http"),
  ssh: await stranger("ssh"),
  tls: await stranger("tls"),
  nbd: await stranger("nbd"),
  silent: await stranger("silent"),
  closing: await stranger("closing"),
};

afterAll(async () => {
  for (const { served } of Object.values(targets)) await served.close();
  for (const server of Object.values(strangers)) await server[Symbol.asyncDispose]();
});

/** Ports as people know them: those of this machine differ every time. */
const ports = new Map<number, number>([
  [targets.disk.port, 4420],
  [targets.picky.port, 4421],
  [targets.proving.port, 4422],
  [targets.secure.port, 4423],
  [targets.plain.port, 4424],
  [strangers.http.port, 8080],
  [strangers.ssh.port, 2222],
  [strangers.tls.port, 8443],
  [strangers.nbd.port, 10809],
  [strangers.silent.port, 9999],
  [strangers.closing.port, 9998],
]);

const home = join(folder, "home");
mkdirSync(home);
const file = (name: string, content: string | Uint8Array, mode = 0o600): string => {
  const path = join(home, name);
  writeFileSync(path, content, { mode });
  return path;
};
file("block.bin", new Uint8Array(512));
file("uneven.bin", new Uint8Array(700));
file("large.img", new Uint8Array(3 * 2 ** 20));
file("empty.img", "");
file("notes.txt", "Buy milk, and a controller.\n");
file("plan.json", '{ "seed": 7, "steps": [ }\n');
file("config.json", '[ { "hostnqn": "nqn.2024-01.org.example:a", "subsystems": 7 } ]\n');
file("wrong.secret", `${new DhchapKey(key(2), 1).revealText()}\n`);
file(
  "spoilt.secret",
  `${new DhchapKey(key(2), 1).revealText().replace("DHHC-1:01", "DHHC-1:02")}\n`,
);
file("tls.key", `${new TlsKey(key(4)).revealText()}\n`);
mkdirSync(join(home, "folder"));

const at = (port: number): string => `nvme+tcp://127.0.0.1:${port}`;
const { disk, picky, proving, secure, plain } = targets;
const asHost = ["-q", HOST];

/** Under each heading: what was typed, word by word; `~` is the home of whoever types. */
const rows: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "The command line": [
    ["lst"],
    ["id", "ctlr", disk.uri],
    ["list", disk.uri, "--jsno"],
    ["list"],
    ["list", disk.uri, "extra"],
    ["list", "127.0.0.1:4420"],
    ["list", "nvme+tcp://127.0.0.1:44200000/nqn.2024-01.org.example:cli"],
    ["list", "nvme+rdma://127.0.0.1/nqn.2024-01.org.example:cli"],
    ["list", "/dev/nvme0"],
    ["list", "@lab"],
    ["list", at(disk.port)],
    ["connect", "-t", "rdma", "-a", "127.0.0.1", "-n", NQN],
    ["connect", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420"],
    ["connect", "-a", "127.0.0.1", "-n", ""],
    ["connect", disk.uri, "-q"],
    ["connect", disk.uri, "-I", "my-laptop"],
    ["discover", disk.uri],
    ["log", "smrat", disk.uri],
    ["get-log", disk.uri],
    ["admin-passthru", disk.uri],
    ["list", disk.uri, "--timeout", "5 minutes"],
    ["read", `${disk.uri}?nsid=1`, "-z", "4kb"],
    ["connect", disk.uri, "--dhchap-secret", "DHHC-1:00:c2VjcmV0IHNlY3JldA==:"],
  ],
  "Nobody there, or somebody else": [
    ["list", `nvme+tcp://no-such-host.invalid/${NQN}`],
    ["list", `nvme+tcp://127.0.0.1:1/${NQN}`],
    ["list", strangers.http.uri],
    ["list", strangers.ssh.uri],
    ["list", strangers.tls.uri],
    ["list", strangers.nbd.uri],
    ["list", strangers.silent.uri, "--connect-timeout", "100ms"],
    ["list", strangers.closing.uri],
    ["discover", at(strangers.http.port)],
  ],
  "The subsystem, and who may use it": [
    ["list", disk.uri.replace(/cli$/, "cil")],
    ["list", picky.uri, ...asHost],
    ["list", proving.uri, ...asHost],
    ["list", proving.uri, ...asHost, "--dhchap-secret-file", "~/wrong.secret"],
    ["list", proving.uri, ...asHost, "--dhchap-secret-file", "~/spoilt.secret"],
    ["list", proving.uri, ...asHost, "--dhchap-secret-file", "~/no.secret"],
    ["list", secure.uri, ...asHost],
    ["list", secure.uri, ...asHost, "--tls"],
    ["list", secure.uri, ...asHost, "--tls-key-file", "~/tls.key"],
    ["list", plain.uri, ...asHost, "--tls-key-file", "~/tls.key"],
    ["list", plain.uri, ...asHost, "--tls-key-file", "~/notes.txt"],
  ],
  "Namespaces and blocks": [
    ["read", disk.uri],
    ["read", `${disk.uri}?nsid=9`],
    ["read", disk.uri, "-N", "0"],
    ["read", `${disk.uri}?nsid=1`, "--start-block", "2048"],
    ["read", `${disk.uri}?nsid=1`, "-z", "1000"],
    ["read", `${disk.uri}?nsid=1`, "-c", "7"],
    ["write", `${disk.uri}?nsid=1`, "-d", "~/block.bin"],
    ["write", `${disk.uri}?nsid=2`, "-d", "~/block.bin", "--yes"],
    ["write", `${disk.uri}?nsid=1`, "-d", "~/uneven.bin", "--yes"],
    ["write", `${disk.uri}?nsid=1`, "-d", "~/missing.bin", "--yes"],
    ["write", `${disk.uri}?nsid=1`, "-d", "~/folder", "--yes"],
    ["write", `${disk.uri}?nsid=1`, "-d", "~/block.bin/part", "--yes"],
    ["write", `${disk.uri}?nsid=1`, "-d", "~/block.bin", "-z", "4k", "--yes"],
    ["format", `${disk.uri}?nsid=1`],
  ],
  Copies: [
    ["cp", `${disk.uri}?nsid=1`, `${disk.uri}?nsid=1`, "--yes"],
    ["cp", "~/block.bin", "~/block.bin"],
    ["cp", "~/large.img", `${disk.uri}?nsid=1`, "--yes"],
    ["cp", "~/missing.img", `${disk.uri}?nsid=1`, "--yes"],
    ["cp", `${disk.uri}?nsid=1`, "~/folder"],
    ["cp", "~/block.bin", disk.uri, "--yes"],
  ],
  Servers: [
    ["serve", "--mem", "1M", "--listen", `127.0.0.1:${disk.port}`],
    ["serve", "--mem", "1M", "--listen", "0.0.0.0:4420"],
    ["serve", "--mem", "1M", "--listen", "4420"],
    ["serve"],
    ["serve", "--file", "~/missing.img"],
    ["serve", "--file", "~/folder"],
    ["serve", "--file", "~/uneven.bin"],
    ["serve", "--file", "~/empty.img"],
    ["serve", "--mem", "1000"],
    ["serve", "--mem", "lots"],
    ["export-nbd", `${disk.uri}?nsid=1`, "--mem", "1M", "--name", "a", "--name", "a"],
    ["export-nbd", `${disk.uri}?nsid=1`, "--port", String(disk.port)],
    ["export-nbd", `${disk.uri}?nsid=1`, "--bind", "0.0.0.0"],
  ],
  Tools: [
    ["decode", "~/notes.txt"],
    ["decode", "~/missing.pcapng"],
    ["perf", "run", `${disk.uri}?nsid=1`, "--rw", "readwrite"],
    ["perf", "run", `${disk.uri}?nsid=1`, "--bs", "1000"],
    ["perf", "run", `${disk.uri}?nsid=1`, "--bs", "64M"],
    ["perf", "run", `${disk.uri}?nsid=1`, "--rw", "write"],
    ["perf", "run", `${disk.uri}?nsid=2`, "--rw", "write", "--yes", "--time", "100ms"],
    ["perf", "run", `${disk.uri}?nsid=1`, "--iodepth", "5000"],
    ["perf", "run", `${disk.uri}?nsid=1`, "--queues", "8", "--bs", "1M", "--iodepth", "1024"],
    ["perf", "compare", "~/notes.txt", "~/notes.txt"],
    ["sim", "replay", "~/plan.json"],
    ["sim", "run", "--seeds", "0"],
    ["config", "validate", "~/config.json"],
    ["keys", "check-dhchap-key", "~/notes.txt"],
    ["keys", "check-tls-key", "~/notes.txt"],
    ["explain", "NVME_ERR_UNREACHABEL"],
  ],
};

/** As somebody would see it at home, on ports that everybody knows. */
function asAtHome(text: string): string {
  let said = text.replaceAll(home, "~");
  for (const [port, shown] of ports) {
    said = said.replaceAll(`:${port}`, `:${shown}`).replaceAll(` ${port}`, ` ${shown}`);
  }
  // Where there is no network, nobody says that the name is unknown.
  return said.replace(
    "the name server does not answer (NVME_ERR_UNREACHABLE)\nhint: Try again, or give",
    "the name is unknown (NVME_ERR_UNREACHABLE)\nhint: Check the spelling of the name, or give",
  );
}

const quoted = (word: string): string => (/^$|[\s?&*$]/.test(word) ? `'${word}'` : word);

async function transcript(args: readonly string[]): Promise<string> {
  const words = args.map((word) => word.replace(/^~/, home));
  const { exitCode, stdout, stderr } = await nvmeof(words);
  const typed = ["nvmeof", ...args.map(quoted)].join(" ");
  return asAtHome(`$ ${typed}\n${stdout}${stderr}exit code ${exitCode}\n`);
}

test("what a new user does wrong is told so that he can do it right", async () => {
  const parts: string[] = [];
  for (const [heading, commands] of Object.entries(rows)) {
    parts.push(`# ${heading}\n`);
    for (const args of commands) parts.push(await transcript(args));
  }
  await expect(parts.join("\n")).toMatchFileSnapshot("./wrong-invocations.golden.txt");
});
