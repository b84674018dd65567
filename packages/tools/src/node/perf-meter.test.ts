// The meter of Node, on this process: it sees the time that is spent, and an event loop that is held up.

import { pbkdf2Sync } from "node:crypto";
import { expect, test } from "vitest";
import { perfMeter, soon } from "./perf-meter.ts";

const turn = (): Promise<void> => new Promise((resolve) => soon(resolve));

test("an event loop that is held up shows, and so does the time of the processor", async () => {
  const meter = perfMeter();
  meter.start();
  for (let round = 0; round < 5; round++) {
    // Some tens of milliseconds, in which the meter cannot look.
    pbkdf2Sync("secret", "salt", 100_000, 32, "sha256");
    await turn();
  }
  const { cpuUserMs, cpuSystemMs, loopDelay } = meter.stop();
  expect(cpuUserMs + cpuSystemMs).toBeGreaterThan(20);
  expect(loopDelay.maxMs).toBeGreaterThan(2);
  expect(loopDelay.maxMs).toBeGreaterThanOrEqual(loopDelay.p50Ms);
});

test("a meter that hardly ran has looked at nothing", () => {
  const meter = perfMeter();
  meter.start();
  expect(meter.stop().loopDelay).toEqual({ meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});
