// Every rule, over every file it holds for.
import { expect, test } from "vitest";
import { manifests, read, trackedFiles } from "@nvmeof/tooling-support";
import { direction } from "./direction.ts";
import { firstLine, kebabCase, noDefaultExport, noLifecycleBoolean } from "./names.ts";
import { lockfile, noMachinePath, noRegistry } from "./places.ts";
import { platform } from "./platform.ts";
import { size } from "./size.ts";
import { noSleep } from "./sleep.ts";

const files = trackedFiles();

test.each([
  direction,
  platform,
  size,
  kebabCase,
  firstLine,
  noDefaultExport,
  noLifecycleBoolean,
  noSleep,
  noMachinePath,
  noRegistry,
  lockfile,
])("$says", (rule) => {
  const held = files.filter((path) => rule.holdsFor(path));
  expect(held.length, "a rule that holds for no file checks nothing").toBeGreaterThan(0);
  const complaints = held.flatMap((path) =>
    rule.complaints(path, read(path)).map((complaint) => `${path}:${complaint}`),
  );
  expect(complaints).toEqual([]);
});

test("every package has a README that begins with its name", () => {
  for (const { dir, name } of manifests()) {
    expect(files).toContain(`${dir}/README.md`);
    expect(read(`${dir}/README.md`)).toMatch(new RegExp(`^# .*${name}`));
  }
});
