// `utils dump-command-metadata` and `version`: what programs want to know of this one.

import { expect, test } from "vitest";
import { commands } from "../commands.ts";
import type { CommandFacts } from "../metadata.ts";
import { nvmeof, nvmeofJson } from "../testing/run.ts";
import { version } from "../version.ts";

const dumped = async (): Promise<readonly CommandFacts[]> =>
  ((await nvmeofJson(["utils", "dump-command-metadata"])).data as { commands: CommandFacts[] })
    .commands;

test("every command that is not hidden is there, in the order of the help", async () => {
  const names = commands.flatMap(({ name, visibility }) => (visibility === "hidden" ? [] : [name]));
  expect((await dumped()).map(({ name }) => name)).toEqual(names);
});

test("options are there with their letter, value, choices and default", async () => {
  const list = (await dumped()).find(({ name }) => name === "list")!;
  const option = (long: string) => list.options.find((each) => each.long === long);
  expect(option("--traddr")).toMatchObject({ short: "-a", value: "<address>", mandatory: false });
  expect(option("--transport")).toMatchObject({ choices: ["tcp", "fc"], group: "Target" });
  expect(option("--keep-alive-tmo")).toMatchObject({ default: "10s" });
  expect(option("--json")).toMatchObject({ short: null, value: null, choices: null });
  // What is refused with a hint is not offered.
  expect(option("--dhchap-secret")).toBeUndefined();
});

test("people get the same document, and nothing around it", async () => {
  const { stdout } = await nvmeof(["utils", "dump-command-metadata"]);
  expect(JSON.parse(stdout)).toEqual({ commands: await dumped() });
});

test("version says of what it is made", async () => {
  expect((await nvmeof(["version"])).stdout).toMatch(
    new RegExp(`^nvmeof ${version}\\nnode ${process.versions.node} \\(.*\\)\\n$`),
  );
  const { data, schema } = await nvmeofJson(["version"]);
  expect([schema, data]).toEqual([
    "nvmeof/version",
    expect.objectContaining({ version, node: process.versions.node }),
  ]);
});
