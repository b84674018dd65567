// `serve --manage-namespaces` and `--erase`: what hosts may do then, and what they may not without.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Run, failure, freshPath, nvmeofJson, start } from "../testing/run.ts";

const ports = ["--listen", "127.0.0.1:0", "--discovery-port", "0"];

/** A `serve` that is ready, and its address. */
async function serving(...args: string[]): Promise<{ readonly run: Run; readonly uri: string }> {
  const ready = freshPath("ready.json");
  const run = start(["serve", ...ports, "--ready-file", ready, ...args]);
  await run.stdout.contains("ready\n");
  return { run, uri: (JSON.parse(readFileSync(ready, "utf8")) as { uri: string }).uri };
}

async function ends(run: Run): Promise<void> {
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
}

test("hosts create namespaces, in a subsystem that has none, and format them", async () => {
  const { run, uri } = await serving("--manage-namespaces", "1M", "--erase", "format");
  const made = await nvmeofJson(["ns", "create", uri, "--nsze-si", "512k", "--attach"]);
  expect(made).toMatchObject({ exitCode: 0, data: { nsid: 1 } });
  expect(await nvmeofJson(["id", "ctrl", uri])).toMatchObject({
    data: { tnvmcap: "1048576", unvmcap: "524288" },
  });
  expect(await nvmeofJson(["format", uri, "--yes"])).toMatchObject({ exitCode: 0 });
  const sanitize = ["sanitize", uri, "--sanact", "start-block-erase", "--yes"];
  expect(await failure(sanitize)).toMatchObject({ nvme: { sct: 0, sc: 1 } });
  await ends(run);
});

test("nothing of it is allowed unless somebody says so", async () => {
  const { run, uri } = await serving("--mem", "1M");
  expect(await failure(["ns", "create", uri, "--nsze", "8"])).toMatchObject({ exitCode: 8 });
  expect(await failure(["format", uri, "--yes"])).toMatchObject({ nvme: { sct: 0, sc: 1 } });
  await ends(run);
});

test.each([
  [["--erase", "everything"], '--erase: "everything" is not one of'],
  [["--manage-namespaces", "lots"], "--manage-namespaces"],
])("%j is refused", async (args, message) => {
  const error = await failure(["serve", "--mem", "1M", ...ports, ...args]);
  expect(error.exitCode).toBe(2);
  expect(error.message).toContain(message);
});
