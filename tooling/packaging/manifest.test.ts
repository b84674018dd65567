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

test.each(all)("$name is found by what people look for", ({ keywords = [] }) => {
  expect(keywords).toEqual(expect.arrayContaining(["nvme", "nvme-of"]));
  expect(new Set(keywords).size).toBe(keywords.length);
});

test.each(all)("$name says what of it is published, and to whom", (manifest) => {
  expect(manifest.files).toContain("dist");
  expect(manifest.publishConfig?.access).toBe("public");
});

test("where the sources are is said by all packages alike, or by none", () => {
  for (const { name, dir, repository } of all) {
    const first = all[0]?.repository;
    expect(repository, name).toEqual(first && { ...first, directory: dir });
  }
});

test.each(libraries)(
  "$name ships the entry points it has, without the way to its sources",
  (manifest) => {
    expect(manifest.publishConfig?.exports).toEqual(shipped(manifest));
    expect(manifest.sideEffects).toBe(false);
  },
);

/** What a library may need of others. Every other one stands on its own kind alone. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  "@nvmeof/telemetry": ["prom-client catalog:"],
};
/** What it uses if its user has it. */
const peers: Readonly<Record<string, Record<string, string>>> = {
  "@nvmeof/telemetry": { "@opentelemetry/api": "^1.9.0" },
};

test("a library depends on nothing but its own kind, and codec on nothing", () => {
  for (const {
    name,
    dependencies = {},
    peerDependencies = {},
    peerDependenciesMeta,
  } of libraries) {
    expect(peerDependencies, name).toEqual(peers[name] ?? {});
    for (const peer of Object.keys(peerDependencies)) {
      expect(peerDependenciesMeta?.[peer]).toEqual({ optional: true });
    }
    const others = Object.entries(dependencies)
      .map(([dependency, range]) => `${dependency} ${range}`)
      .filter((each) => !/^@nvmeof\/\w+ workspace:\^$/.test(each));
    expect(others, name).toEqual(foreign[name] ?? []);
  }
  expect(libraries.find(({ name }) => name === "@nvmeof/codec")?.dependencies).toBeUndefined();
});

test("the command is one file and depends on nothing", () => {
  const cli = all.find(({ name }) => name === "nvmeof");
  expect(cli?.dependencies).toBeUndefined();
});
