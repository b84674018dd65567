// `log …` and `get-log`: the logs of a target in this process, over TCP; and those that ours has not, from bytes.

import { readFileSync } from "node:fs";
import { EntryLogHeader, LostHostEntry, ParseError, encode, viewOf } from "@nvmeof/codec";
import { LbaStatusLogHeader, PersistentEventHeader } from "@nvmeof/codec/management";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { moreLogRows } from "../logs/more-rows.ts";
import { styleFor } from "../style.ts";
import { Kept, failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";
import { NQN, type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget([{}, {}], { erase: "all" });
});
afterAll(() => target.served.close());

const text = async (...args: string[]): Promise<string> => {
  const { stdout, stderr, exitCode } = await nvmeof(args);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout;
};
const data = async (...args: string[]): Promise<unknown> => (await nvmeofJson(args)).data;
const compat = async (...args: string[]): Promise<unknown> =>
  JSON.parse(await text(...args, "--compat", "nvme-cli"));

describe("every log of our target", () => {
  test.each([
    ["log smart", "smart-log", /^cw {4}: 0x0\nctemp : 25 °C \(298 K\)\n/],
    ["log error", "error-log", /^no errors\n$/],
    ["log fw", "fw-log", /^activeSlot : 1\nnextSlot {3}: 0\nslot 1 {5}: 1\n$/],
    ["log changed-ns-list", "changed-ns-list-log", /^no namespace has changed\n$/],
    ["log effects", "effects-log", /^I\/O {4}0x01 {4}Write {2,}changes data$/m],
    ["log ana", "ana-log", /^ +1 {2}optimized \(0x01\) +0 {2}1, 2\n$/m],
    ["log supported-pages", "supported-log-pages", /^0x0c {2}ANA/m],
    ["log self-test", "self-test-log", /^running : none\nno test has ended yet\n$/],
    ["log telemetry", "telemetry-log", /^00000200 {2}7b 22 /m],
    ["log endurance", "endurance-log", /^avsp {5}: 100$/m],
    ["log fid-effects", "fid-support-effects-log", /^0x84 {2}Namespace Write Protection +namesp/m],
    ["log resv-notif", "resv-notif-log", /^rnlpt : 0 \(empty\)$/m],
    ["log sanitize", "sanitize-log", /^state {14}: never\nprogress {11}: -$/m],
  ])("%s, which nvme-cli calls %s", async (name, alias, expected) => {
    expect(await text(...name.split(" "), target.uri)).toMatch(expected);
    expect(await text(alias, target.uri)).toMatch(expected);
    const { exitCode, schema, error } = await nvmeofJson([alias, target.uri]);
    expect([exitCode, schema, error]).toEqual([0, `nvmeof/${name.replace(" ", "-")}`, null]);
    const { bytes } = await nvmeof([alias, target.uri, "-o", "binary"]);
    expect(bytes.length).toBeGreaterThanOrEqual(16);
    expect(bytes.length % 4).toBe(0);
  });

  test("what a log says is in the JSON, by the names of the specification", async () => {
    expect(await data("log", "smart", target.uri)).toMatchObject({
      ctemp: 298,
      avsp: 100,
      pwrc: "1",
    });
    expect(await data("log", "ana", target.uri)).toMatchObject({
      groups: [{ anagrpid: 1, stateName: "Optimized", nsids: [1, 2] }],
    });
    expect(await data("log", "ana", target.uri, "--groups")).toMatchObject({
      groups: [{ anagrpid: 1, nsids: [] }],
    });
    expect(await data("log", "effects", target.uri)).toMatchObject({
      commands: expect.arrayContaining([
        expect.objectContaining({ queue: "io", opcode: 1, name: "Write", lbcc: 1 }),
      ]) as unknown,
    });
  });

  test("the discovery log is asked of a discovery controller", async () => {
    expect(await text("log", "discovery", target.discovery)).toContain(`${NQN} `);
    const { records } = (await data("discovery-log", target.discovery)) as { records: object[] };
    expect(records).toHaveLength(2);
    expect(await failure(["log", "discovery", target.uri])).toMatchObject({ exitCode: 2 });
  });

  test("telemetry is gathered anew, or as it was, up to a data area, into a file", async () => {
    const file = freshPath("telemetry");
    const { exitCode } = await nvmeof(["telemetry-log", target.uri, "--output-file", file]);
    expect(exitCode).toBe(0);
    const whole = readFileSync(file);
    expect(whole[0]).toBe(7);
    expect(whole.length).toBeGreaterThan(512);
    // A controller of its own has gathered nothing before.
    const old = ["telemetry-log", target.uri, "--host-generate", "0", "-b"];
    expect((await nvmeof(old)).bytes).toHaveLength(512);
    const byController = ["telemetry-log", target.uri, "--controller-init"];
    expect(await failure(byController)).toMatchObject({ nvme: { sct: 1, sc: 9 } });
  });

  test("smart tells what one namespace has read and written", async () => {
    await nvmeof(["write", target.namespace(2), "--yes"], { stdin: Buffer.alloc(512) });
    expect(await data("smart-log", target.uri, "-n", "2")).toMatchObject({ hwc: "1", duw: "1" });
    expect(await data("smart-log", target.uri, "-n", "1")).toMatchObject({ hwc: "0" });
  });
});

