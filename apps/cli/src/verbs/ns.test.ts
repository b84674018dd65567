// `ns …`, format, sanitize, device-self-test and the resets: against a target that allows them, over TCP.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deviceProvider } from "../device-provider.ts";
import { failure, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

const MIB = 2 ** 20;

let target: TestTarget;
let uri: string;
beforeEach(async () => {
  const provider = deviceProvider({ manageNamespaces: 4 * MIB, erase: "none" });
  target = await testTarget([{}], { provider, erase: "all" });
  ({ uri } = target);
});
afterEach(() => target.served.close());

const data = async (...args: string[]): Promise<unknown> => {
  const { exitCode, error, data: found } = await nvmeofJson(args);
  expect([exitCode, error]).toEqual([0, null]);
  return found;
};
const text = async (...args: string[]): Promise<string> => (await nvmeof(args)).stdout;
const nsids = async (...more: string[]): Promise<unknown> =>
  ((await data("list-ns", uri, ...more)) as { namespaces: number[] }).namespaces;
const firstBlock = async (nsid: number): Promise<number> =>
  (await nvmeof(["read", target.namespace(nsid)])).bytes[0]!;
const fill = (nsid: number, byte: number) =>
  nvmeof(["write", target.namespace(nsid), "--yes"], { stdin: Buffer.alloc(512, byte) });

describe("namespaces", () => {
  test("are created, attached, detached and deleted, in the words of nvme-cli", async () => {
    expect(await text("create-ns", uri, "--nsze", "2048")).toBe(
      "create-ns: Success, created nsid:2\n",
    );
    expect([await nsids(), await nsids("--all")]).toEqual([[1], [1, 2]]);
    expect(await text("attach-ns", uri, "-n", "2")).toBe("attach-ns: Success, nsid:2\n");
    expect(await nsids()).toEqual([1, 2]);
    expect(await text("detach-ns", uri, "-n", "2")).toBe("detach-ns: Success, nsid:2\n");
    expect(await nsids()).toEqual([1]);
    expect(await text("delete-ns", uri, "-n", "2", "--yes")).toBe(
      "delete-ns: Success, deleted nsid:2\n",
    );
    expect(await nsids("--all")).toEqual([1]);
  });

  test("have the size and the blocks that are asked for, and are there at once with --attach", async () => {
    const args = ["--nsze-si", "1M", "--block-size", "4096", "--attach"];
    expect(await data("ns", "create", uri, ...args)).toMatchObject({ nsid: 2 });
    expect(await data("list", uri)).toMatchObject({
      namespaces: [{ nsid: 1 }, { nsid: 2, blockBytes: 4096, blockCount: "256" }],
    });
    await fill(1, 7);
    expect((await nvmeof(["cp", target.namespace(1), target.namespace(2), "--yes"])).exitCode).toBe(
      0,
    );
    expect(await firstBlock(2)).toBe(7);
  });

  test("are attached for other controllers of the same host, and not of others", async () => {
    await data("ns", "create", uri, "--nsze", "8", "--attach");
    const other = ["-q", "nqn.2024-01.org.example:b", "-I", "11111111-2222-3333-4444-555555555555"];
    expect([await nsids(), await nsids(...other)]).toEqual([[1, 2], [1]]);
    await data("ns", "attach", uri, "-n", "2", ...other);
    expect(await nsids(...other)).toEqual([1, 2]);
  });

  test("ns get-id and rescan tell of those that there are", async () => {
    expect(await text("get-ns-id", uri)).toBe("namespace-id: 1\n");
    expect(await data("ns", "rescan", uri)).toEqual({ namespaces: [1] });
  });

  test.each([
    ["too much", ["ns", "create", "--nsze-si", "8M"], { exitCode: 8, nvme: { sct: 1, sc: 0x15 } }],
    ["no size", ["ns", "create"], { exitCode: 2 }],
    ["blocks of 513", ["ns", "create", "--nsze", "8", "--block-size", "513"], { exitCode: 2 }],
    ["attach what is attached", ["ns", "attach", "-n", "1"], { nvme: { sct: 1, sc: 0x18 } }],
    ["attach nothing", ["ns", "attach", "-n", "77"], { nvme: { sct: 0, sc: 0xb } }],
    ["delete the target's own", ["ns", "delete", "-n", "1", "--yes"], { exitCode: 8 }],
    ["delete without a word", ["ns", "delete", "-n", "1"], { code: "NVME_ERR_CONFIRMATION" }],
  ])("%s is refused", async (_what, args, expected) => {
    expect(await failure([...args, uri])).toMatchObject(expected);
    expect(await nsids("--all")).toEqual([1]);
  });

  test("a target that does not allow it has no such command", async () => {
    await using plain = (await testTarget([{}])).served;
    const to = uri.replace(String(target.port), String(plain.address.port));
    expect(await failure(["ns", "create", to, "--nsze", "8"])).toMatchObject({ exitCode: 8 });
    expect(await failure(["format", to, "--yes"])).toMatchObject({ nvme: { sct: 0, sc: 1 } });
    const sanitize = ["sanitize", to, "--sanact", "start-block-erase", "--yes"];
    expect(await failure(sanitize)).toMatchObject({ nvme: { sct: 0, sc: 1 } });
  });
});

describe("erasing", () => {
  test("format leaves nothing of a namespace, once somebody agrees", async () => {
    await fill(1, 7);
    expect(await failure(["format", uri, "-n", "1"])).toMatchObject({
      code: "NVME_ERR_CONFIRMATION",
    });
    expect(await firstBlock(1)).toBe(7);
    expect(await text("format", uri, "-n", "1", "--ses", "1", "--yes")).toBe(
      "Success formatting namespace:1\n",
    );
    expect(await firstBlock(1)).toBe(0);
    expect(await data("format", uri, "--force")).toMatchObject({ nsid: 1 });
  });

  test("format with what a namespace has not is refused", async () => {
    const of = (...args: string[]) => failure(["format", uri, "--yes", ...args]);
    expect(await of("--lbaf", "3")).toMatchObject({ nvme: { sct: 1, sc: 0x0a } });
    expect(await of("--block-size", "8192")).toMatchObject({ exitCode: 2 });
    expect(await of("--ses", "2")).toMatchObject({ exitCode: 8 });
  });

  test("sanitize erases every namespace, and its log tells how it went", async () => {
    await data("ns", "create", uri, "--nsze", "8", "--attach");
    await fill(1, 7);
    await fill(2, 8);
    const args = ["sanitize", uri, "--sanact", "start-overwrite", "--ovrpat", "0x5a5a5a5a"];
    expect(await failure(args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    expect(await data(...args, "--wait", "--yes")).toMatchObject({ state: "completed" });
    expect([await firstBlock(1), await firstBlock(2)]).toEqual([0, 0]);
    expect(await data("sanitize-log", uri)).toMatchObject({ state: "Completed", percent: null });
  });

  test("sanitize takes the numbers of nvme-cli, and nothing else", async () => {
    expect(await text("sanitize", uri, "--sanact", "1")).toBe("sanitize: failure mode left\n");
    expect(
      await failure(["sanitize", uri, "--sanact", "start-crypto-erase", "--yes"]),
    ).toMatchObject({ exitCode: 8 });
    expect(await failure(["sanitize", uri, "--sanact", "burn"])).toMatchObject({ exitCode: 2 });
    expect(await failure(["sanitize", uri])).toMatchObject({ exitCode: 2 });
  });

  test("a self-test tells its result, which stays in the log", async () => {
    expect(await text("device-self-test", uri, "--self-test-code", "2", "--wait")).toBe(
      "self-test (extended): passed\n",
    );
    expect(await data("self-test-log", uri)).toMatchObject({
      operation: 0,
      results: [{ code: "Extended", outcome: "Passed" }],
    });
    expect(await failure(["device-self-test", uri, "--self-test-code", "0"])).toMatchObject({
      exitCode: 2,
    });
  });
});

describe("resets", () => {
  test("reset makes the controller of the command anew", async () => {
    expect(await text("reset", uri)).toMatch(/^reset: live again after .*, as controller \d+\n$/);
    expect(await data("reset", uri)).toMatchObject({ cntlid: expect.any(Number) as number });
  });

  test("subsystem-reset says that the controller cannot", async () => {
    expect(await failure(["subsystem-reset", uri, "--yes"])).toMatchObject({
      code: "NVME_ERR_UNSUPPORTED",
    });
  });
});
