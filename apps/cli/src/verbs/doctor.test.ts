// `doctor`: over real sockets, to targets that are well and to peers that are not: it says where it stops.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { DhchapKey, TlsKey } from "@nvmeof/codec/auth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";
import { neverReady } from "../testing/never-ready.ts";
import { stranger } from "../testing/strangers.ts";
import { NQN, type TestTarget, rawServer, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget([{}]);
});
afterAll(() => target.served.close());

interface Found {
  readonly steps: readonly {
    readonly step: string;
    readonly state: string;
    readonly said: string;
  }[];
  readonly risks: readonly string[];
}

const found = async (...args: string[]): Promise<Found & { readonly exitCode: number }> => {
  const { data, exitCode } = await nvmeofJson(["doctor", ...args]);
  return { ...(data as Found), exitCode };
};
const failedAt = ({ steps }: Found): string | undefined =>
  steps.find(({ state }) => state === "failed")?.step;
const statesOf = ({ steps }: Found): string[] => steps.map(({ step, state }) => `${step} ${state}`);

test("a target that is well passes every step, in their order", async () => {
  const all = await found(target.uri);
  expect(statesOf(all)).toEqual([
    "name skipped",
    "tcp ok",
    "tls skipped",
    "initialise ok",
    "connect ok",
    "authenticate skipped",
    "enable ok",
    "identify ok",
    "queues ok",
    "discovery ok",
    "namespaces ok",
    "read ok",
    "keep-alive ok",
    "disconnect ok",
  ]);
  expect([all.exitCode, all.risks]).toEqual([0, []]);
});

