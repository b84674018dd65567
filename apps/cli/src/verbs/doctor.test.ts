// `doctor`: over real sockets, to targets that are well and to peers that are not: it says where it stops.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, nvmeof, nvmeofJson } from "../testing/run.ts";
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
  expect(stdout.trimEnd().split("\n")).toHaveLength(13);
});

describe("it stops", () => {
  test("at the name, where nobody has it", async () => {
    const all = await found(`nvme+tcp://no-such-host.invalid/${NQN}`);
    expect([failedAt(all), all.exitCode]).toEqual(["name", 4]);
    expect(all.steps.filter(({ state }) => state === "not reached")).toHaveLength(12);
  });

  test("at TCP, where nobody listens", async () => {
    const all = await found(`nvme+tcp://127.0.0.1:1/${NQN}`);
    expect([failedAt(all), all.exitCode]).toEqual(["tcp", 4]);
    expect(all.risks.join()).toContain("127.0.0.1:1 does not: ");
  });

  test("at initialisation, where the peer speaks something else", async () => {
    await using web = await rawServer(
      (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n"),
    );
    const all = await found(web.uri);
    expect([failedAt(all), all.exitCode]).toEqual(["initialise", 9]);
    expect(statesOf(all).slice(0, 3)).toEqual(["name skipped", "tcp ok", "tls skipped"]);
  });

  test("at Connect, where the subsystem has another name", async () => {
    const all = await found(target.uri.replace(NQN, "nqn.2024-01.org.example:another"));
    expect([failedAt(all), all.exitCode]).toEqual(["connect", 5]);
  });

  test("at Connect, where the host may not", async () => {
    const picky = await testTarget([{}], { allowedHosts: ["nqn.2024-01.org.example:b"] });
    const all = await found(picky.uri);
    expect([failedAt(all), all.exitCode]).toEqual(["connect", 6]);
    await picky.served.close();
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
