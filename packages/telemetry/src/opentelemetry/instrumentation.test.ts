// Instruments of OpenTelemetry, recorded with its SDK: of a host at work, of a loss, and of nothing once ended.
// Read first: instrumentation.ts.

import { BlockOp } from "@nvmeof/bdev";
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { expect, test } from "vitest";
import { Lab } from "../testing/lab.ts";
import { NvmeInstrumentation } from "./instrumentation.ts";
import { instrumentFacts, instruments } from "./instruments.ts";

/** A provider, and what was recorded with it so far: points by the name of their instrument. */
function recording() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  // Read when the test asks, and not every hour.
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const points = async (name: string): Promise<readonly DataPoint<unknown>[]> => {
    await meterProvider.forceFlush();
    const scopes = exporter.getMetrics().at(-1)?.scopeMetrics ?? [];
    const all = scopes.flatMap(({ metrics }) => metrics);
    return all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
  };
  return { meterProvider, points };
}

const server = { "server.address": "192.0.2.1", "server.port": 4420 };

test.each(instrumentFacts)("$name is within the namespace of its conventions", (fact) => {
  expect(fact.name).toMatch(/^nvme\.client(\.[a-z]+)+$/);
  expect(fact.help).toMatch(/^[A-Z1].*\.$/);
});

test("commands are recorded with their operation, their server and their ANA state", async () => {
  const { meterProvider, points } = recording();
  const lab = new Lab();
  using _instrumentation = new NvmeInstrumentation({ meterProvider });
  const host = await lab.connect();
  const channel = (await host.openNamespace(1)).openChannel();
  await lab.request(channel, BlockOp.Read);
  await lab.request(channel, BlockOp.Read);
  const attributes = {
    "nvme.operation": "Read",
    ...server,
    "nvme.path.ana_state": "optimized",
  };
  const durations = await points(instruments.duration.name);
  const read = durations.find((point) => point.attributes["nvme.operation"] === "Read");
  expect(read).toMatchObject({ attributes, value: { count: 2, sum: expect.closeTo(0.004) } });
  expect(await points(instruments.io.name)).toContainEqual(
    expect.objectContaining({
      attributes: { "nvme.operation": "Read", ...server },
      value: 2 * 4096,
    }),
  );
  expect(await points(instruments.active.name)).toMatchObject([{ value: 0 }]);
  await lab.close(host);
});

test("a loss is recorded as an error of its commands; who is watched shows states and retries", async () => {
  const { meterProvider, points } = recording();
  const lab = new Lab();
  using instrumentation = new NvmeInstrumentation({ meterProvider });
  const host = await lab.connect();
  await lab.during(host.addPath(lab.transport(1)));
  instrumentation.watchHost(host);
  const channel = (await host.openNamespace(1)).openChannel();
  const read = lab.request(channel, BlockOp.Read);
  lab.drop(0);
  await read;
  const durations = await points(instruments.duration.name);
  expect(durations.map(({ attributes }) => attributes["error.type"])).toContain(
    "NVME_ERR_CONTROLLER_RESET",
  );
  const [lost] = await points(instruments.pathState.name);
  expect(lost).toMatchObject({ attributes: { "nvme.group": "nvme0", ...server }, value: 1 });
  expect(lost?.attributes["nvme.path.state"]).not.toBe("live");
  const [retried] = await points(instruments.retries.name);
  expect(retried).toMatchObject({ attributes: server, value: 1 });
  await lab.close(host);
});

test("a controller that comes back is counted", async () => {
  const { meterProvider, points } = recording();
  const lab = new Lab();
  using _instrumentation = new NvmeInstrumentation({ meterProvider });
  const host = await lab.connect();
  await lab.during(host.controller.reset());
  expect(await points(instruments.reconnects.name)).toMatchObject([
    { attributes: server, value: 1 },
  ]);
  await lab.close(host);
});

test("nothing is recorded once it has ended", async () => {
  const { meterProvider, points } = recording();
  const lab = new Lab();
  const instrumentation = new NvmeInstrumentation({ meterProvider });
  instrumentation.end();
  const host = await lab.connect();
  await lab.request((await host.openNamespace(1)).openChannel(), BlockOp.Read);
  expect(await points(instruments.duration.name)).toEqual([]);
  await lab.close(host);
});
