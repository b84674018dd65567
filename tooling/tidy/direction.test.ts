// The direction rule catches what it is there for, and turbo.json tells the same story.
import { expect, test } from "vitest";
import { read, trackedFiles } from "@nvmeof/tooling-support";
import { direction, order } from "./direction.ts";

const core = (text: string): string[] => direction.complaints("packages/core/src/x/a.ts", text);

test("a layer below may be imported, in every form of import", () => {
  expect(
    core(`import { a } from "@nvmeof/codec"; export * from "@nvmeof/transport/node";`),
  ).toEqual([]);
  expect(core(`const m = await import("../b.ts"); import "vitest";`)).toEqual([]);
});

test.each([
  `import { a } from "@nvmeof/bdev";`,
  `import type { A } from "@nvmeof/bdev/nvme";`,
  `export * from "@nvmeof/target";`,
  `export { a } from "@nvmeof/core";`,
  `const m = await import("@nvmeof/tools");`,
  `type A = import("@nvmeof/sim").A;`,
  `import { a } from "../../../codec/src/a.ts";`,
])("core must not contain %s", (text) => {
  expect(core(text)).toHaveLength(1);
});

test("the command may use every layer, the inspector only codec and sim", () => {
  const text = `import "@nvmeof/tools"; import "@nvmeof/codec";`;
  expect(direction.complaints("apps/cli/src/a.ts", text)).toEqual([]);
  expect(direction.complaints("apps/inspector/src/a.ts", text)).toHaveLength(1);
});

test("turbo.json denies exactly what the rule forbids", () => {
  const { tags } = (JSON.parse(read("turbo.json")) as TurboJson).boundaries;
  const denied = order.map((_, i) => [...order.slice(i + 1), "app"]);
  expect(order.map((tag) => tags[tag]?.dependencies.deny)).toEqual(denied);
});

test("every package is in the order, and carries its own name as tag", () => {
  const files = trackedFiles().filter((path) => /^packages\/[^/]+\/package\.json$/.test(path));
  const dirs = files.map((path) => path.split("/")[1] ?? "");
  expect(dirs.filter((dir) => !order.includes(dir))).toEqual([]);
  const tags = dirs.map((dir) => (JSON.parse(read(`packages/${dir}/turbo.json`)) as Tags).tags);
  expect(tags).toEqual(dirs.map((dir) => [dir]));
});

interface Tags {
  tags: string[];
}
interface TurboJson {
  boundaries: { tags: Record<string, { dependencies: { deny: string[] } }> };
}
