// The reference is whole: every export says what it is, links lead somewhere, types have names.
// Read first: reference.ts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { internals } from "./internals.ts";
import { entryPoints, readReference } from "./reference.ts";

const slow = { timeout: 300_000 };

test("nothing is wrong with the reference of all packages", slow, async () => {
  const modules = entryPoints();
  const { project, complaints } = await readReference(modules);
  expect(complaints).toEqual([]);
  const names = (project.children ?? []).map(({ name }) => name);
  expect(names.sort()).toEqual(modules.map(({ specifier }) => specifier).sort());
});

const source = `interface Hidden { readonly a: number }
export function silent(): void {}
/** See {@link nowhere}. */
export const shown: Hidden = { a: 1 };
`;
const other = `/** Fine. */
export interface Open { readonly word: number }
`;

test("a missing docstring, a broken link and a type without a name are noticed", slow, async () => {
  const folder = mkdtempSync(join(tmpdir(), "nvmeof-api-docs-"));
  const files = {
    "package.json": `{ "name": "@nvmeof/bad" }`,
    "index.ts": source,
    "other.ts": other,
  };
  const tsconfig = join(folder, "tsconfig.json");
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    writeFileSync(
      tsconfig,
      `{ "compilerOptions": { "types": [] }, "files": ["index.ts", "other.ts"] }`,
    );
    const modules = ["index.ts", "other.ts"].map((name) => ({
      specifier: `@nvmeof/${name.replace(".ts", "")}`,
      file: join(folder, name),
    }));
    const { complaints } = await readReference(modules, tsconfig);
    const [hidden, silent, link, ...stale] = complaints;
    expect(hidden).toContain("@nvmeof/bad Hidden is not exported");
    expect(silent).toBe("@nvmeof/index: silent has no docstring");
    expect(link).toContain('"nowhere"');
    expect(stale).toHaveLength(internals.size);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
