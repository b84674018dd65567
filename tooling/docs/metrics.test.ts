// docs/metrics.md is what the tables print; `npm run docs` prints it again.
import { expect, test } from "vitest";
import { NvmeMetrics } from "../../packages/telemetry/src/prometheus/metrics.ts";
import { metricsPage } from "./metrics.ts";

test("docs/metrics.md is what the tables say", async () => {
  await expect(await metricsPage()).toMatchFileSnapshot("../../docs/metrics.md");
});

test("every metric that Prometheus is shown is in it, with its type", async () => {
  const page = await metricsPage();
  const shown = new NvmeMetrics().register.getMetricsAsArray();
  expect(shown.length).toBeGreaterThan(40);
  for (const { name } of shown) {
    expect(page.split("\n").filter((line) => line.startsWith(`| \`${name}\` `))).toHaveLength(1);
  }
});
