// Self time goes to the function and the source that it is in.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { selfTimes } from "./profile.ts";

const bundle = `// packages/core/src/a.ts
function a() {}
// packages/codec/src/b.ts
function b() {}
`;

test("times of one function add up, the largest comes first, and idle time is none", () => {
  const folder = mkdtempSync(join(tmpdir(), "nvmeof-bench-"));
  const file = join(folder, "bundle.mjs");
  writeFileSync(file, bundle);
  const url = pathToFileURL(file).href;
  const frame = (functionName: string, url: string, lineNumber: number) => ({
    functionName,
    url,
    lineNumber,
  });
  const profile = {
    nodes: [
      { id: 1, callFrame: frame("a", url, 1) },
      { id: 2, callFrame: frame("b", url, 3) },
      { id: 3, callFrame: frame("b", url, 3) },
      { id: 4, callFrame: frame("(idle)", "", -1) },
      { id: 5, callFrame: frame("now", "node:internal/perf", 9) },
      { id: 6, callFrame: frame("", "", -1) },
    ],
    samples: [1, 2, 3, 4, 5, 6],
    timeDeltas: [10, 20, 30, 1_000, 5, 1],
  };
  expect(selfTimes(profile)).toEqual([
    ["b  packages/codec/src/b.ts (bundle:4)", 50],
    ["a  packages/core/src/a.ts (bundle:2)", 10],
    ["now  node:internal/perf:10", 5],
    ["(anonymous)", 1],
  ]);
  rmSync(folder, { recursive: true });
});
