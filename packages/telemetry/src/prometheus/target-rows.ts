// The metrics of a target: who is there, what was asked for, and who was refused.
// Read first: rows.ts; ../target-source.ts for where values come from.

import type { Namespace, Target } from "@nvmeof/target";
import type { TargetSource } from "../target-source.ts";
import type { Labels, Put, Row, ShowOptions } from "./rows.ts";

type TargetRow = Row<TargetSource>;

const onTarget = ["target"] as const;
const onNamespace = ["target", "subsystem", "nsid"] as const;

/** A row with one value. */
const one = (
  row: Omit<TargetRow, "read" | "labels">,
  value: (target: Target) => number,
): TargetRow => ({
  ...row,
  labels: onTarget,
  read: ({ name, target }, put) => put({ target: name }, value(target)),
});

/** A row with a value for each of a few names. */
const named = (
  row: Omit<TargetRow, "read" | "labels">,
  label: string,
  values: (source: TargetSource) => Iterable<readonly [name: string, value: number]>,
): TargetRow => ({
  ...row,
  labels: [...onTarget, label],
  read(source, put) {
    for (const [name, value] of values(source)) put({ target: source.name, [label]: name }, value);
  },
});

function eachNamespace(
  { name, target }: TargetSource,
  { nqnLabels }: ShowOptions,
  visit: (labels: Labels, namespace: Namespace) => void,
): void {
  for (const [i, { namespaces, nqn }] of target.subsystems.entries()) {
    const subsystem = nqnLabels ? nqn : String(i + 1);
    for (const namespace of namespaces) {
      visit({ target: name, subsystem, nsid: namespace.nsid }, namespace);
    }
  }
}

const namespaceRow = (
  row: Omit<TargetRow, "read" | "labels">,
  labels: readonly string[],
  read: (labels: Labels, namespace: Namespace, put: Put) => void,
): TargetRow => ({
  ...row,
  labels: [...onNamespace, ...labels],
  read: (source, put, options) =>
    eachNamespace(source, options, (own, namespace) => read(own, namespace, put)),
});

const usageRows: readonly TargetRow[] = [
  one(
    {
      name: "nvmeof_target_connections",
      type: "gauge",
      unit: "",
      help: "Connections of hosts.",
    },
    ({ status }) => status.connections,
  ),
  one(
    {
      name: "nvmeof_target_controllers",
      type: "gauge",
      unit: "",
      help: "Controllers that hosts have.",
    },
    ({ status }) => status.controllers,
  ),
  one(
    {
      name: "nvmeof_target_backend_requests_inflight",
      type: "gauge",
      unit: "",
      help: "Requests that block devices have and did not settle.",
    },
    ({ status }) => status.backendRequests,
  ),
  one(
    {
      name: "nvmeof_target_buffer_bytes",
      type: "gauge",
      unit: "bytes",
      help: "Bytes of buffers that commands hold.",
    },
    ({ status }) => status.bufferBytes,
  ),
];

const namespaceRows: readonly TargetRow[] = [
  namespaceRow(
    {
      name: "nvmeof_target_namespace_bytes",
      type: "gauge",
      unit: "bytes",
      help: "Size of the namespace.",
    },
    [],
    (labels, { blockBytes, blockCount }, put) => put(labels, blockBytes * blockCount),
  ),
  namespaceRow(
    {
      name: "nvmeof_target_commands_total",
      type: "counter",
      unit: "",
      help: "Reads and writes that were done.",
    },
    ["operation"],
    (labels, { counters }, put) => {
      put({ ...labels, operation: "read" }, counters.readCommands);
      put({ ...labels, operation: "write" }, counters.writeCommands);
    },
  ),
  namespaceRow(
    {
      name: "nvmeof_target_io_bytes_total",
      type: "counter",
      unit: "bytes",
      help: "Bytes that hosts have read and written.",
    },
    ["operation"],
    (labels, { counters }, put) => {
      put({ ...labels, operation: "read" }, counters.readBytes);
      put({ ...labels, operation: "write" }, counters.writtenBytes);
    },
  ),
  namespaceRow(
    {
      name: "nvmeof_target_media_errors_total",
      type: "counter",
      unit: "",
      help: "Commands that the device of the namespace could not do.",
    },
    [],
    (labels, { counters }, put) => put(labels, counters.mediaErrors),
  ),
];

const refusalRows: readonly TargetRow[] = [
  named(
    {
      name: "nvmeof_target_limit_hits_total",
      type: "counter",
      unit: "",
      help: "Times that a host met a bound, by the name of its option: see docs/limits.md.",
    },
    "limit",
    ({ target }) => Object.entries(target.counters.limits),
  ),
  named(
    {
      name: "nvmeof_target_authentications_total",
      type: "counter",
      unit: "",
      help: "Times that a host has proven who it is, on a queue (succeeded), and that one has not (failed).",
    },
    "result",
    ({ target }) => Object.entries(target.counters.authentications),
  ),
  one(
    {
      name: "nvmeof_target_protocol_errors_total",
      type: "counter",
      unit: "",
      help: "Connections that ended because the host broke the protocol.",
    },
    ({ counters }) => counters.protocolErrors,
  ),
  named(
    {
      name: "nvmeof_target_strangers_total",
      type: "counter",
      unit: "",
      help: "Of these, those that spoke another protocol from their first byte.",
    },
    "protocol",
    ({ target }) => Object.entries(target.counters.strangers),
  ),
  named(
    {
      name: "nvmeof_target_tls_refusals_total",
      type: "counter",
      unit: "",
      help: "TLS handshakes that failed, by why.",
    },
    "failure",
    ({ target }) => Object.entries(target.counters.tlsRefusals),
  ),
  named(
    {
      name: "nvmeof_target_controllers_removed_total",
      type: "counter",
      unit: "",
      help: "Controllers that ended, by why.",
    },
    "reason",
    ({ ends }) => ends,
  ),
  named(
    {
      name: "nvmeof_target_events_total",
      type: "counter",
      unit: "",
      help: "Events that the target told its observers of, by their type.",
    },
    "type",
    ({ events }) => events,
  ),
];

/** In the order in which they are shown. */
export const targetRows: readonly TargetRow[] = [...usageRows, ...namespaceRows, ...refusalRows];
