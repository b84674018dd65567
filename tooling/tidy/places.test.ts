// The rules on paths and servers catch what they are there for.
import { expect, test } from "vitest";
import { root } from "@nvmeof/tooling-support";
import { lockfile, noMachinePath, noRegistry } from "./places.ts";

test.each([
  "cd /home/ada/nvmeof",
  `a = "/Users/ada/x"`,
  "C:\\Users\\ada",
  "(/root/x)",
  `${root}a.ts`,
])("%s is a path of somebody's machine", (text) => {
  expect(noMachinePath.complaints("README.md", text)).toHaveLength(1);
});

test.each(["https://example.com/home/a", "${dir}/root/x", "/tmp/disk.img", "src/home/a.ts"])(
  "%s is none",
  (text) => {
    expect(noMachinePath.complaints("README.md", text)).toEqual([]);
  },
);

test.each([
  `https://${["registry", "npmjs", "org"].join(".")}/a`,
  "registry=http://mirror",
  "//verdaccio.local:4873/",
])("%s is a registry", (text) => {
  expect(noRegistry.complaints("docs/a.md", text)).toHaveLength(1);
});

test("an address in the lockfile is found", () => {
  const text = "a:\n  resolution: {integrity: x, tarball: http://mirror/a.tgz}\n";
  expect(lockfile.complaints("pnpm-lock.yaml", text)).toHaveLength(1);
});
