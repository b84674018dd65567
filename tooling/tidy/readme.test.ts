// Every README keeps its word; and the checker notices one that does not.
import { expect, test } from "vitest";
import { read, trackedFiles } from "@nvmeof/tooling-support";
import { blocksOf, Workshop, type Block } from "./readme.ts";

const deadlineMs = 20_000;
const slow = { timeout: 90_000 };

const blocks = trackedFiles()
  .filter((path) => /^((packages|apps)\/[^/]+\/)?README\.md$/.test(path))
  .flatMap((path) => blocksOf(path, read(path)));
const code = blocks.filter(({ language }) => /^(ts|typescript)$/.test(language));
const runs = [
  ...code.filter(({ flags }) => flags !== "no-run"),
  ...blocks.filter(({ language, flags }) => language === "sh" && flags === "run"),
];

const readmes = new Workshop("all");
const bench = new Workshop("checker");

test("the code in the READMEs typechecks", slow, async () => {
  expect(code.length === 0 ? [] : await readmes.typecheck(code)).toEqual([]);
});

for (const block of runs) {
  test(`the ${block.language} block at ${block.path}:${block.line} runs`, slow, async () => {
    const { code, output } = await readmes.run(block, deadlineMs);
    expect(code, output).toBe(0);
  });
}

test("a flag on a block is one we know", () => {
  const known = new Set(["ts", "ts no-run", "typescript", "typescript no-run", "sh", "sh run"]);
  const odd = blocks
    .filter(({ language, flags }) => flags !== "" && !known.has(`${language} ${flags}`))
    .map(({ path, line }) => `${path}:${line}`);
  expect(odd).toEqual([]);
});

const block = (language: string, code: string): Block => ({
  path: "some/README.md",
  line: 10,
  language,
  flags: "",
  code,
});

test("blocks are found with their line, language and flags", () => {
  const text =
    "# a\n\n```ts no-run\nf();\n```\n\n````md\n```ts\n```\n````\n  ```sh run\n  x\n  ```\n";
  const found = blocksOf("a.md", text).map(({ line, language, flags }) => [line, language, flags]);
  expect(found).toEqual([
    [3, "ts", "no-run"],
    [7, "md", ""],
    [11, "sh", "run"],
  ]);
});

test("a type error is reported with the line of the README", slow, async () => {
  const wrong = block("ts", `import "@nvmeof/codec";\nconst a: number = "a";\nexport { a };\n`);
  const [complaint, ...more] = await bench.typecheck([wrong]);
  expect(complaint).toMatch(/^some\/README\.md:12: error TS2322/);
  expect(more).toEqual([]);
});

test("a block that fails, and one that does not end, are noticed", slow, async () => {
  const fails = await bench.run(block("ts", `throw new Error("no");`), deadlineMs);
  expect(fails.code).toBe(1);
  expect(fails.output).toContain("no");
  const hangs = await bench.run(block("ts", `setInterval(() => {}, 1000);`), 300);
  expect(hangs).toMatchObject({ code: undefined, timedOut: true });
});

test(
  "a shell block meets the built command, and fails at its first failing line",
  slow,
  async () => {
    const good = await bench.run(
      block("sh", "npx nvmeof --version\nnvmeof --version\n"),
      deadlineMs,
    );
    expect(good.code, good.output).toBe(0);
    expect(good.stdout).toMatch(/^(\d+\.\d+\.\d+)\n\1\n$/);
    const bad = await bench.run(block("sh", "npx something-else\nnvmeof --version\n"), deadlineMs);
    expect(bad.code).toBe(127);
  },
);
