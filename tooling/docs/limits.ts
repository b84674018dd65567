// docs/limits.md, printed from the tables of the target and the options of the host.

import { format } from "prettier";
import { metricsLimitFacts, metricsLimits } from "../../apps/cli/src/metrics-limits.ts";
import { type ControllerOptions, resolveOptions } from "../../packages/core/src/options.ts";
import { metLimits } from "../../packages/target/src/counters.ts";
import { type LimitFact, limitFacts } from "../../packages/target/src/limit-facts.ts";
import { type TargetLimits, defaultLimits } from "../../packages/target/src/limits.ts";
import { SERIES_MAX } from "../../packages/telemetry/src/prometheus/metrics.ts";
import { controlLimitFacts } from "../../packages/tools/src/control/limit-facts.ts";
import { defaultControlLimits } from "../../packages/tools/src/control/protocol.ts";
import { nbdLimitFacts } from "../../packages/tools/src/nbd/limit-facts.ts";
import { defaultNbdLimits } from "../../packages/tools/src/nbd/limits.ts";
import { VirtualClock } from "../../packages/transport/src/testing/virtual-clock.ts";

const HEAD = `# Limits

Printed from the tables by \`tooling/docs/limits.ts\`: do not edit. \`npm run docs\` prints it again, and a
test fails while it is stale.

Every queue, buffer, count and wait has a bound, a default and an option. Who meets one is told by the
protocol where it has words for it; the owner of the target is told by a counter and an event.

## Target

Options are fields of \`limits\`, of \`new Target\` and of \`serve\` in \`@nvmeof/target/node\`. The command says
them one by one: \`nvmeof serve --limit connectionsMax=64 --limit connectTimeoutMs=2s\`, also as
\`connections-max\`; sizes and times with their units. \`target/src/limits.ts\` says more of each, and which
values it may have.

- **Counted**: \`Target.counters.limits\` has how often hosts met the bound. \`Target.counters\` also counts
  connections that broke the protocol, and by name those that spoke something else (HTTP, TLS, SSH).
- **Event**: what \`Target.observe\` is told; the event's \`limit\` names the bound. \`serve -v\` prints it, ten
  lines a second at most for each address.
- A \`limit-met\` event comes ten times a second at most for each bound, and says how often it was met.
`;

const HOST = `
## Host

Options of \`connect\`, \`openController\` and \`NvmeGroup.attach\`; \`core/src/options.ts\` says more of each. What
has no option, as the one R2T at a time or the bytes queued to a controller, is in
[ARCHITECTURE.md](../ARCHITECTURE.md#bounds-and-limits).
`;

const MEMORY = `
## Memory

What one connection can make a target keep is bounded by the sum of: its receive buffer (256 KiB,
\`receiveBytes\` of \`tcpListen\`), a capsule for each entry of its queue (\`queueDepthMax\` ×
\`inCapsuleBytes\`, as far as they were used), buffers of commands (\`connectionBufferBytesMax\`, and
\`bufferBytesMax\` for all connections together), and answers that wait to be sent (\`queuedBytesMax\`, in
which data counts that is a command's buffer anyway). No number that a host gives sizes an allocation beyond
these.

## Who may connect

By default everything listens on the loopback. \`serve\` on another address asks for \`--allow-host\` or
\`--allow-any-host\`, and warns as long as hosts are not authenticated: a host NQN is a claim, not a proof.
`;

const NBD = `
## NBD server

Options are fields of \`limits\`, of \`new NbdServer\` and of \`serveNbd\` in \`@nvmeof/tools/node\`; the command
takes them as \`nvmeof export-nbd --limit inflightMax=32\`. \`tools/src/nbd/limits.ts\` says more of each.
\`NbdServer.counters.limits\` has how often clients met each; the event \`disconnected\` names the one that
ended a connection, and \`refused\` tells of those who were not let in.
`;

const CONTROL = `
## Control socket

Options are fields of \`limits\` of \`exposeControl\` in \`@nvmeof/tools/node\`; \`tools/src/control/protocol.ts\`
says more of each. The command has no option for them.
`;

const METRICS = `
## Metrics

The endpoint of \`--metrics\` (\`apps/cli/src/metrics-limits.ts\`), whose bounds are fixed; and \`seriesMax\`, an
option of \`NvmeMetrics\` in \`@nvmeof/telemetry/prometheus\`.
`;

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

/** Which event tells of a bound, where it is not the bound's own. */
const events: Partial<Record<keyof TargetLimits, string>> = {
  connectionsMax: "connection-refused",
  connectionsPerAddressMax: "connection-refused",
  controllersMax: "connect-refused",
  controllersPerHostMax: "connect-refused",
  ioQueuesMax: "connect-refused",
  queueDepthMax: "connect-refused",
  adminQueueDepthMax: "connect-refused",
  keepAliveTimeoutMsMax: "connect-refused, limit-met",
  enableTimeoutMs: "controller-removed",
  connectingMax: "connection-ended",
  handshakeTimeoutMs: "connection-ended",
  initializeTimeoutMs: "connection-ended",
  connectTimeoutMs: "connection-ended",
  refusedCommandsMax: "connection-ended",
  unauthenticatedMax: "connection-ended",
  authenticateTimeoutMs: "connection-ended",
  authenticationFailuresMax: "connect-refused",
  partialPduTimeoutMs: "connection-ended",
  r2tTimeoutMs: "connection-ended",
  sendTimeoutMs: "connection-ended",
  inCapsuleBytes: "connection-ended",
  h2cDataBytesMax: "connection-ended",
};

