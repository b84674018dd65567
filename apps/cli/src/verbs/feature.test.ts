// `feat …`, get-feature, set-feature and the properties, of a target in this process, over TCP.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";
import { writeFileSync } from "node:fs";
import { type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget([{}, {}]);
});
afterAll(() => target.served.close());

const text = async (...args: string[]): Promise<string> => {
  const { stdout, exitCode, stderr } = await nvmeof(args);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout;
};
const data = async (...args: string[]): Promise<unknown> => (await nvmeofJson(args)).data;

describe("reading", () => {
  test("a feature has its value, and the fields of it", async () => {
    expect(await text("feat", "num-queues", target.uri)).toBe(
      "Number of Queues (0x07), current: 0x007e007e\n  nsq : 127\n  ncq : 127\n",
    );
    expect(await data("feat", "keep-alive-timer", target.uri)).toMatchObject({
      fid: 15,
      value: 10_000,
      fields: { kato: 10_000 },
    });
  });

  test("get-feature has the same by number; without one, all that there are", async () => {
    expect(await data("get-feature", target.uri, "--feature-id", "0xf")).toMatchObject({
      fid: 15,
      value: 10_000,
    });
    const { features } = (await data("get-feature", target.uri)) as { features: { fid: number }[] };
    expect(features.map(({ fid }) => fid)).toEqual(
      expect.arrayContaining([1, 2, 4, 5, 7, 0xa, 0xb, 0xe, 0xf, 0x16, 0x19, 0x81]),
    );
  });

  test("--sel asks for another value, or for what can be set", async () => {
    const of = (which: string) => data("feat", "temp-thresh", target.uri, "--sel", which);
    expect(await of("default")).toMatchObject({ select: "default", value: 0xffff });
    expect(await of("capabilities")).toMatchObject({ fields: { changeable: true } });
    expect(await of("3")).toEqual(await of("capabilities"));
    expect(await failure(["feat", "temp-thresh", target.uri, "--sel", "4"])).toMatchObject({
      exitCode: 2,
    });
  });

  test("data comes as fields, and with -b as it is", async () => {
    expect(await data("feat", "host-behavior", target.uri)).toMatchObject({ fields: { acre: 0 } });
    expect((await nvmeof(["feat", "host-behavior", target.uri, "-b"])).bytes).toHaveLength(512);
    expect(await data("feat", "host-id", target.uri)).toMatchObject({
      fields: { hostid: expect.stringMatching(/^[\da-f]{32}$/) as unknown },
    });
  });

  test("what the controller has not is told with its status", async () => {
    expect(await failure(["feat", "apst", target.uri])).toMatchObject({
      exitCode: 8,
      nvme: { sct: 0, sc: 2 },
    });
  });
});

describe("setting", () => {
  test("a feature of a namespace lasts", async () => {
    const of = () => data("feat", "write-protect", target.namespace(2));
    expect(await of()).toMatchObject({ value: 0 });
    await text("feat", "write-protect", target.namespace(2), "--value", "1", "--yes", "--silent");
    expect(await of()).toMatchObject({ value: 1, fields: { wps: 1 } });
    const refused = await failure(["write", target.namespace(2), "--yes"], {
      stdin: Buffer.alloc(512),
    });
    expect(refused).toMatchObject({ code: "NVME_ERR_READ_ONLY" });
    const args = ["--feature-id", "0x84", "--value", "0", "-n", "2", "--yes"];
    expect((await nvmeof(["set-feature", target.uri, ...args])).exitCode).toBe(0);
    expect(await of()).toMatchObject({ value: 0 });
  });

  test("data comes from a file", async () => {
    const file = freshPath("timestamp");
    writeFileSync(file, Buffer.from([1, 2, 3, 4, 5, 6, 0, 0]));
    const set = await nvmeofJson(["feat", "timestamp", target.uri, "-d", file, "--yes"]);
    expect(set).toMatchObject({ exitCode: 0, data: { fid: 14 } });
    writeFileSync(file, "short");
    expect(await failure(["feat", "timestamp", target.uri, "-d", file, "--yes"])).toMatchObject({
      exitCode: 2,
    });
  });

  test("nothing is set unless somebody agrees", async () => {
    const args = ["feat", "write-protect", target.namespace(1), "--value", "1"];
    expect(await failure(args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    expect(await data("feat", "write-protect", target.namespace(1))).toMatchObject({ value: 0 });
  });

  test("the controller refuses what it cannot", async () => {
    const args = ["set-feature", target.uri, "--feature-id", "0x6", "--value", "1", "--yes"];
    expect(await failure(args)).toMatchObject({ exitCode: 8 });
    const bare = ["set-feature", target.uri, "--value", "1", "--yes"];
    expect(await failure(bare)).toMatchObject({ exitCode: 2 });
  });
});

describe("properties", () => {
  test("show-regs has them all, with -H their fields", async () => {
    const { properties } = (await data("show-regs", target.uri)) as {
      properties: { name: string; value: string; fields: object }[];
    };
    expect(properties.map(({ name }) => name)).toEqual(["cap", "vs", "cc", "csts", "crto"]);
    expect(properties[3]).toMatchObject({ value: "0x1", fields: { rdy: 1 } });
    const human = await text("show-regs", target.uri, "-H");
    expect(human).toContain("vs   : 0x00020000 (NVMe 2.0.0)\n");
    expect(human).toMatch(/^csts : 0x00000001\n {2}rdy +: 1\n/m);
  });

  test("get-property has one", async () => {
    expect(await text("get-property", target.uri, "--offset", "0x8")).toBe(
      "vs   : 0x00020000 (NVMe 2.0.0)\n",
    );
    expect(await data("get-reg", target.uri, "--offset", "0")).toMatchObject({ name: "cap" });
    expect(await failure(["get-property", target.uri, "--offset", "4"])).toMatchObject({
      exitCode: 8,
    });
  });

  test("set-property sets one of 4 bytes, once somebody agrees", async () => {
    const args = ["set-property", target.uri, "--offset", "0x14", "--value", "0x460061"];
    expect(await failure(args)).toMatchObject({ code: "NVME_ERR_CONFIRMATION" });
    expect(await nvmeofJson([...args, "--yes"])).toMatchObject({
      exitCode: 0,
      data: { name: "cc", value: 0x46_0061 },
    });
    const wide = ["set-reg", target.uri, "--offset", "0", "--value", "1", "--yes"];
    expect(await failure(wide)).toMatchObject({ exitCode: 2, message: "Cap cannot be written" });
  });
});
