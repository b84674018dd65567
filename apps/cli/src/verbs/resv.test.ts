// `resv …`: two hosts that share a namespace of a target in this process, over TCP.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failure, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

const hosts = {
  a: ["-q", "nqn.2024-01.org.example:a", "-I", "aaaaaaaa-0000-4000-8000-000000000000"],
  b: ["-q", "nqn.2024-01.org.example:b", "-I", "bbbbbbbb-0000-4000-8000-000000000000"],
};
type Who = keyof typeof hosts;

let target: TestTarget;
let uri: string;
beforeEach(async () => {
  target = await testTarget([{}]);
  uri = target.namespace(1);
});
afterEach(() => target.served.close());

const resv = async (who: Who, ...args: string[]): Promise<string> => {
  const [verb = "", ...more] = args;
  const { exitCode, stdout, stderr } = await nvmeof(["resv", verb, uri, ...hosts[who], ...more]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout;
};
const refused = (who: Who, ...args: string[]) => {
  const [verb = "", ...more] = args;
  return failure(["resv", verb, uri, ...hosts[who], ...more]);
};
const report = async (): Promise<unknown> =>
  (await nvmeofJson(["resv", "report", uri, ...hosts.a])).data;
const write = async (who: Who): Promise<number> =>
  (await nvmeof(["write", uri, "--yes", ...hosts[who]], { stdin: Buffer.alloc(512) })).exitCode;
const read = async (who: Who): Promise<number> =>
  (await nvmeof(["read", uri, ...hosts[who]])).exitCode;

const conflict = { exitCode: 8, nvme: { sct: 0, sc: 0x83 } };

test("nobody is registered at first", async () => {
  expect(await report()).toMatchObject({ generation: 0, rtype: 0, registrants: [] });
  expect(await resv("a", "report")).toContain("registrants : 0\n");
});

describe("write exclusive", () => {
  beforeEach(async () => {
    await resv("a", "register", "--nrkey", "0xa");
    await resv("a", "acquire", "--crkey", "0xa", "--rtype", "1");
  });

  test("is for its holder alone, beyond the connection that has asked for it", async () => {
    expect([await write("a"), await write("b"), await read("b")]).toEqual([0, 8, 0]);
    expect(await report()).toMatchObject({
      rtype: 1,
      type: "write exclusive",
      registrants: [{ holds: true, rkey: "10", hostid: "aaaaaaaa000040008000000000000000" }],
    });
    expect(await resv("a", "report")).toMatch(/^ +\d+ {2}yes +0xa {2}aaaaaaaa0000/m);
  });

  test("ends with its release", async () => {
    expect(await resv("a", "release", "--crkey", "0xa", "--rtype", "1")).toBe(
      "NVME Reservation success\n",
    );
    expect(await write("b")).toBe(0);
    expect(await report()).toMatchObject({ rtype: 0, registrants: [{ holds: false }] });
  });

  test("is preempted by a host that says so, and agrees", async () => {
    await resv("b", "register", "--nrkey", "0xb");
    const args = ["acquire", "--crkey", "0xb", "--prkey", "0xa", "--rtype", "1", "--racqa", "1"];
    expect(await refused("b", ...args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    await resv("b", ...args, "--yes");
    expect([await write("a"), await write("b")]).toEqual([8, 0]);
    expect(await report()).toMatchObject({ registrants: [{ holds: true, rkey: "11" }] });
  });

  test("goes with everything else when it is cleared", async () => {
    const args = ["release", "--crkey", "0xa", "--rrela", "1"];
    expect(await refused("a", ...args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    await resv("a", ...args, "--yes");
    expect(await report()).toMatchObject({ rtype: 0, registrants: [] });
  });
});

test("a key is replaced, and unregistered", async () => {
  await resv("a", "register", "--nrkey", "1");
  await resv("a", "register", "--crkey", "1", "--nrkey", "0xffffffffffffffff", "--rrega", "2");
  expect(await report()).toMatchObject({ registrants: [{ rkey: "18446744073709551615" }] });
  await resv("a", "register", "--rrega", "1", "--iekey");
  expect(await report()).toMatchObject({ registrants: [] });
});

test.each([
  ["a key that it has not", ["register", "--crkey", "9", "--nrkey", "2", "--rrega", "2"], conflict],
  ["acquire without a key", ["acquire", "--crkey", "9", "--rtype", "1"], conflict],
  ["a type that there is not", ["acquire", "--crkey", "1", "--rtype", "9"], { exitCode: 8 }],
  ["more than 64 bits", ["register", "--nrkey", "0x10000000000000000"], { exitCode: 2 }],
  ["no number", ["register", "--nrkey", "key"], { exitCode: 2 }],
])("%s is refused", async (_what, args, expected) => {
  await resv("a", "register", "--nrkey", "1");
  expect(await refused("a", ...args)).toMatchObject(expected);
});

test("the report has the form of nvme-cli, and its bytes", async () => {
  await resv("a", "register", "--nrkey", "0xa");
  const args = ["resv-report", uri, ...hosts.a];
  const compat = JSON.parse((await nvmeof([...args, "--compat", "nvme-cli"])).stdout) as unknown;
  expect(compat).toMatchObject({
    gen: 1,
    rtype: 0,
    regctl: 1,
    ptpls: 0,
    regctlext: [{ rcsts: 0, rkey: 10, hostid: "aaaaaaaa000040008000000000000000" }],
  });
  expect((await nvmeof([...args, "-b", "--numd", "31"])).bytes).toHaveLength(128);
});
