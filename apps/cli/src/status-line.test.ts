// The line that says what is waited for: when it comes, when it goes, and whom it makes room for.

import { expect, test } from "vitest";
import { type Progress, startProgress } from "./progress.ts";
import { StatusLine } from "./status-line.ts";
import { Kept } from "./testing/run.ts";

const CLEAR = "\r\u001b[K";

function setup(usual: string | undefined = "list", deadlineMs: number | undefined = 60_000) {
  const stream = new Kept(true);
  const time = { nowMs: 0 };
  let look = (): void => {};
  let state = "running";
  const line = new StatusLine({
    stream,
    usual,
    deadlineMs,
    nowMs: () => time.nowMs,
    every: (_ms, callback) => {
      look = callback;
      return () => (state = "stopped");
    },
  });
  const at = (nowMs: number): string => {
    const before = stream.text.length;
    time.nowMs = nowMs;
    look();
    return stream.text.slice(before);
  };
  return { stream, line, at, time, state: () => state };
}

test("comes after a second, is written again when it changes, and goes at the end", () => {
  const { stream, line, at, state } = setup();
  expect(at(999)).toBe("");
  expect(at(1_000)).toBe(`${CLEAR}list  1 s of at most 60 s`);
  expect(at(1_250)).toBe("");
  expect(at(2_000)).toBe(`${CLEAR}list  2 s of at most 60 s`);
  line.end();
  expect(stream.text.endsWith(CLEAR)).toBe(true);
  expect(state()).toBe("stopped");
});

test("says what is waited for, a second after that has begun", () => {
  const { line, at, time } = setup();
  time.nowMs = 900;
  line.waitFor("connecting to 192.0.2.10:4420");
  expect(at(1_500)).toBe("");
  expect(at(1_900)).toBe(`${CLEAR}connecting to 192.0.2.10:4420  1 s of at most 60 s`);
  time.nowMs = 2_000;
  line.waitFor(undefined);
  expect(at(3_000)).toBe(`${CLEAR}list  3 s of at most 60 s`);
});

test("is silent about what tells of itself, but for what is waited for", () => {
  const { line, at } = setup(undefined, undefined);
  // A default of the parameter stands for what is not there.
  const endless = new StatusLine({
    stream: new Kept(true),
    usual: undefined,
    deadlineMs: undefined,
    every: () => () => {},
  });
  expect(at(0)).toBe("");
  line.waitFor("connecting to h:1");
  expect(at(1_000)).toContain("connecting to h:1  1 s");
  endless.end();
});

test("makes room for what is written, and comes again", () => {
  const { stream, line, at } = setup();
  at(1_000);
  line.clear();
  expect(stream.text.endsWith(CLEAR)).toBe(true);
  expect(at(1_250)).toBe(`${CLEAR}list  1 s of at most 60 s`);
});

test("has room on one line: a longer one could not be cleared", () => {
  const { line, at } = setup();
  line.waitFor("x".repeat(300));
  expect(at(1_000)).toHaveLength(CLEAR.length + 99);
});

test("a progress line takes its place, says what is waited for, and makes room as well", async () => {
  const { stream, line, at, time } = setup("cp");
  const progress: Progress = await startProgress(
    { stderr: stream, status: line } as unknown as Parameters<typeof startProgress>[0],
    {
      choice: "auto",
      silent: false,
      label: "reading",
      totalBytes: undefined,
      nowMs: () => time.nowMs,
    },
  );
  time.nowMs = 1_000;
  progress.update(5_000_000);
  expect(at(2_000)).toBe("");
  line.waitFor("reconnecting to 192.0.2.10:4420, attempt 2 in 2.00 s");
  expect(stream.text).toMatch(/reading {2}5\.00 MB .* {2}reconnecting to 192\.0\.2\.10:4420/);
  line.clear();
  expect(stream.text.endsWith(CLEAR)).toBe(true);
  line.waitFor(undefined);
  expect(stream.text).toMatch(/5\.00 MB\/s$/);
  progress.end();
  expect(at(4_000)).toContain("cp  4 s");
});
