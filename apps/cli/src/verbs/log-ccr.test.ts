// `log ccr` against a target in this process, and its table of entries.

import { CcrFlag, CcrStatus } from "@nvmeof/codec";
import { afterAll, beforeAll, expect, test } from "vitest";
import { styleFor } from "../style.ts";
import { Kept, nvmeof, nvmeofJson } from "../testing/run.ts";
import { type TestTarget, testTarget } from "../testing/target.ts";
import { logText } from "./log-ccr.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget();
});
afterAll(() => target.served.close());

test("log ccr prints the log of the controller that it has, which is new", async () => {
  const { data, exitCode, schema } = await nvmeofJson(["log", "ccr", target.uri]);
  expect([exitCode, schema, data]).toEqual([0, "nvmeof/log-ccr", { entries: [] }]);
  const { stdout } = await nvmeof(["log-ccr", target.uri, "--remove-completed"]);
  expect(stdout).toBe("The log is empty.\n");
  expect((await nvmeof(["log", "ccr", target.uri, "-b"])).bytes).toHaveLength(4096);
});

test("a controller without Cross-Controller Reset refuses, with its status", async () => {
  await using without = (await testTarget([{}], { limits: { crossControllerResetsMax: 0 } }))
    .served;
  const { port } = without.address;
  const uri = target.uri.replace(String(target.port), String(port));
  const { exitCode, stderr } = await nvmeof(["log", "ccr", uri]);
  expect(exitCode).toBe(8);
  expect(stderr).toContain("Invalid Log Page");
});

test("entries are a table, with words for what the numbers say", () => {
  const ccrf = CcrFlag.Validated | CcrFlag.Initiated;
  const first = { icid: 7, ciu: 254, acid: 0xffff, ccrs: CcrStatus.Successful, ccrf };
  const second = { icid: 65_519, ciu: 1, acid: 8, ccrs: CcrStatus.InProgress, ccrf: 1 };
  const third = { icid: 9, ciu: 2, acid: 0xffff, ccrs: 9, ccrf: 0 };
  const style = styleFor("never", new Kept(), {});
  expect(logText([first, second, third], style)).toBe(
    [
      "Controller  CIU  Alternate  Status         Reset",
      "         7  254          -  Successful     validated, initiated",
      "     65519    1          8  In Progress    validated",
      "         9    2          -  unknown (09h)  -",
      "",
    ].join("\n"),
  );
});
