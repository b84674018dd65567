// What the next release would be: `changeset version`, done in a copy of the manifests.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { execute, manifests, read, root, trackedFiles } from "@nvmeof/tooling-support";

const published = manifests();
const notes = trackedFiles().filter((path) => /^\.changeset\/.*\.md$/.test(path));

const copy = mkdtempSync(join(tmpdir(), "nvmeof-versions-"));
afterAll(() => rmSync(copy, { recursive: true, force: true }));

async function succeed(command: string, ...args: string[]): Promise<void> {
  const { code, output } = await execute(command, args, { cwd: copy, deadlineMs: 60_000 });
  expect(code, `${command} ${args.join(" ")}\n${output}`).toBe(0);
}

const manifestsAnywhere = trackedFiles().filter((path) => /(^|\/)package\.json$/.test(path));
const copied = (path: string): string => readFileSync(join(copy, path), "utf8");

beforeAll(async () => {
  const files = trackedFiles().filter((path) => path.startsWith(".changeset/"));
  for (const path of [...files, ...manifestsAnywhere, "pnpm-workspace.yaml"]) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(root + path, join(copy, path));
  }
  // It asks which commit a change came with.
  await succeed("git", "init", "-q");
  await succeed("git", "add", "-A");
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  await succeed("git", ...author, "-c", "commit.gpgsign=false", "commit", "-qm", "before");
  await succeed(process.execPath, `${root}node_modules/@changesets/cli/bin.js`, "version");
}, 60_000);

const versionIn = (text: string): string => (JSON.parse(text) as { version: string }).version;

test("all packages get one version, which is the next one", () => {
  const before = published[0]?.version;
  const after = published.map(({ dir }) => versionIn(copied(`${dir}/package.json`)));
  expect(new Set(after).size).toBe(1);
  if (notes.length > 0) expect(after[0]).not.toBe(before);
});

test("what is not published keeps its version, and packages depend on each other as before", () => {
  const dirs = new Set(published.map(({ dir }) => `${dir}/package.json`));
  for (const path of manifestsAnywhere) {
    const [before, after] = [read(path), copied(path)];
    const renumbered = before.replace(/"version": ".*"/, `"version": "${versionIn(after)}"`);
    expect(after, path).toBe(dirs.has(path) ? renumbered : before);
  }
});

test("every changelog reads as it was written, and no change is left over", () => {
  expect(readdirSync(join(copy, ".changeset")).filter((file) => file.endsWith(".md"))).toEqual([]);
  for (const { dir, name } of notes.length > 0 ? published : []) {
    const text = copied(`${dir}/CHANGELOG.md`);
    const version = versionIn(copied(`${dir}/package.json`));
    expect(text).toMatch(new RegExp(`^# ${name}\\n\\n## ${version.replaceAll(".", "\\.")}\\n`));
    expect(text).not.toMatch(/Updated dependencies|\b[\da-f]{7}: /);
    const isNamed = notes.some((path) => new RegExp(`^"?${name}"?: `, "m").test(read(path)));
    expect(/\n- \S/.test(text), `${name} has changes to read of`).toBe(isNamed);
  }
});

test.each(notes)(
  "%s is about packages that are published, and no code in it is cut by a line",
  (path) => {
    const [, front = "", body = ""] = /^---\n([^]*?)---\n\n([^]*)$/.exec(read(path)) ?? [];
    const names = [...front.matchAll(/^"?([^":]+)"?: (?:patch|minor|major)$/gm)].map(
      ([, name]) => name,
    );
    expect(names.length).toBe(front.trim().split("\n").length);
    expect(published.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    expect(body.trim()).not.toBe("");
    expect(body.split("\n").filter((line) => line.split("`").length % 2 === 0)).toEqual([]);
  },
);
