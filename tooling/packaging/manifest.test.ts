// What every published package says of itself.
import { expect, test } from "vitest";
import { manifests, type Manifest } from "@nvmeof/tooling-support";

const all = manifests();
const libraries = all.filter(({ dir }) => dir.startsWith("packages/"));

/** What the packages promise to whoever installs them: `exports` without the way to the sources. */
function shipped({ exports = {} }: Manifest): Manifest["exports"] {
  return Object.fromEntries(
    Object.entries(exports).map(([subpath, entry]) => {
      if (typeof entry === "string") return [subpath, entry];
      const { "@nvmeof/source": _, ...rest } = entry;
      return [subpath, rest];
    }),
  );
}

test("the packages share one version, one licence and one floor for Node", () => {
  const facts = all.map(({ version, license, engines, type }) => ({
    version,
    license,
    engines,
    type,
  }));
  const first = facts[0];
  expect(first).toMatchObject({
    license: "Apache-2.0",
    engines: { node: ">=20.19.0" },
    type: "module",
  });
  expect(facts).toEqual(facts.map(() => first));
});

test.each(all)("$name is described in one sentence", ({ description = "" }) => {
  expect(description).toMatch(/^[A-Z][^.]*(\.\d[^.]*)*\.$/);
});

test.each(libraries)(
  "$name ships the entry points it has, without the way to its sources",
  (manifest) => {
    expect(manifest.publishConfig?.exports).toEqual(shipped(manifest));
    expect(manifest.sideEffects).toBe(false);
  },
);

test("a library depends on nothing but its own kind, and codec on nothing", () => {
  for (const { name, dependencies = {}, peerDependencies = {} } of libraries) {
    expect(peerDependencies, name).toEqual({});
    for (const [dependency, range] of Object.entries(dependencies)) {
      expect(`${dependency} ${range}`).toMatch(/^@nvmeof\/\w+ workspace:\^$/);
    }
  }
  expect(libraries.find(({ name }) => name === "@nvmeof/codec")?.dependencies).toBeUndefined();
});

test("the command is one file and depends on nothing", () => {
  const cli = all.find(({ name }) => name === "nvmeof");
  expect(cli?.dependencies).toBeUndefined();
});
