// Progress is seen by people who wait, at a pace they can read, and by nobody else.

import { expect, test } from "vitest";
import { type ProgressChoice, startProgress } from "./progress.ts";
import { Kept } from "./testing/run.ts";

const MB = 1_000_000;

interface Setup {
  readonly tty?: boolean;
  readonly silent?: boolean;
  readonly total?: "known" | "unknown";
}

async function setup(
  choice: ProgressChoice,
  { tty = true, silent = false, total = "known" }: Setup = {},
) {
  const totalBytes = total === "known" ? 100 * MB : undefined;
  const stderr = new Kept(tty);
  const time = { nowMs: 0 };
  const io = { stderr } as unknown as Parameters<typeof startProgress>[0];
  const options = { choice, silent, label: "copying", totalBytes, nowMs: () => time.nowMs };
  const progress = await startProgress(io, options);
  const at = (nowMs: number, bytes: number): void => {
    time.nowMs = nowMs;
    progress.update(bytes);
  };
  return { stderr, progress, at };
}

test("a bar appears after half a second, with rate and time left, and is cleared at the end", async () => {
  const { stderr, progress, at } = await setup("auto");
  at(100, 10 * MB);
  expect(stderr.text).toBe("");
  at(1000, 25 * MB);
  expect(stderr.text).toContain("25%  25.00 MB/100.00 MB  25.00 MB/s  eta 3.00 s");
  progress.end();
  expect(stderr.text.split("eta")[1]).toContain("\u001b[?25h");
});

test("work that is done at once shows nothing", async () => {
  const { stderr, progress, at } = await setup("auto");
  at(499, 100 * MB);
  progress.end();
  expect(stderr.text).toBe("");
});

test.each([
  ["auto", { tty: false }],
  ["never", {}],
  ["always", { silent: true }],
] as const)("with %s and %o nothing is shown", async (choice, options) => {
  const { stderr, progress, at } = await setup(choice, options);
  at(1000, 1);
  progress.end();
  expect(stderr.text).toBe("");
});

test("where nobody knows the total, bytes are counted", async () => {
  const { stderr, progress, at } = await setup("auto", { total: "unknown" });
  at(1000, 5 * MB);
  expect(stderr.text).toBe("\r\u001b[Kcopying  5.00 MB  5.00 MB/s");
  progress.end();
  expect(stderr.text.endsWith("\r\u001b[K")).toBe(true);
});

test("as JSON it is at most ten lines a second, and one at the end", async () => {
  const { stderr, progress, at } = await setup("json", { tty: false });
  for (let ms = 0; ms <= 1000; ms += 10) at(ms, ms);
  progress.end();
  const lines = stderr.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(lines.length).toBeLessThanOrEqual(7);
  expect(lines[0]).toMatchObject({ event: "progress", elapsedMs: 500, totalBytes: 100 * MB });
  expect(lines.at(-1)).toMatchObject({ event: "end", bytes: 1000 });
});
