// DH-HMAC-CHAP from the command line, as host and as target; and that no output has a secret in it.

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { DhchapKey, crc32 } from "@nvmeof/codec/auth";
import type { AllowedHost } from "@nvmeof/target";
import { describe, expect, test } from "vitest";
import { commands } from "./commands.ts";
import {
  type Run,
  type RunOptions,
  failure,
  freshPath,
  nvmeof,
  nvmeofJson,
  start,
} from "./testing/run.ts";
import { type TestTarget, testTarget } from "./testing/target.ts";

const HOST = "nqn.2024-01.org.example:host";

/** A secret that is another for every `seed`, and a file with it. */
function secret(
  seed: number,
  transform: 0 | 1 = 1,
): { key: DhchapKey; text: string; file: string } {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => (seed * 53 + i * 29 + 7) & 0xff);
  const key = new DhchapKey(bytes, transform);
  const text = key.revealText();
  const file = freshPath(`secret-${seed}`);
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return { key, text, file };
}

const hostSecret = secret(1);
const controllerSecret = secret(2, 0);
const wrongSecret = secret(3);

const known: AllowedHost = {
  nqn: HOST,
  dhchap: { hostKey: hostSecret.key, controllerKey: controllerSecret.key },
};

async function withTarget(
  use: (target: TestTarget) => Promise<void>,
  hosts: readonly AllowedHost[] = [known],
): Promise<void> {
  const target = await testTarget([{}], { allowedHosts: hosts });
  try {
    await use(target);
  } finally {
    await target.served.close();
  }
}

const asHost = (uri: string, ...more: string[]): string[] => ["connect", uri, "-q", HOST, ...more];

describe("a host", () => {
  test.each([
    ["one way", ["--dhchap-secret-file", hostSecret.file], false],
    [
      "both ways",
      ["--dhchap-secret-file", hostSecret.file, "--dhchap-ctrl-secret-file", controllerSecret.file],
      true,
    ],
  ])("authenticates %s, and says how", async (_what, args, mutual) => {
    await withTarget(async ({ uri }) => {
      const { data, exitCode } = await nvmeofJson(asHost(uri, ...args));
      expect(exitCode).toBe(0);
      expect(data).toMatchObject({
        authentication: { hash: "sha512", dhgroup: "ffdhe3072", mutual },
      });
      const { stdout, stderr } = await nvmeof(asHost(uri, ...args, "-v"));
      const ways = mutual ? "both ways" : "the host alone";
      expect(stdout).toContain(`authenticated with sha512 and ffdhe3072, ${ways}`);
      expect(stderr).toContain("authenticated with sha512");
    });
  });

  test("takes its secret from stdin, or from the environment", async () => {
    await withTarget(async ({ uri }) => {
      const stdin = `${hostSecret.text}\n`;
      const piped = await nvmeof(asHost(uri, "--dhchap-secret-file", "-"), { stdin });
      expect(piped.exitCode).toBe(0);
      const env = {
        NVMEOF_DHCHAP_SECRET: hostSecret.text,
        NVMEOF_DHCHAP_CTRL_SECRET: controllerSecret.text,
      };
      const { data } = await nvmeofJson(asHost(uri), { env });
      expect(data).toMatchObject({ authentication: { mutual: true } });
    });
  });

  test("authenticates for whatever it does: reads, lists, paths", async () => {
    await withTarget(async ({ uri, namespace }) => {
      const auth = ["-q", HOST, "--dhchap-secret-file", hostSecret.file];
      expect((await nvmeof(["read", namespace(1), ...auth])).bytes.length).toBe(512);
      expect((await nvmeof(["list", uri, ...auth])).exitCode).toBe(0);
      expect((await nvmeof(["list-subsys", uri, ...auth])).exitCode).toBe(0);
      expect((await nvmeof(["show-topology", uri, ...auth])).exitCode).toBe(0);
    });
  });

  test("may say what it accepts", async () => {
    await withTarget(async ({ uri }) => {
      const args = ["--dhchap-secret-file", hostSecret.file, "--dhchap-digests", "sha256,sha384"];
      const { data } = await nvmeofJson(asHost(uri, ...args, "--dhchap-dhgroups", "ffdhe2048"));
      expect(data).toMatchObject({ authentication: { hash: "sha384", dhgroup: "ffdhe2048" } });
      const none = await failure(asHost(uri, ...args, "--dhchap-dhgroups", "null"));
      expect(none).toMatchObject({ code: "NVME_ERR_AUTH_UNUSABLE", exitCode: 6 });
    });
  });

  test("is warned where there is no Diffie-Hellman", async () => {
    const plain = { ...known.dhchap!, groups: ["null" as const] };
    await withTarget(
      async ({ uri }) => {
        const { stderr } = await nvmeof(asHost(uri, "--dhchap-secret-file", hostSecret.file));
        expect(stderr).toContain("warning: authenticated without Diffie-Hellman");
      },
      [{ nqn: HOST, dhchap: plain }],
    );
  });

  test.each([
    ["no secret", [], "NVME_ERR_AUTH_REQUIRED", "--dhchap-secret-file"],
    [
      "a wrong secret",
      ["--dhchap-secret-file", wrongSecret.file],
      "NVME_ERR_AUTH_FAILED",
      "digits after DHHC-1:",
    ],
    [
      "another secret of the controller",
      ["--dhchap-secret-file", hostSecret.file, "--dhchap-ctrl-secret-file", wrongSecret.file],
      "NVME_ERR_AUTH_CONTROLLER",
      "controller secret",
    ],
  ])("with %s is turned away: exit code 6, and what to do", async (_what, args, code, hint) => {
    await withTarget(async ({ uri }) => {
      const error = await failure(asHost(uri, ...args));
      expect(error).toMatchObject({ code, exitCode: 6, retryable: false, phase: "authenticate" });
      expect(error.hint).toContain(hint);
    });
  });

  test("that nobody knows is turned away as one with a wrong secret", async () => {
    await withTarget(async ({ uri }) => {
      const args = ["-q", "nqn.2024-01.org.example:stranger"];
      const withSecret = [...args, "--dhchap-secret-file", hostSecret.file];
      const error = await failure(["connect", uri, ...withSecret]);
      expect(error).toMatchObject({ code: "NVME_ERR_AUTH_FAILED", exitCode: 6 });
      const without = await failure(["connect", uri, ...args]);
      expect(without).toMatchObject({ code: "NVME_ERR_AUTH_REQUIRED", exitCode: 6 });
    });
  });

  test("that wants a proof does not take a target that asks for none", async () => {
    const { uri, served } = await testTarget();
    const both = ["--dhchap-secret-file", hostSecret.file];
    const error = await failure(
      asHost(uri, ...both, "--dhchap-ctrl-secret-file", controllerSecret.file),
    );
    expect(error).toMatchObject({ code: "NVME_ERR_AUTH_CONTROLLER", exitCode: 6 });
    // Without that wish the secret is simply not needed.
    expect((await nvmeof(asHost(uri, ...both))).exitCode).toBe(0);
    await served.close();
  });
});

