// Some seconds of a soak: faults, resets, hosts that come and go. Hours of it are `pnpm soak --minutes 600`.
// Read first: README.md.
import { expect, test } from "vitest";
import { soakPage } from "./page.ts";
import { parseOptions } from "./options.ts";
import { soak } from "./soak.ts";

const quick = { seed: 7, sampleMs: 200, faultMs: 150, keepAliveMs: 500 };

test("nothing is lost, doubled, wrong or left behind", { timeout: 180_000 }, async () => {
  const progress: number[] = [];
  const report = await soak({
    ...quick,
    durationMs: 4_000,
    progress: ({ settled }) => progress.push(settled),
  });
  expect(report.failures).toEqual([]);
  expect(report.requests).toBeGreaterThan(100);
  expect(progress.length).toBeGreaterThan(3);
  expect(Object.values(report.faults).reduce((sum, count) => sum + count)).toBeGreaterThan(5);
  const page = soakPage(report, "today");
  expect(page).toContain("Nothing is wrong");
  expect(page.match(/<svg/g)).toHaveLength(9);
  expect(page).not.toMatch(/<script|https?:/);
});

test("what grows is told, and so is what is left behind", { timeout: 180_000 }, async () => {
  const kept: Uint8Array[] = [];
  const timers: NodeJS.Timeout[] = [];
  const report = await soak({
    ...quick,
    durationMs: 3_000,
    sampleMs: 100,
    judgesGrowth: true,
    progress: () => {
      kept.push(new Uint8Array(1024 * 1024));
      // Of an hour, which nobody waits for.
      timers.push(setTimeout(() => {}, 3_600_000));
    },
  });
  for (const timer of timers) clearTimeout(timer);
  expect(report.failures).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^Buffers outside the heap.* grows: by [\d.]+ MiB/),
      expect.stringMatching(/^left behind: \d+ Timeout/),
    ]),
  );
  expect(soakPage(report, "today")).toContain('class="bad">left behind');
});

test("the command line is read, and what it cannot mean is refused", () => {
  expect(parseOptions(["--minutes=2", "--seed", "0", "--page", "p"])).toEqual({
    minutes: 2,
    seed: 0,
    page: "p",
    help: false,
  });
  for (const wrong of [["--minutes"], ["--minutes", "x"], ["--minutes", "0"], ["--frob"], ["5"]]) {
    expect(() => parseOptions(wrong)).toThrow(TypeError);
  }
});
