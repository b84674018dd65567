// docs/metrics.md, printed from the tables of metrics, instruments and channels.

import { format } from "prettier";
import { channelFacts } from "../../packages/telemetry/src/channels.ts";
import { durationBoundsMs } from "../../packages/telemetry/src/command-meter.ts";
import { instrumentFacts } from "../../packages/telemetry/src/opentelemetry/instruments.ts";
import { durationFact } from "../../packages/telemetry/src/prometheus/durations.ts";
import { hostRows } from "../../packages/telemetry/src/prometheus/host-rows.ts";
import { droppedFact } from "../../packages/telemetry/src/prometheus/metrics.ts";
import { nbdRows } from "../../packages/telemetry/src/prometheus/nbd-rows.ts";
import { targetRows } from "../../packages/telemetry/src/prometheus/target-rows.ts";

const HEAD = `# Metrics and diagnostics channels

Printed from the tables by \`tooling/docs/metrics.ts\`: do not edit. \`npm run docs\` prints it again, and a
test fails while it is stale.

All of it is [\`@nvmeof/telemetry\`](../packages/telemetry/README.md), and \`--metrics :9100\` of \`nvmeof serve\`,
\`connect --hold\`, \`connect-all --hold\`, \`export-nbd\` and \`perf run\`. Names of channels, metrics, labels and attributes are API:
within a major version there will be more of them, and none will be renamed.

## Diagnostics channels

Of \`node:diagnostics_channel\`. Every controller whose transport is of \`@nvmeof/transport/node\` publishes by
itself, and makes no message for a channel that nobody listens to. A listener runs inside what it hears of. What
it throws is an uncaught exception of the process, and no command suffers from it.
`;

const CHANNELS_END = `
Messages are exported as types. All of them name the controller: \`address\`, \`subsystemNqn\`, \`hostNqn\` and
\`cntlid\`. Each command that began ends once, on \`complete\` or \`error\`, with the object of its start; ends of
commands that began before anybody listened are not told. A message holds NQNs and block addresses, and no data.
`;

const PROMETHEUS = `
## Prometheus

Values are read when somebody asks. The I/O commands of a host that is watched are counted and timed one by one
(\`nvmeof_host_commands_*\`, \`nvmeof_host_io_bytes_total\` and the histogram); everything else is counted anyway.

- A metric has at most 2,000 series (\`seriesMax\`); what is left out is counted in \`${droppedFact.name}\`. For one
  operation at most 64 statuses are told apart, the rest is \`other\`.
- \`group\` is the name of a host ("nvme0"), \`address\` the transport, address and service of a controller's
  connection, \`subsystem\` the number of a subsystem of the target, or its NQN with \`nqnLabels\`.
- Counters of a path begin at 0 when the path is found again after it was gone.
`;

const OPENTELEMETRY = `
## OpenTelemetry

\`NvmeInstrumentation\` of \`@nvmeof/telemetry/opentelemetry\` records what comes on the channels, of all hosts of the
process. The last three instruments are for hosts that it is told to watch. NQNs and block addresses are no
attributes. There are no spans.
`;

/** A facts table that prints alike for rows and instruments. */
interface Printed {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(", ");

const metricTable = (facts: readonly (Printed & { readonly labels: readonly string[] })[]) =>
  table(
    ["metric", "type", "unit", "labels", "meaning"],
    facts.map(({ name, type, unit, labels, help }) => [
      `\`${name}\``,
      type,
      unit,
      code(labels),
      help.replace(/\.$/, ""),
    ]),
  );

const instrumentTable = (): string =>
  table(
    ["instrument", "type", "unit", "attributes", "meaning"],
    instrumentFacts.map(({ name, type, unit, attributes, help }) => [
      `\`${name}\``,
      type,
      `\`${unit}\``,
      code(attributes),
      help.replace(/\.$/, ""),
    ]),
  );

const channelTable = (): string =>
  table(
    ["channel", "message", "meaning"],
    channelFacts.map(({ name, message, says }) => [`\`${name}\``, `\`${message}\``, says]),
  );

const buckets = `\nBuckets of \`${durationFact.name}\`, ms: ${durationBoundsMs
  .map((bound) => bound.toLocaleString("en-US"))
  .join("; ")}.\n`;

/** The page. */
export function metricsPage(): Promise<string> {
  const host = metricTable([...hostRows, durationFact]);
  const text = [
    HEAD,
    channelTable(),
    CHANNELS_END,
    PROMETHEUS,
    `### Host\n\n${host}`,
    buckets,
    `### Target\n\n${metricTable(targetRows)}`,
    `\n### NBD server\n\n${metricTable(nbdRows)}`,
    `\n### The metrics themselves\n\n${metricTable([droppedFact])}`,
    OPENTELEMETRY,
    instrumentTable(),
  ].join("\n");
  return format(text, { parser: "markdown", printWidth: 100 });
}
