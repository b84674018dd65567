// docs/limits.md is what the tables print; `npm run docs` prints it again.
import { expect, test } from "vitest";
import { metricsLimits } from "../../apps/cli/src/metrics-limits.ts";
import { defaultControlLimits } from "../../packages/tools/src/control/protocol.ts";
import { defaultLimits } from "../../packages/target/src/limits.ts";
import { limitFacts } from "../../packages/target/src/limit-facts.ts";
import { limitsPage, valueText } from "./limits.ts";

test("docs/limits.md is what the tables say", async () => {
  await expect(await limitsPage()).toMatchFileSnapshot("../../docs/limits.md");
});

test("every limit of a target is in it, with its default and what follows", async () => {
  const page = await limitsPage();
  for (const [name, { unit, follows }] of Object.entries(limitFacts)) {
    const line = page.split("\n").find((each) => each.startsWith(`| \`${name}\` `));
    expect(line).toContain(valueText(unit, defaultLimits[name as keyof typeof defaultLimits]));
    expect(line).toContain(follows);
  }
  expect(Object.keys(limitFacts).toSorted()).toEqual(Object.keys(defaultLimits).toSorted());
});

test("the control socket and the metrics endpoint are in it, with all of their bounds", async () => {
  const page = await limitsPage();
  const [, control = "", metrics = ""] = page.split(/## (?:Control socket|Metrics)\n/);
  const named = (text: string): string[] =>
    [...text.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name);
  expect(named(control).toSorted()).toEqual(Object.keys(defaultControlLimits).toSorted());
  expect(named(metrics).toSorted()).toEqual(
    [...Object.keys(metricsLimits), "seriesMax"].toSorted(),
  );
});

test.each([
  ["count", 1_024, "1,024"],
  ["ms", 600_000, "10 min"],
  ["ms", 5_000, "5 s"],
  ["ms", 100, "100 ms"],
  ["ms", Infinity, "none"],
  ["bytes", 4_194_304, "4 MiB"],
  ["bytes", 8_192, "8 KiB"],
  ["bytes", 100, "100 B"],
] as const)("%s %d is %s", (unit, value, text) => {
  expect(valueText(unit, value)).toBe(text);
});
