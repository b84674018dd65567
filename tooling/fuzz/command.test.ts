// `pnpm fuzz` as a command: what it finds it tells, keeps and reads again; what hangs it ends.
// Read first: run.mjs; targets/self-test.ts.
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execute } from "@nvmeof/tooling-support";
import { afterAll, expect, test } from "vitest";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const kept: string[] = [];
afterAll(() => {
  for (const file of kept) {
    for (const each of [file, file.replace(/hex$/, "full.hex")]) rmSync(each, { force: true });
  }
});

const fuzz = (...args: string[]) =>
  execute(process.execPath, [at("./run.mjs"), ...args], { cwd: at("./"), deadlineMs: 60_000 });

test(
  "a finding has its seed, is made small, and can be read again",
  { timeout: 120_000 },
  async () => {
    const found = await fuzz(
      "self-throws",
      "self-hangs",
      "--seed",
      "5",
      "--cases",
      "60",
      "--hang",
      "1",
    );
    expect(found.code, found.output).toBe(1);
    expect(found.output).toContain("self-throws: TypeError: cannot read");
    // Each worker has a seed of its own, and either may come first.
    expect(found.output).toMatch(/seed [56], case \d+: \d+ bytes, made smaller: 1\n {2}42\n/);
    expect(found.output).toMatch(/self-hangs: still at it after \d+ ms/);
    const files = [
      ...found.output.matchAll(/again: node tooling\/fuzz\/run.mjs ([\w-]+) --input (\S+)/g),
    ];
    kept.push(...files.map(([, , file]) => file!));
    const [, target, file] = files.find(([, name]) => name === "self-throws")!;
    expect(readFileSync(file!, "utf8")).toMatch(/^# TypeError: cannot read \d+ bytes .*\n42\n$/);
    const again = await fuzz(target!, "--input", file!);
    expect(again.code).toBe(1);
    expect(again.output).toContain("threw: TypeError: cannot read 1 bytes");
  },
);

test(
  "where nothing is wrong it says how much was done, and ends with 0",
  { timeout: 90_000 },
  async () => {
    const fine = await fuzz("self-fine", "--cases", "200", "--seed", "1", "--workers", "2");
    expect(fine.code, fine.output).toBe(0);
    expect(fine.output).toMatch(/self-fine +200 /);
    expect(fine.output).toContain("200 cases, 0 findings");
    const help = await fuzz("--help");
    expect(help.output).toContain("pdu-controller");
    const wrong = await fuzz("--frob");
    expect([wrong.code, wrong.output]).toEqual([
      2,
      expect.stringContaining("Unknown option '--frob'"),
    ]);
  },
);
