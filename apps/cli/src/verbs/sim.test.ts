// The simulator as a command: seeds that keep every invariant, one of them again, a walk, Ctrl-C. What it
// says of a broken invariant is tested in tooling/planted-bugs, where there is one.

import { readFileSync, writeFileSync } from "node:fs";
import { planOf } from "@nvmeof/sim";
import { expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";

test("sim run goes through its seeds and says what happened in them", async () => {
  const { exitCode, data, error } = await nvmeofJson(["sim", "run", "--seeds", "3"]);
  expect({ exitCode, error }).toEqual({ exitCode: 0, error: null });
  expect(data).toMatchObject({ from: 1, seeds: 3, failures: [], figures: { runs: 3 } });
  const { stdout } = await nvmeof(["sim", "run", "--seeds", "2", "--from", "2"]);
  expect(stdout).toMatch(/^2 seeds from 2 on, in /);
  expect(stdout).toMatch(/^virtual time {2}: /m);
  expect(stdout).toMatch(/^requests {6}: /m);
});

test("Ctrl-C ends sim run with what it has found so far", async () => {
  const progress = ["--progress", "json"];
  const run = start(["sim", "run", "--seeds", "1000000", "--json", ...progress]);
  await run.stderr.contains('"progress"');
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  const { data, error } = JSON.parse(run.stdout.text) as {
    data: { seeds: number; failures: unknown[] };
    error: { code: string };
  };
  expect(data.seeds).toBeGreaterThan(0);
  expect(data.seeds).toBeLessThan(1_000_000);
  expect(error.code).toBe("NVME_ERR_INTERRUPTED");
});

test("on a terminal sim run shows how far it is", async () => {
  const run = start(["sim", "run", "--seeds", "1000000"], { tty: true });
  await run.stderr.contains(" of 1000000 seeds");
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  expect(run.stdout.text).toMatch(/^\d+ seeds from 1 on/);
});

test("sim replay prints the same events each time, and the last of them on demand", async () => {
  const first = await nvmeof(["sim", "replay", "3"]);
  expect(first.exitCode).toBe(0);
  expect((await nvmeof(["sim", "replay", "3"])).stdout).toBe(first.stdout);
  const lines = first.stdout.split("\n");
  const end = lines.indexOf("");
  expect(end).toBeGreaterThan(50);
  expect(lines[0]).toMatch(/^ +\d+\.\d{3} ms {2}\w/);
  const { stdout } = await nvmeof(["sim", "replay", "3", "--last", "4"]);
  expect(stdout.split("\n").slice(0, 4)).toEqual(lines.slice(end - 4, end));
});

test("with --json each event is an envelope on a line, and the verdict is the last one", async () => {
  const { stdout } = await nvmeof(["sim", "replay", "3", "--json"]);
  const lines = stdout.trimEnd().split("\n");
  const parsed = lines.map((line) => JSON.parse(line) as { event?: string; data: unknown });
  for (const [at, { event, data }] of parsed.slice(0, -1).entries()) {
    expect({ event, data }).toMatchObject({ event: "trace", data: { step: at } });
  }
  expect(parsed.at(-1)).toMatchObject({ schema: "nvmeof/sim-replay", data: { violation: null } });
});

test("a plan in a file is run as its seed is", async () => {
  const file = freshPath("plan.json");
  writeFileSync(file, JSON.stringify(planOf(5)));
  const [byFile, bySeed] = [
    await nvmeof(["sim", "replay", file]),
    await nvmeof(["sim", "replay", "5"]),
  ];
  expect(byFile.stdout).toBe(bySeed.stdout);
});

test.each([
  ["{", "is not JSON"],
  ["{}", "holds no plan of the simulator"],
  ["[]", "holds no plan of the simulator"],
])("a file with %j is no plan", async (text, message) => {
  const file = freshPath("plan.json");
  writeFileSync(file, text);
  const error = await failure(["sim", "replay", file]);
  expect(error).toMatchObject({ code: "NVME_ERR_USAGE" });
  expect(error.message).toContain(message);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test("a file that is not there, and a seed that cannot be, are said to be so", async () => {
  expect(await failure(["sim", "replay", freshPath("none.json")])).toMatchObject({
    code: "NVME_ERR_FILE_NOT_FOUND",
  });
  expect(await failure(["sim", "replay", "4294967296"])).toMatchObject({ code: "NVME_ERR_USAGE" });
});

test("there is nothing to shrink where nothing breaks", async () => {
  const { code, message } = await failure(["sim", "shrink", "3"]);
  expect(code).toBe("NVME_ERR_USAGE");
  expect(message).toContain("seed 3 breaks no invariant");
});

test("sim states prints the table of states and events", async () => {
  const { exitCode, data } = await nvmeofJson(["sim", "states", "--events", "2"]);
  expect(exitCode).toBe(0);
  expect(data).toMatchObject({ failures: [], wrong: [] });
  const { stdout } = await nvmeof(["sim", "states", "--events", "2"]);
  expect(stdout).toMatch(/^event +connecting +live/);
});

test("sim worker is not for people, and not in the help", async () => {
  expect((await nvmeof(["sim", "--help"])).stdout).not.toContain("worker");
  expect((await failure(["sim", "worker"])).message).toContain("a part of sim run");
});
