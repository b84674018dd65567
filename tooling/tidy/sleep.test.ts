// The rule against sleeping catches every way to do it, and its exemptions stay few and true.
import { expect, test } from "vitest";
import { read } from "@nvmeof/tooling-support";
import { exempt, exemptMax, noSleep } from "./sleep.ts";

const check = (text: string): string[] => noSleep.complaints("packages/core/src/a.test.ts", text);

test.each([
  "await new Promise((done) => setTimeout(done, 10));",
  "const wait = promisify(setTimeout);",
  "await sleep(10);",
  "await delay(10);",
  `import { scheduler } from "node:timers/promises";`,
  "globalThis.setTimeout(f, 1);",
  "global.setTimeout(f, 1);",
  `globalThis["setTimeout"](f, 1);`,
  "const { setTimeout: later } = globalThis;",
  "const { setTimeout } = globalThis;",
  "Atomics.wait(a, 0, 0, 10);",
  "await Atomics.waitAsync(a, 0, 0, 10).value;",
  `await once(AbortSignal.timeout(10), "abort");`,
  "await clock.sleep(10);",
  "await host.delay(10);",
  "await vi.waitFor(() => expect(a).toBe(1));",
  "await vi.waitUntil(() => a === 1);",
  "await expect.poll(() => a).toBe(1);",
  "await new Promise((done) => systemClock.at(systemClock.nowMs() + 10, done));",
  "while (performance.now() < end);",
  "for (const start = Date.now(); Date.now() - start < 10;) turn();",
  "do turn(); while (systemClock.nowMs() < end);",
])("%s is caught", (text) => {
  expect(check(text)).toHaveLength(1);
});

test("waiting for an event, or for virtual time, is no sleep", () => {
  for (const text of [
    `await once(socket, "close"); sim.advance(10); clock.setTimeout(f, 1);`,
    `peer.delay("read", 10); await target.pause(); await new Promise(setImmediate);`,
    "const tookMs = performance.now() - sinceMs; while (!done) await next();",
    "const options = { setTimeout: 1 }; const { latencyMs: delay } = options;",
  ])
    expect(check(text), text).toEqual([]);
});

test.each([
  ["packages/core/src/a.test.ts", true],
  ["packages/core/src/testing/host.ts", true],
  ["packages/bdev/src/conformance/harness.ts", true],
  ["apps/cli/src/testing/run.ts", true],
  ["tooling/scenarios/world.ts", true],
  ["tooling/interop/run.mjs", true],
  ["tooling/bench/a.bench.ts", true],
  ["packages/transport/src/node/tcp.ts", false],
  ["tooling/peers/linux/ctl.mjs", false],
  ["docs/a.md", false],
])("%s is looked at: %s", (path, expected) => {
  expect(noSleep.holdsFor(path)).toBe(expected);
});

test("an exemption has a reason and is still needed, and there are few", () => {
  const entries = Object.entries(exempt);
  expect(entries.length).toBeLessThanOrEqual(exemptMax);
  for (const [path, reason] of entries) {
    expect(reason.length).toBeGreaterThan(20);
    expect(noSleep.complaints(path, read(path)), `${path} needs no exemption`).not.toEqual([]);
  }
});
