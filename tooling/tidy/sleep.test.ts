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
  "Atomics.wait(a, 0, 0, 10);",
])("%s is caught", (text) => {
  expect(check(text)).toHaveLength(1);
});

test("waiting for an event, or for virtual time, is no sleep", () => {
  expect(check(`await once(socket, "close"); sim.advance(10); clock.setTimeout(f, 1);`)).toEqual(
    [],
  );
});

test("an exemption has a reason and is still needed, and there are few", () => {
  const entries = Object.entries(exempt);
  expect(entries.length).toBeLessThanOrEqual(exemptMax);
  for (const [path, reason] of entries) {
    expect(reason.length).toBeGreaterThan(20);
    expect(noSleep.complaints(path, read(path)), `${path} needs no exemption`).not.toEqual([]);
  }
});
