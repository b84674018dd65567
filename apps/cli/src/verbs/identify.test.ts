// `id …`: Identify structures of a target in this process, over TCP; and those that ours has not, from bytes.

import { Cns, NSID_ALL, encode, viewOf } from "@nvmeof/codec";
import {
  ExtendedLbaFormat,
  PrimaryControllerCapabilities,
  extendedLbaFormatOffset,
} from "@nvmeof/codec/management";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { identifyRows } from "../identify/rows.ts";
import { deviceProvider } from "../device-provider.ts";
import { styleFor } from "../style.ts";
import { Kept, failure, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";

const UUID = "01234567-89ab-4def-8123-456789abcdef";

let target: TestTarget;
beforeAll(async () => {
  const provider = deviceProvider({ manageNamespaces: 2 ** 20, erase: "none" });
  target = await testTarget([{ identity: { uuid: UUID } }, { blockBytes: 4096 }], { provider });
});
afterAll(() => target.served.close());

const text = async (...args: string[]): Promise<string> => {
  const { stdout, stderr, exitCode } = await nvmeof(args);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout;
};
const data = async (...args: string[]): Promise<unknown> => (await nvmeofJson(args)).data;

describe("lists", () => {
  test("namespaces have the form of nvme-cli, and begin after the one that is named", async () => {
    expect(await text("id", "ns-list", target.uri)).toBe("[   0]:0x1\n[   1]:0x2\n");
    expect(await text("list-ns", target.uri, "--all")).toBe("[   0]:0x1\n[   1]:0x2\n");
    expect(await data("list-ns", target.uri, "-n", "1")).toEqual({ namespaces: [2] });
    expect(await data("list-ns", target.uri, "--csi", "0")).toEqual({ namespaces: [1, 2] });
    expect(await text("id", "ns-list", target.uri, "-N", "2")).toBe("no namespaces\n");
    const compat = await text("list-ns", target.uri, "--compat", "nvme-cli");
    expect(JSON.parse(compat)).toEqual({ nsid_list: [{ nsid: 1 }, { nsid: 2 }] });
  });

  test("controllers are those that are connected, of which this command has one", async () => {
    const { controllers } = (await data("id", "ctrl-list", target.uri)) as {
      controllers: number[];
    };
    expect(controllers).toHaveLength(1);
    const [cntlid] = controllers;
    const ofNamespace = await data("list-ctrl", target.uri, "-n", "1");
    expect(ofNamespace).toEqual({ controllers: [cntlid! + 1] });
    const compat = JSON.parse(await text("list-ctrl", target.uri, "--compat", "nvme-cli"));
    expect(compat).toEqual({ num_ctrl: 1, ctrl_list: [{ ctrl_id: cntlid! + 2 }] });
    expect(await text("list-ctrl", target.uri, "--cntid", "60000")).toBe("no controllers\n");
  });

  test("endurance groups and command sets", async () => {
    expect(await text("list-endgrp", target.uri)).toBe("[   0]:0x1\n");
    expect(await data("id-iocs", target.uri)).toEqual({
      combinations: [{ index: 0, vector: "0x1", commandSets: "NVM" }],
    });
  });
});

describe("structures", () => {
  test("the identifiers of a namespace", async () => {
    expect(await data("ns-descs", target.uri, "-N", "1")).toEqual({
      eui64: null,
      nguid: null,
      uuid: UUID,
      csi: "NVM",
    });
    expect(await text("id", "ns-descs", target.uri, "-n", "1")).toContain(`uuid  : ${UUID}\n`);
  });

  test("-H says what bits mean", async () => {
    const plain = await text("cmdset-ind-id-ns", target.namespace(1));
    expect(plain).toContain("nmic     : 0x1\n");
    expect(plain).toContain("nrdy     : 1\n");
    const human = await text("id", "ns-ind", target.namespace(1), "-H");
    expect(human).toContain("nmic     : 0x1 (shared)\n");
    const controller = await text("id-ctrl", target.uri, "-H");
    expect(controller).toMatch(/^oncs +: 0x[\da-f]+ \(.*compare.*\)$/im);
  });

  test("the NVM command set has its own", async () => {
    expect(await data("nvm-id-ctrl", target.uri)).toMatchObject({ vsl: 0, dmrl: 255 });
    expect(await data("nvm-id-ns", target.namespace(2))).toMatchObject({ lbstm: 0n.toString() });
    const { stdout } = await nvmeof(["id", "nvm-ns", target.namespace(2)]);
    expect(stdout).toContain("no format has extended fields\n");
  });

  test("-b gives the bytes as they are", async () => {
    const { bytes } = await nvmeof(["id", "ns-list", target.uri, "-b"]);
    expect(bytes).toHaveLength(4096);
    expect([...bytes.subarray(0, 8)]).toEqual([1, 0, 0, 0, 2, 0, 0, 0]);
  });

  test("id ns --force tells of a namespace that is allocated and not attached", async () => {
    const made = await nvmeofJson(["ns", "create", target.uri, "--nsze", "8"]);
    const { nsid } = made.data as { nsid: number };
    const gone = await failure(["id", "ns", target.uri, "-n", String(nsid)]);
    expect(gone).toMatchObject({ exitCode: 3 });
    const there = await data("id", "ns", target.uri, "-n", String(nsid), "--force");
    expect(there).toMatchObject({ nsze: "8" });
  });
});

test("what a controller has not is told with its status", async () => {
  const refusal = await failure(["id-nvmset", target.uri]);
  expect(refusal).toMatchObject({ code: "NVME_ERR_STATUS", exitCode: 8, nvme: { sct: 0, sc: 2 } });
  // nvme-cli's option, and what is missing without it.
  expect(await failure(["id-ns-lba-format", target.uri])).toMatchObject({ exitCode: 2 });
});

const style = styleFor("never", new Kept(), {});

describe("what our target has not, from bytes", () => {
  const page = (fill: (view: DataView) => void): Uint8Array => {
    const bytes = new Uint8Array(4096);
    fill(viewOf(bytes));
    return bytes;
  };
  const primary = page((view) => {
    encode(PrimaryControllerCapabilities, view, 0, { cntlid: 1, vqfrt: 64, vqgran: 2 });
  });
  const lbaFormats = page((view) => {
    view.setUint8(25, 1);
    view.setUint32(128 + 4, 0x000c_0008, true);
  });
  const extended = page((view) => {
    encode(ExtendedLbaFormat, view, extendedLbaFormatOffset(1), { sts: 48, pif: 2 });
  });

  test.each([
    ["ns-lba-format", { lbaFormatIndex: 1 }, lbaFormats, { lbaFormat: 1, ms: 8, lbads: 12 }],
    ["nvm-ns-lba-format", { lbaFormatIndex: 1 }, extended, { lbaFormat: 1, sts: 48, pif: 2 }],
    ["primary-ctrl-caps", {}, primary, { cntlid: 1, vqfrt: 64, vqgran: 2 }],
    ["nvmset", {}, page(() => {}), { nvmSets: [] }],
    ["uuid", {}, page(() => {}), { uuids: [] }],
    ["domain", {}, page(() => {}), { domains: [] }],
    ["secondary-ctrl-list", {}, page(() => {}), { controllers: [] }],
  ] as const)("id %s %j", (name, options, bytes, expected) => {
    const shown = identifyRows[name]!.show(bytes, options as never);
    expect(shown.data).toMatchObject(expected);
    expect(shown.text(style)).toMatch(/\S\n$/);
  });

  test("tables have a line for each entry", () => {
    const sets = page((view) => {
      view.setUint8(0, 2);
      view.setUint16(128, 1, true);
      view.setUint16(256, 7, true);
    });
    const shown = identifyRows["nvmset"]!.show(sets, {} as never);
    expect(shown.data).toMatchObject({ nvmSets: [{ nvmsetid: 1 }, { nvmsetid: 7 }] });
    expect(shown.text(style).trimEnd().split("\n")).toHaveLength(3);
  });

  test("what is asked for comes from the options", () => {
    const { "ns-lba-format": format, nvmset, "ns-list": list } = identifyRows;
    expect(format!.ask!({ lbaFormatIndex: 3, uuidIndex: 2 } as never)).toEqual({
      cnssid: 3,
      uidx: 2,
    });
    expect(format!.nsid).toBe(NSID_ALL);
    expect(nvmset!.ask!({ nvmsetId: 9 } as never)).toEqual({ cnssid: 9 });
    expect(list!.cns({ all: true, csi: 2 } as never)).toBe(Cns.CommandSetAllocatedNamespaces);
  });
});
