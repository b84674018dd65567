// No secret in anything that leaves a command which fails to prove itself: what it prints at its most verbose,
// traces and what `decode` says of them, what `doctor` finds and writes, and what a program that embeds us
// would log. Read first: SECURITY.md "Secrets"; authentication.test.ts for what succeeds.

import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { DhchapKey, TlsKey, deriveTlsPsk } from "@nvmeof/codec/auth";
import { openController } from "@nvmeof/core";
import { authCrypto } from "@nvmeof/core/node";
import { nodeHmac, tcp } from "@nvmeof/transport/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeyFile } from "./key-file.ts";
import { freshPath, nvmeof } from "./testing/run.ts";
import { NQN, type TestTarget, testTarget } from "./testing/target.ts";

const HOST = "nqn.2024-01.org.example:host";
const HOST_ID = "0b5e1a6e-7c0b-4d5a-9c8f-3f1d6f0a2b11";
const bytesOf = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => (seed * 89 + i * 31 + 3) & 0xff);

const dhchap = [1, 2, 3, 4].map((seed) => new DhchapKey(bytesOf(seed), 1));
const [hostKey, controllerKey, wrongHostKey, wrongControllerKey] = dhchap as [
  DhchapKey,
  DhchapKey,
  DhchapKey,
  DhchapKey,
];
const tls = [5, 6].map((seed) => new TlsKey(bytesOf(seed)));
const [tlsKey, wrongTlsKey] = tls as [TlsKey, TlsKey];

const file = (text: string): string => {
  const path = freshPath("secret");
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
};
const files = {
  host: file(hostKey.revealText()),
  wrongHost: file(wrongHostKey.revealText()),
  wrongController: file(wrongControllerKey.revealText()),
  tls: file(tlsKey.revealText()),
  wrongTls: file(wrongTlsKey.revealText()),
};

/** Keys that are made of the configured ones: whoever has one of these needs no other. */
const derived = tls.flatMap((key) =>
  ([0, 1] as const).map((version) => {
    const psk = deriveTlsPsk(nodeHmac, key, { hostNqn: HOST, subsystemNqn: NQN }, { version });
    return Buffer.from(psk.reveal());
  }),
);

/** Each in the ways in which it might be written; a part of it is enough. */
function forms(raw: Buffer): string[] {
  const hex = raw.toString("hex");
  return [
    hex.slice(0, 16),
    hex.slice(-16),
    hex.slice(0, 16).toUpperCase(),
    hex.slice(0, 16).replace(/(..)(?=.)/g, "$1 "),
    raw.toString("base64").slice(0, 14),
    raw.toString("base64url").slice(0, 14),
    [...raw.subarray(0, 6)].join(","),
    [...raw.subarray(0, 6)].join(", "),
  ];
}

const configured = [...dhchap, ...tls].map((key) => ({
  raw: Buffer.from(key.reveal()),
  text: key.revealText(),
}));
const raws = [...configured.map(({ raw }) => raw), ...derived];
const texts = [
  ...configured.flatMap(({ text }) => [text, text.split(":")[2]!.slice(0, 16)]),
  ...raws.flatMap(forms),
];

/** @throws where a text, or bytes, have a secret in them. */
function expectNone(what: string, said: string | Buffer): void {
  const bytes = Buffer.from(said);
  const text = bytes.toString("latin1");
  for (const secret of texts) expect(text.includes(secret), `${what}: ${secret}`).toBe(false);
  for (const raw of raws) expect(bytes.includes(raw.subarray(0, 8)), what).toBe(false);
}

let proving: TestTarget;
let secure: TestTarget;
let plain: TestTarget;
beforeAll(async () => {
  proving = await testTarget([{}], {
    allowedHosts: [{ nqn: HOST, dhchap: { hostKey, controllerKey } }],
    // So that all that fail below fail for their secret.
    limits: { authenticationFailuresMax: 1_000 },
  });
  secure = await testTarget([{}], { tls: { key: tlsKey } });
  plain = await testTarget();
});
afterAll(async () => {
  for (const { served } of [proving, secure, plain]) await served.close();
});

const failures: readonly (readonly [string, () => string, readonly string[]])[] = [
  ["no secret", () => proving.uri, []],
  ["a wrong secret", () => proving.uri, ["--dhchap-secret-file", files.wrongHost]],
  [
    "a wrong secret of the controller",
    () => proving.uri,
    ["--dhchap-secret-file", files.host, "--dhchap-ctrl-secret-file", files.wrongController],
  ],
  ["a wrong TLS key", () => secure.uri, ["--tls-key-file", files.wrongTls]],
  [
    "a TLS key under an identity that nobody knows",
    () => secure.uri,
    ["--tls-key-file", files.wrongTls, "--tls-key-identity", "0"],
  ],
  ["no TLS key", () => secure.uri, []],
  ["a TLS key for who speaks no TLS", () => plain.uri, ["--tls-key-file", files.tls]],
];