describe("options", () => {
  const nowhere = "nvme+tcp://127.0.0.1:1/nqn.2024-01.org.example:none";

  test.each([
    [
      "a file that is not there",
      ["--dhchap-secret-file", "/nonexistent/secret"],
      "NVME_ERR_FILE_NOT_FOUND",
      3,
    ],
    [
      "two from stdin",
      ["--dhchap-secret-file", "-", "--dhchap-ctrl-secret-file", "-"],
      "NVME_ERR_USAGE",
      2,
    ],
    ["the controller's alone", ["--dhchap-ctrl-secret-file", hostSecret.file], "NVME_ERR_USAGE", 2],
    ["a hash that there is not", ["--dhchap-digests", "md5"], "NVME_ERR_USAGE", 2],
    ["a group that there is not", ["--dhchap-dhgroups", "toString"], "NVME_ERR_USAGE", 2],
  ])("%s is refused before anything is connected", async (_what, args, code, exitCode) => {
    expect(await failure(asHost(nowhere, ...args))).toMatchObject({ code, exitCode });
  });

  test("[A12] a secret that is none is refused before anything is connected, with where it is from", async () => {
    const file = freshPath("bad");
    writeFileSync(file, hostSecret.text.replace("DHHC-1:01", "DHHC-1:02"), { mode: 0o600 });
    const error = await failure(asHost(nowhere, "--dhchap-secret-file", file));
    expect(error).toMatchObject({ code: "NVME_ERR_AUTH_KEY", exitCode: 2 });
    expect(error.message).toContain(file);
    const env = { NVMEOF_DHCHAP_SECRET: "nonsense" };
    const fromEnv = await failure(asHost(nowhere), { env });
    expect(fromEnv.message).toContain("NVMEOF_DHCHAP_SECRET");
  });

  test.each([
    ["-S", hostSecret.text],
    ["-C", hostSecret.text],
    ["--dhchap-secret", hostSecret.text],
    ["--dhchap-ctrl-secret", hostSecret.text],
    ["--kxchap-secret", hostSecret.text],
    ["--kxchap-ctrl-secret", hostSecret.text],
  ])("C1: %s with a secret is refused, with the way to do it", async (option, text) => {
    const error = await failure(asHost(nowhere, option, text));
    expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
    expect(error.hint).toMatch(/--dhchap-(ctrl-)?secret-file FILE; - is stdin/);
    expect(JSON.stringify(error)).not.toContain(text.slice(10, 30));
  });

  test("no example and no help of any verb has a secret in an argument", () => {
    for (const { examples, details = "", options } of commands) {
      const texts = [...examples, details, ...options().map((each) => each.description)];
      expect(texts.filter((text) => /DHHC-1:\d\d:|-secret (?!file)|-S /.test(text))).toEqual([]);
    }
  });

  test("a file that others can read is warned of", async () => {
    await withTarget(async ({ uri }) => {
      const { file } = secret(1);
      chmodSync(file, 0o640);
      const { stderr, exitCode } = await nvmeof(asHost(uri, "--dhchap-secret-file", file));
      expect(exitCode).toBe(0);
      if (process.platform !== "win32") expect(stderr).toContain(`chmod 600 ${file}`);
    });
  });
});