const KIBI = 1024;

/** "64 KiB", "10 s", "1,024". */
export function valueText(unit: "count" | "bytes" | "ms", value: number): string {
  if (value === Infinity) return "none";
  const grouped = value.toLocaleString("en-US");
  if (unit === "count") return grouped;
  if (unit === "ms") {
    if (value > 0 && value % 60_000 === 0) return `${value / 60_000} min`;
    return value > 0 && value % 1_000 === 0 ? `${value / 1_000} s` : `${grouped} ms`;
  }
  if (value > 0 && value % KIBI ** 2 === 0) return `${value / KIBI ** 2} MiB`;
  return value > 0 && value % KIBI === 0 ? `${value / KIBI} KiB` : `${grouped} B`;
}

const counted: readonly string[] = metLimits;

function targetTable(): string {
  const names = Object.keys(limitFacts) as (keyof TargetLimits)[];
  const rows = names.map((name) => {
    const { unit, bounds, follows } = limitFacts[name];
    const isCounted = counted.includes(name);
    const event = isCounted ? (events[name] ?? "limit-met") : "";
    const value = valueText(unit, defaultLimits[name]);
    return [`\`${name}\``, bounds, value, follows, isCounted ? "yes" : "", event];
  });
  return table(["option", "bounds", "default", "what follows", "counted", "event"], rows);
}

/** A table of bounds that have a fact each. */
function factTable<Name extends string>(
  head: "option" | "bound",
  facts: Readonly<Record<Name, LimitFact>>,
  values: Readonly<Record<Name, number>>,
): string {
  const rows = (Object.keys(facts) as Name[]).map((name) => {
    const { unit, bounds, follows } = facts[name];
    return [`\`${name}\``, bounds, valueText(unit, values[name]), follows];
  });
  return table([head, "bounds", head === "option" ? "default" : "value", "what follows"], rows);
}

const nbdTable = (): string => factTable("option", nbdLimitFacts, defaultNbdLimits);

const controlTable = (): string => factTable("option", controlLimitFacts, defaultControlLimits);

/** The endpoint's, and the one of the page itself. */
function metricsTable(): string {
  const series: LimitFact = {
    unit: "count",
    bounds: "series of one metric",
    follows: "the others are left out, and counted (`nvmeof_metrics_series_dropped`)",
  };
  const facts = { ...metricsLimitFacts, seriesMax: series };
  return factTable("bound", facts, { ...metricsLimits, seriesMax: SERIES_MAX });
}

type HostLimit = keyof ControllerOptions;

/** A row for every option of the host that is a bound. */
export const hostLimits: Partial<
  Record<HostLimit, readonly [unit: "count" | "bytes" | "ms", bounds: string, follows: string]>
> = {
  connectTimeoutMs: ["ms", "connection and initialisation of a queue", "the attempt has failed"],
  fabricsTimeoutMs: ["ms", "Connect, and each step of the bring-up", "the attempt has failed"],
  ioTimeoutMs: ["ms", "an I/O command", "`onTimeout`: abort, then reset"],
  adminTimeoutMs: ["ms", "an admin command", "`onTimeout`: abort, then reset"],
  keepAliveTimeoutMs: ["ms", "silence of the controller (KATO)", "the controller is lost"],
  ioQueues: ["count", "I/O queues that are asked for", "the controller may grant fewer"],
  queueEntries: ["count", "entries of an I/O queue", "`NVME_ERR_QUEUE_FULL`"],
  adminQueueEntries: ["count", "entries of the admin queue", "commands wait"],
  adminWaitingMax: ["count", "admin commands that wait for room", "`NVME_ERR_QUEUE_FULL`"],
  transferBytesMax: ["bytes", "data of one command", "requests are split"],
};

const NOBODY = "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000000";

function hostTable(): string {
  const clock = new VirtualClock();
  const transport = {
    address: { trtype: "loop", traddr: "", trsvcid: "" },
    clock,
    openQueue: () => ({ submit() {}, detach() {}, close() {} }),
  };
  const resolved = resolveOptions({
    transport,
    hostNqn: NOBODY,
    subsystemNqn: NOBODY,
    hostId: "00000000-0000-4000-8000-000000000000",
  });
  const { delayMs, fastFailMs, lossMs } = resolved.reconnect;
  const policy: [string, string, number, string][] = [
    ["reconnect.delayMs", "first wait between two attempts", delayMs, "the next attempt"],
    ["reconnect.fastFailMs", "patience of commands after a loss", fastFailMs, "they fail"],
    ["reconnect.lossMs", "attempts after a loss", lossMs, "the controller is closed"],
  ];
  const rows = Object.entries(hostLimits).map(([name, [unit, bounds, follows]]) => {
    const value = valueText(unit, resolved[name as keyof typeof resolved] as number);
    return [`\`${name}\``, bounds, value, follows];
  });
  const waits = policy.map(([name, bounds, value, follows]) => {
    return [`\`${name}\``, bounds, valueText("ms", value), follows];
  });
  return table(["option", "bounds", "default", "what follows"], [...rows, ...waits]);
}

/** The page. */
export function limitsPage(): Promise<string> {
  const parts = [HEAD, targetTable(), MEMORY, HOST, hostTable(), NBD, nbdTable()];
  parts.push(CONTROL, controlTable(), METRICS, metricsTable());
  const text = parts.join("\n");
  return format(text, { parser: "markdown", printWidth: 100 });
}
