// The check fails for what it is there for, and passes here and now, however busy the machine is.
import { fileURLToPath } from "node:url";
import { execute } from "@nvmeof/tooling-support";
import { expect, test } from "vitest";
import { cpuRatioMin, faultsOf } from "./check.ts";

const kept = { ratio: 0.7, cpuRatio: 0.5 };

test.each([
  ["as good as it was", { iosPerWrite: 60, cpuRatio: 0.5 }, 0],
  ["disturbed by others", { iosPerWrite: 30, cpuRatio: 0.25 }, 0],
  ["nothing known of the machine", { iosPerWrite: undefined, cpuRatio: undefined }, 0],
  ["a write for each command", { iosPerWrite: 1, cpuRatio: 0.4 }, 1],
  ["an allocation for each I/O", { iosPerWrite: 60, cpuRatio: 0.15 }, 1],
  ["both", { iosPerWrite: 1, cpuRatio: 0.08 }, 2],
])("%s", (_what, shown, faults) => {
  expect(faultsOf(shown, kept)).toHaveLength(faults);
});

test("a row without history has a floor as well", () => {
  expect(
    faultsOf({ iosPerWrite: 60, cpuRatio: cpuRatioMin(undefined) / 2 }, undefined),
  ).toHaveLength(1);
});

test("nothing has become far dearer", { timeout: 300_000 }, async () => {
  const { code, output } = await execute(process.execPath, ["run.mjs", "--check"], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    deadlineMs: 280_000,
  });
  expect(code, output).toBe(0);
  expect(output.match(/^ok /gm)).toHaveLength(3);
});