/** Starts `serve`; when it is ready, `use` may work with it; then it is told to end. */
async function serving(
  args: readonly string[],
  use: (uri: string, run: Run) => Promise<void>,
): Promise<Run> {
  const ready = freshPath("ready.json");
  const all = ["--mem", "1M", "--listen", "127.0.0.1:0", "--discovery-port", "0"];
  const run = start(["serve", ...all, "--ready-file", ready, ...args]);
  await Promise.race([run.stdout.contains("ready\n"), run.ended]);
  try {
    await use((JSON.parse(readFileSync(ready, "utf8")) as { uri: string }).uri, run);
  } finally {
    run.signal("SIGTERM");
    expect(await run.ended).toBe(0);
  }
  return run;
}

describe("serve", () => {
  test("has hosts prove who they are, each with a secret of its own", async () => {
    const other = "nqn.2024-01.org.example:other";
    const args = [
      ["--dhchap-secret-file", `${HOST}=${hostSecret.file}`],
      ["--dhchap-ctrl-secret-file", `${HOST}=${controllerSecret.file}`],
      ["--dhchap-secret-file", `${other}=${wrongSecret.file}`],
    ].flat();
    const run = await serving(["-v", ...args], async (uri) => {
      const both = [
        "--dhchap-secret-file",
        hostSecret.file,
        "--dhchap-ctrl-secret-file",
        controllerSecret.file,
      ];
      expect((await nvmeofJson(asHost(uri, ...both))).data).toMatchObject({
        authentication: { mutual: true },
      });
      const asOther = ["connect", uri, "-q", other, "--dhchap-secret-file"];
      expect((await nvmeof([...asOther, wrongSecret.file])).exitCode).toBe(0);
      expect((await nvmeof([...asOther, hostSecret.file])).exitCode).toBe(6);
    });
    expect(run.stderr.text).toContain(
      `${HOST} has proven who it is, with sha512 and ffdhe3072, and so has this target`,
    );
    expect(run.stderr.text).toContain(`${other}: wrong proof`);
  });

  test("gives all hosts of --allow-host one secret where none has its own", async () => {
    const args = ["--allow-host", HOST, "--dhchap-secret-file", hostSecret.file];
    await serving([...args, "--dhchap-dhgroups", "ffdhe4096"], async (uri) => {
      const { data } = await nvmeofJson(asHost(uri, "--dhchap-secret-file", hostSecret.file));
      expect(data).toMatchObject({ authentication: { dhgroup: "ffdhe4096" } });
      expect((await nvmeof(asHost(uri))).exitCode).toBe(6);
    });
  });

  test.each([
    ["a secret of nobody", ["--dhchap-secret-file", hostSecret.file]],
    ["any host, and some", ["--allow-any-host", "--allow-host", HOST]],
    [
      "any host, and a secret",
      ["--allow-any-host", "--dhchap-secret-file", `${HOST}=${hostSecret.file}`],
    ],
    ["a controller secret alone", ["--dhchap-ctrl-secret-file", `${HOST}=${hostSecret.file}`]],
    ["stdin", ["--dhchap-secret-file", `${HOST}=-`]],
    ["a secret itself", ["--dhchap-secret", hostSecret.text]],
  ])("refuses %s", async (_what, args) => {
    const error = await failure(["serve", "--mem", "1M", "--listen", "127.0.0.1:0", ...args]);
    expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  });

  test("does not warn of strangers where all have to prove who they are", async () => {
    const open = ["--listen", "0.0.0.0:0", "--discovery-port", "0", "--mem", "1M"];
    const args = ["--allow-host", HOST, "--dhchap-secret-file", hostSecret.file];
    const run = start(["serve", ...open, ...args]);
    await run.stdout.contains("ready\n");
    run.signal("SIGTERM");
    expect(await run.ended).toBe(0);
    expect(run.stderr.text).not.toContain("not authenticated");
  });
});