describe.each(failures)("with %s there is no secret", (_what, uri, args) => {
  const asHost = ["-q", HOST, "-I", HOST_ID, ...args];

  test("in what commands print, at their most verbose", async () => {
    for (const verb of ["connect", "list", "discover", "doctor", "list-subsys"]) {
      const address = verb === "discover" ? uri().replace(/\/nqn.*/, "") : uri();
      for (const how of [["-vvv"], ["-vvv", "--json"]]) {
        const { stdout, stderr } = await nvmeof([verb, address, ...asHost, ...how]);
        expect(stdout.length + stderr.length).toBeGreaterThan(0);
        expectNone(`${verb} ${how.join(" ")}`, stdout + stderr);
      }
    }
  });

  test("in traces, in what decode says of them, and in bundles of doctor", async () => {
    const trace = freshPath("trace.pcapng");
    const bundle = freshPath("bundle.json");
    await nvmeof(["doctor", uri(), ...asHost, "--trace", trace, "--bundle", bundle]);
    expectNone("the bundle", readFileSync(bundle));
    expectNone("the trace", readFileSync(trace));
    for (const how of [["-v"], ["--json", "-v"], ["--summary"]]) {
      const { stdout, stderr } = await nvmeof(["decode", trace, ...how]);
      expectNone(`decode ${how.join(" ")}`, stdout + stderr);
    }
  });
});

describe("a program that logs what it holds logs no secret:", () => {
  const everything = { depth: 12, showHidden: true, maxArrayLength: 1_000, getters: true } as const;
  const written = (value: unknown): string => inspect(value, everything) + shownAsJson(value);

  test("keys, and files of them", () => {
    const keyFile = new KeyFile({ text: tlsKey.revealText(), from: "a file" });
    for (const key of [...dhchap, ...tls, keyFile]) {
      expectNone(
        key.constructor.name,
        written({ key }) + (key as { toString(): string }).toString(),
      );
    }
  });

  test("options, errors with their causes, and controllers", async () => {
    const options = {
      hostNqn: HOST,
      hostId: HOST_ID,
      subsystemNqn: NQN,
      reconnect: { lossMs: 0, delayMs: 0, fastFailMs: 0 },
    };
    const to = { host: "127.0.0.1", port: proving.port };
    const wrong = {
      ...options,
      transport: tcp(to),
      authentication: {
        crypto: authCrypto,
        hostKey: wrongHostKey,
        controllerKey: wrongControllerKey,
      },
    };
    const failed: unknown = await openController(wrong).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "NVME_ERR_AUTH_FAILED" });
    expectNone("the error", written(failed));
    expectNone("its options", written(wrong));

    const overTls = tcp({ ...to, port: secure.port, tls: { key: wrongTlsKey } });
    const refused: unknown = await openController({ ...options, transport: overTls }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ phase: "tls" });
    expectNone("the error of TLS", written(refused));
    expectNone("the transport", written(overTls));

    const live = await openController({
      ...options,
      transport: tcp(to),
      authentication: { crypto: authCrypto, hostKey, controllerKey },
    });
    expectNone("the controller", written(live));
    await live.close();
  });
});

function shownAsJson(value: unknown): string {
  const seen = new Set<unknown>();
  return JSON.stringify(value, (_name, each: unknown) => {
    if (typeof each === "bigint") return String(each);
    if (typeof each !== "object" || each === null) return each;
    if (seen.has(each)) return undefined;
    seen.add(each);
    return each;
  });
}

const built = fileURLToPath(new URL("../dist/nvmeof.js", import.meta.url));

test.skipIf(!existsSync(built))("the built command says none either", async () => {
  for (const [what, uri, args] of failures) {
    const asked = [built, "connect", uri(), "-q", HOST, "-I", HOST_ID, ...args, "-vvv"];
    const said = await new Promise<string>((resolve) => {
      execFile(process.execPath, asked, (_failed, stdout, stderr) => resolve(stdout + stderr));
    });
    expect(said).toContain("NVME_ERR");
    expectNone(what, said);
  }
});

test("a secret that did get into something would be noticed", () => {
  for (const secret of texts) expect(() => expectNone("x", `a${secret}b`)).toThrow();
  for (const raw of raws) expect(() => expectNone("x", Buffer.concat([raw, raw]))).toThrow();
});