describe("--compat nvme-cli", () => {
  test("smart-log", async () => {
    expect(await compat("smart-log", target.uri)).toMatchObject({
      critical_warning: 0,
      temperature: 298,
      avail_spare: 100,
      power_cycles: 1,
      thm_temp2_total_time: 0,
    });
  });

  test("error-log has an entry for each place of the log", async () => {
    const { errors } = (await compat("error-log", target.uri, "-e", "4")) as { errors: object[] };
    expect(errors).toHaveLength(4);
    expect(errors[0]).toMatchObject({ error_count: 0, status_field: 0, parm_error_location: 0 });
  });

  test("ana-log, supported-log-pages, endurance-log", async () => {
    expect(await compat("ana-log", target.uri)).toMatchObject({
      ngrps: 1,
      "ANA DESC LIST ": [
        { grpid: 1, nnsids: 2, state: "optimized", NSIDS: [{ nsid: 1 }, { nsid: 2 }] },
      ],
    });
    const { supported_logs: logs } = (await compat("supported-log-pages", target.uri)) as {
      supported_logs: { lid: number }[];
    };
    expect(logs.map(({ lid }) => lid)).toContain(12);
    expect(await compat("endurance-log", target.uri)).toMatchObject({ avl_spare: 100 });
  });

  test("goes without a verb that has none", async () => {
    expect(await failure(["log", "fw", target.uri, "--compat", "nvme-cli"])).toMatchObject({
      exitCode: 2,
      message: "unknown option '--compat'",
    });
  });
});

describe("get-log", () => {
  test("gives any log as bytes, from an offset on", async () => {
    const whole = await nvmeof(["get-log", target.uri, "--log-id", "2", "--log-len", "512", "-b"]);
    expect(whole.bytes).toHaveLength(512);
    const args = ["--log-id", "0x2", "--log-len", "16", "--lpo", "112"];
    const { bytes } = await nvmeof(["get-log", target.uri, ...args, "-o", "binary"]);
    expect(bytes).toEqual(whole.bytes.subarray(112, 128));
    const { data: found } = await nvmeofJson(["get-log", target.uri, ...args]);
    expect(found).toMatchObject({ lid: 2, bytes: 16 });
    expect(await text("get-log", target.uri, ...args)).toMatch(/^00000070 {2}01 00 /);
  });

  test.each([
    [["--log-id", "0x70"], { exitCode: 8, nvme: { sct: 1, sc: 9 } }],
    [["--log-id", "2", "--log-len", "7"], { exitCode: 2 }],
    [["--log-id", "300"], { exitCode: 2 }],
    [[], { exitCode: 2, message: "required option '--log-id <lid>' not specified" }],
  ])("%j is refused", async (args, expected) => {
    expect(await failure(["get-log", target.uri, ...args])).toMatchObject(expected);
  });
});

const style = styleFor("never", new Kept(), {});

describe("what our target has not, from bytes", () => {
  const show = (name: string, bytes: Uint8Array) =>
    moreLogRows[name]!.show(bytes, {} as never, undefined as never);

  test("it is told with its status", async () => {
    for (const name of ["persistent-event", "predictable-lat", "lba-status", "boot-part"]) {
      expect(await failure(["log", name, target.uri])).toMatchObject({ nvme: { sct: 1, sc: 9 } });
    }
  });

  test("a log with a head of its own has fields, and bytes behind them", () => {
    const log = new Uint8Array(PersistentEventHeader.size + 16).fill(0xab, 512);
    encode(PersistentEventHeader, viewOf(log), 0, { lid: 13, tnev: 3, sn: "S1" });
    const shown = show("persistent-event", log);
    expect(shown.data).toMatchObject({ tnev: 3, sn: "S1" });
    expect(shown.text(style)).toContain("00000200  ab ab ");
  });

  test("hosts that were lost are a table", () => {
    const log = new Uint8Array(4096);
    viewOf(log).setUint16(0, 1, true);
    encode(LostHostEntry, viewOf(log), EntryLogHeader.size, { cntlid: 9, ciu: 3, lc: 1 });
    expect(show("lost-host", log).text(style)).toMatch(/^ +9 +3 +1$/m);
    expect(show("lost-host", new Uint8Array(4096)).text(style)).toBe("The log is empty.\n");
  });

  test("aggregates are lists of numbers, and none beyond the log", () => {
    const log = new Uint8Array(16);
    viewOf(log).setBigUint64(0, 2n, true);
    viewOf(log).setUint16(8, 7, true);
    viewOf(log).setUint16(10, 8, true);
    expect(show("endurance-event-agg", log).text(style)).toBe("7\n8\n");
    viewOf(log).setBigUint64(0, 5n, true);
    expect(() => show("endurance-event-agg", log)).toThrow(ParseError);
  });

  test("a length that the log names is not believed beyond a bound", async () => {
    const head = new Uint8Array(LbaStatusLogHeader.size);
    viewOf(head).setUint32(0, 0xffff_fff0, true);
    const read = (): Promise<Uint8Array> => Promise.resolve(head);
    await expect(
      moreLogRows["lba-status"]!.bytes(undefined as never, {} as never, read),
    ).rejects.toThrow("the log has 4294967280 bytes");
  });
});