describe("I39: no output has a secret in it", () => {
  /** A secret in every way that it might be written. */
  function written({ key, text }: { key: DhchapKey; text: string }): string[] {
    const bytes = Buffer.from(key.reveal());
    const body = text.slice(10, -1);
    return [
      text,
      body,
      body.slice(0, 16),
      bytes.toString("hex").slice(0, 16),
      bytes.toString("hex").slice(0, 16).toUpperCase(),
      bytes.toString("base64").slice(0, 16),
      bytes.toString("base64url").slice(0, 16),
      [...bytes.subarray(0, 6)].join(","),
      [...bytes.subarray(0, 6)].join(", "),
      [...bytes.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
      bytes.subarray(0, 8).toString("latin1"),
      crc32(bytes).toString(16).padStart(8, "0"),
    ];
  }

  const forbidden = [hostSecret, controllerSecret, wrongSecret].flatMap(written);

  function expectNone(output: string): void {
    expect(output.length).toBeGreaterThan(0);
    for (const text of forbidden) expect(output).not.toContain(text);
  }

  const right = ["--dhchap-secret-file", hostSecret.file];
  const controller = ["--dhchap-ctrl-secret-file", controllerSecret.file];
  const cases: readonly (readonly [string, readonly string[], RunOptions])[] = [
    ["right, both ways", [...right, ...controller], {}],
    ["wrong", ["--dhchap-secret-file", wrongSecret.file], {}],
    ["wrong of the controller", [...right, "--dhchap-ctrl-secret-file", wrongSecret.file], {}],
    ["from stdin", ["--dhchap-secret-file", "-"], { stdin: wrongSecret.text }],
    ["from the environment", [], { env: { NVMEOF_DHCHAP_SECRET: wrongSecret.text } }],
    ["unusable", [...right, "--dhchap-dhgroups", "null"], {}],
    ["spoilt", ["--dhchap-secret-file", "-"], { stdin: `${hostSecret.text}x` }],
    ["spoilt, in the environment", [], { env: { NVMEOF_DHCHAP_SECRET: `x${hostSecret.text}` } }],
    ["on the command line", ["--dhchap-secret", hostSecret.text], {}],
    ["on the command line, mistyped", [`--dhchap-secert=${hostSecret.text}`], {}],
    ["as an argument", [hostSecret.text], {}],
    ["as a file name", ["--dhchap-secret-file", hostSecret.text], {}],
    ["as a host NQN", ["-q", hostSecret.text], {}],
  ];

  test.each(cases)("%s: of a host, whatever it prints", async (_what, args, options) => {
    await withTarget(async ({ uri }) => {
      for (const how of [["-vvv"], ["-vvv", "--json"], ["-o", "json"], []]) {
        const { stdout, stderr } = await nvmeof(asHost(uri, ...args, ...how), options);
        expectNone(stdout + stderr);
      }
    });
  });

  test("of a target, whatever hosts do", async () => {
    const args = [
      ["--dhchap-secret-file", `${HOST}=${hostSecret.file}`],
      ["--dhchap-ctrl-secret-file", `${HOST}=${controllerSecret.file}`],
    ].flat();
    const run = await serving(["-vvv", ...args], async (uri) => {
      await nvmeof(asHost(uri, ...right, ...controller));
      await nvmeof(asHost(uri, "--dhchap-secret-file", wrongSecret.file));
      await nvmeof(asHost(uri));
    });
    expectNone(run.stdout.text + run.stderr.text);
  });

  test("a secret that did get into a text would be noticed", () => {
    for (const text of forbidden) expect(() => expectNone(`x${text}x`)).toThrow();
  });
});
