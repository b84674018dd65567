// `nvmeof sim` with a bug in it: what it says of a broken invariant, and the way from there to a small plan.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, execute, root } from "@nvmeof/tooling-support";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bugs } from "./bugs/index.ts";
import { bundled } from "./bundle.ts";

/** One that is found soon: settles inside submit. */
const bug = bugs.find(({ name }) => name === "settle-inside-submit")!;
const invariant = "I10";
const folder = mkdtempSync(join(tmpdir(), "nvmeof-planted-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let command: string;
beforeAll(async () => {
  command = await bundled(bug, "command");
}, 60_000);

const nvmeof = (...args: string[]): Promise<Outcome> =>
  execute(process.execPath, [command, "sim", ...args], { cwd: root, deadlineMs: 60_000 });

interface Found {
  readonly data: {
    readonly seeds: number;
    readonly failures: readonly { seed: number; invariant: string; lastEvents: string[] }[];
  };
  readonly error: { readonly code: string; readonly exitCode: number };
}

interface Size {
  readonly steps: number;
  readonly requests: number;
  readonly users: number;
}

test("a broken invariant is found by all threads, told with its events, and no success", async () => {
  const { code, stdout } = await nvmeof("run", "--seeds", "40", "--workers", "2", "--json");
  expect(code).toBe(1);
  const { data, error } = JSON.parse(stdout) as Found;
  expect(error).toMatchObject({ code: "NVME_ERR_VIOLATION", exitCode: 1 });
  expect(data.failures.length).toBeGreaterThan(0);
  // It ends with the first one, and each thread may have had one more under way.
  expect(data.failures.length).toBeLessThanOrEqual(2);
  expect(data.seeds).toBeLessThan(40);
  expect(data.failures[0]).toMatchObject({ invariant });
  expect(data.failures[0]!.lastEvents.length).toBeGreaterThan(10);
}, 60_000);

test("people read the seed, the invariant, the last events, and how to see it again", async () => {
  const { code, output } = await nvmeof("run", "--seeds", "40", "--workers", "1");
  expect(code).toBe(1);
  expect(output).toMatch(/^seed \d+ breaks I10 at \d+\.\d{3} ms: /m);
  expect(output).toMatch(/^ +\d+\.\d{3} ms {2}plan +violation +invariant=I10/m);
  const [, seed] = /^replay: nvmeof sim replay (\d+)$/m.exec(output) ?? [];
  const replayed = await nvmeof("replay", seed!, "--last", "1");
  expect(replayed.code).toBe(1);
  expect(replayed.output).toContain("I10 at ");
}, 60_000);

test("a failing seed shrinks to a small plan that fails in the same way", async () => {
  const found = JSON.parse((await nvmeof("run", "--seeds", "40", "--json")).stdout) as Found;
  const { seed } = found.data.failures[0]!;
  const plan = join(folder, "plan.json");
  const { code, stdout, output } = await nvmeof("shrink", `${seed}`, "--output", plan, "--json");
  expect(code, output).toBe(0);
  const { data } = JSON.parse(stdout) as { data: { before: Size; size: Size; end: string } };
  expect(data.end).toBe("smallest");
  expect(data.size.steps).toBeLessThanOrEqual(2);
  expect(data.size.users).toBe(1);
  expect(data.size.requests).toBeLessThan(data.before.requests / 4);
  expect(JSON.parse(readFileSync(plan, "utf8"))).toMatchObject({ seed });
  const replayed = await nvmeof("replay", plan);
  expect(replayed.code).toBe(1);
  expect(replayed.output).toContain("I10 at ");
}, 60_000);