test("people get a line for each step", async () => {
  const { stdout, stderr, exitCode } = await nvmeof(["doctor", target.uri]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(
    /^✓ tcp +127\.0\.0\.1:\d+ connects in .*\n- tls +skipped: not asked for\n/m,
  );
  expect(stdout.trimEnd().split("\n")).toHaveLength(14);
});

test("what was negotiated is named, and what discovery knows", async () => {
  const { steps } = await found(target.uri, "-g");
  const said = (name: string): string | undefined => steps.find(({ step }) => step === name)?.said;
  expect(said("initialise")).toMatch(/^digests: header; MAXH2CDATA .*B; PDA 4 bytes$/);
  expect(said("discovery")).toBe("the controller at this port knows it, by 1 path");
});

describe("it stops", () => {
  interface Stop extends AsyncDisposable {
    readonly uri: string;
    readonly args?: readonly string[];
  }
  const closing = ({ uri, served }: TestTarget, ...args: string[]): Stop => ({
    uri,
    args,
    [Symbol.asyncDispose]: async () => void (await served.close()),
  });
  const nowhere = (uri: string, ...args: string[]): Stop => ({
    uri,
    args,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  const withArgs = (stop: Stop, ...args: string[]): Stop => ({
    uri: stop.uri,
    args,
    [Symbol.asyncDispose]: () => stop[Symbol.asyncDispose](),
  });
  const key = new TlsKey(new Uint8Array(32).fill(0xa5));
  const secret = new DhchapKey(new Uint8Array(32).fill(0x5a), 1);
  const keyFile = freshPath("tls.key");
  writeFileSync(keyFile, key.revealText(), { mode: 0o600 });
  const HOST = "nqn.2024-01.org.example:host";

  test.each<[at: string, why: string, stop: () => Promise<Stop>, exitCode: number, said: RegExp]>([
    [
      "name",
      "where nobody has it",
      async () => nowhere(`nvme+tcp://no-such-host.invalid/${NQN}`),
      4,
      /the name is unknown\. Check its spelling/,
    ],
    [
      "tcp",
      "where nobody listens",
      async () => nowhere(`nvme+tcp://127.0.0.1:1/${NQN}`),
      4,
      /connection refused\. Nothing listens there/,
    ],
    [
      "initialise",
      "where the peer takes everything and says nothing",
      async () => withArgs(await stranger("silent"), "--connect-timeout", "100ms"),
      7,
      /no answer to the initialisation.* does not speak NVMe\/TCP, or is frozen/,
    ],
    [
      "initialise",
      "where it speaks HTTP",
      () => stranger("http"),
      9,
      /speaks HTTP.* Check the port/,
    ],
    ["initialise", "where it speaks SSH", () => stranger("ssh"), 9, /speaks SSH/],
    ["initialise", "where it wants TLS", () => stranger("tls"), 9, /speaks TLS.*--tls-key-file/],
    ["initialise", "where it goes at once", () => stranger("closing"), 4, /at this port\?/],
    [
      "initialise",
      "where a target of ours wants TLS",
      async () => closing(await testTarget([{}], { tls: { key } })),
      4,
      /may want TLS/,
    ],
    [
      "tls",
      "where there is none",
      async () => closing(await testTarget([{}]), "--tls-key-file", keyFile),
      9,
      /does not speak TLS.* Is TLS set up/,
    ],
    [
      "connect",
      "where the subsystem has another name",
      async () => nowhere(target.uri.replace(NQN, "nqn.2024-01.org.example:another")),
      5,
      /SUBNQN.*No such subsystem there/,
    ],
    [
      "connect",
      "where the host may not",
      async () => closing(await testTarget([{}], { allowedHosts: ["nqn.2024-01.org.example:b"] })),
      6,
      /Allow this host NQN/,
    ],
    [
      "authenticate",
      "where a secret is wanted",
      async () =>
        closing(
          await testTarget([{}], { allowedHosts: [{ nqn: HOST, dhchap: { hostKey: secret } }] }),
          "-q",
          HOST,
        ),
      6,
      /requires authentication.*--dhchap-secret-file/,
    ],
    [
      "namespaces",
      "where there is no such",
      async () => nowhere(target.namespace(9)),
      3,
      /there is no namespace 9/,
    ],
  ])("at %s, %s", async (at, _why, start, exitCode, said) => {
    await using stop = await start();
    const all = await found(stop.uri, ...(stop.args ?? []));
    expect([failedAt(all), all.exitCode]).toEqual([at, exitCode]);
    expect(all.steps.find(({ state }) => state === "failed")?.said).toMatch(said);
    const states = all.steps.map(({ state }) => state);
    const place = states.indexOf("failed");
    expect(states.slice(0, place)).not.toContain("not reached");
    // A way that has failed is still left in order.
    for (const { step, state } of all.steps.slice(place + 1)) {
      expect([step, state]).toEqual([
        step,
        step === "disconnect" || step === "discovery" ? expect.any(String) : "not reached",
      ]);
    }
  });

  test("at Connect, and says which subsystems there are", async () => {
    const all = await found(target.uri.replace(NQN, "nqn.2024-01.org.example:another"));
    const { said } = all.steps.find(({ step }) => step === "discovery")!;
    expect(said).toBe(`the controller at this port does not know it; it knows ${NQN}`);
  });

  test("where a controller never gets ready", async () => {
    await using frozen = await rawServer(neverReady);
    const all = await found(frozen.uri, "--connect-timeout", "200ms");
    expect([failedAt(all), all.exitCode]).toEqual(["enable", 7]);
  });

  test("at the namespace, where there is no such; it still leaves in order", async () => {
    const all = await found(target.namespace(9));
    expect([failedAt(all), all.exitCode]).toEqual(["namespaces", 3]);
    expect(statesOf(all)).toContain("read not reached");
    expect(statesOf(all)).toContain("disconnect ok");
  });

  test("and people see how far it came, beside the error", async () => {
    const { stdout, stderr, exitCode } = await nvmeof(["doctor", target.namespace(9)]);
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/^✗ namespaces +failed: /m);
    expect(stderr).toMatch(/^nvmeof: .*\(NVME_ERR_NO_NAMESPACE\)\n/);
  });
});

test("risks are told, and with --strict end it with 12", async () => {
  const risky = [target.uri, "-k", "0"];
  const all = await found(...risky);
  expect([all.exitCode, all.risks]).toEqual([
    0,
    ["there is no keep-alive: a silent controller is not noticed"],
  ]);
  expect(await failure(["doctor", ...risky, "--strict"])).toMatchObject({
    code: "NVME_ERR_RISK",
    exitCode: 12,
  });
  const none = await testTarget([]);
  expect((await found(none.uri)).risks).toEqual([
    "the subsystem has no namespace that this host can see",
  ]);
  await none.served.close();
});

describe("--bundle", () => {
  test("has what was found, and names nobody", async () => {
    const file = freshPath("bundle.json");
    const HOST = "nqn.2024-01.org.example:somebodys-laptop";
    const { exitCode } = await nvmeof(["doctor", target.uri, "-q", HOST, "--bundle", file]);
    expect(exitCode).toBe(0);
    const text = readFileSync(file, "utf8");
    const { steps, risks, error } = JSON.parse(text) as Found & { error: unknown };
    expect([statesOf({ steps, risks }).at(-1), risks, error]).toEqual(["disconnect ok", [], null]);
    for (const name of [NQN, HOST, "127.0.0.1"]) expect(text).not.toContain(name);
    expect(text).toContain("of (subsystem NQN)");
    if (process.platform !== "win32") expect(statSync(file).mode & 0o077).toBe(0);
  });

  test("says why it stopped, and is told where it cannot be written", async () => {
    const file = freshPath("bundle.json");
    await nvmeof(["doctor", target.namespace(9), "--bundle", file]);
    const { error } = JSON.parse(readFileSync(file, "utf8")) as { error: unknown };
    expect(error).toMatchObject({ code: "NVME_ERR_NO_NAMESPACE", peer: null });
    const error2 = await failure(["doctor", target.uri, "--bundle", `${file}/x`]);
    expect(error2).toMatchObject({ code: "NVME_ERR_FILE" });
  });
});
