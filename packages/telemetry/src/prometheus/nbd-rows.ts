// The metrics of an NBD server: who is there, what was asked for, and which bounds were met.
// Read first: rows.ts; `NbdServer` of @nvmeof/tools, which is one of these.

import type { Row } from "./rows.ts";

/** What an NBD server says of itself; `NbdServer` of @nvmeof/tools does. */
export interface NbdFigures {
  readonly status: { readonly connections: number; readonly requests: number };
  readonly counters: {
    readonly connections: number;
    readonly reads: number;
    readonly writes: number;
    readonly others: number;
    readonly readBytes: number;
    readonly writtenBytes: number;
    readonly failed: number;
    readonly limits: Readonly<Partial<Record<string, number>>>;
  };
}

/** An NBD server as metrics see it. */
export interface NbdSource {
  readonly name: string;
  readonly server: NbdFigures;
  readonly stop: () => void;
}

type NbdRow = Row<NbdSource>;

const onServer = ["server"] as const;

const one = (
  row: Omit<NbdRow, "read" | "labels">,
  value: (server: NbdFigures) => number,
): NbdRow => ({
  ...row,
  labels: onServer,
  read: ({ name, server }, put) => put({ server: name }, value(server)),
});

const named = (
  row: Omit<NbdRow, "read" | "labels">,
  label: string,
  values: (server: NbdFigures) => Readonly<Partial<Record<string, number>>>,
): NbdRow => ({
  ...row,
  labels: [...onServer, label],
  read({ name, server }, put) {
    for (const [key, value = 0] of Object.entries(values(server))) {
      put({ server: name, [label]: key }, value);
    }
  },
});

/** In the order in which they are shown. */
export const nbdRows: readonly NbdRow[] = [
  one(
    {
      name: "nvmeof_nbd_connections",
      type: "gauge",
      unit: "",
      help: "Connections of NBD clients.",
    },
    ({ status }) => status.connections,
  ),
  one(
    {
      name: "nvmeof_nbd_requests_inflight",
      type: "gauge",
      unit: "",
      help: "Requests of NBD clients that devices have and did not settle.",
    },
    ({ status }) => status.requests,
  ),
  one(
    {
      name: "nvmeof_nbd_connections_total",
      type: "counter",
      unit: "",
      help: "Connections of NBD clients that were taken.",
    },
    ({ counters }) => counters.connections,
  ),
  named(
    {
      name: "nvmeof_nbd_requests_total",
      type: "counter",
      unit: "",
      help: "Requests of NBD clients that a device has done.",
    },
    "operation",
    ({ counters: { reads, writes, others } }) => ({ read: reads, write: writes, other: others }),
  ),
  named(
    {
      name: "nvmeof_nbd_io_bytes_total",
      type: "counter",
      unit: "bytes",
      help: "Bytes that NBD clients have read and written.",
    },
    "operation",
    ({ counters: { readBytes, writtenBytes } }) => ({ read: readBytes, write: writtenBytes }),
  ),
  one(
    {
      name: "nvmeof_nbd_requests_failed_total",
      type: "counter",
      unit: "",
      help: "Requests of NBD clients that a device could not do.",
    },
    ({ counters }) => counters.failed,
  ),
  named(
    {
      name: "nvmeof_nbd_limit_hits_total",
      type: "counter",
      unit: "",
      help: "Times that an NBD client met a bound, by the name of its option: see docs/limits.md.",
    },
    "limit",
    ({ counters }) => counters.limits,
  ),
];
