// The instruments of OpenTelemetry that a host has: names, units, and what they say.
// Read first: "Semantic conventions for database client metrics", after which they are called.

/** One instrument: docs/metrics.md is printed from here. */
export interface InstrumentFact {
  readonly name: string;
  readonly type: "histogram" | "counter" | "up-down counter" | "gauge";
  /** In the words of UCUM. */
  readonly unit: string;
  readonly attributes: readonly string[];
  readonly help: string;
}

const address = ["server.address", "server.port"] as const;

export const instruments = {
  duration: {
    name: "nvme.client.operation.duration",
    type: "histogram",
    unit: "s",
    attributes: ["nvme.operation", "error.type", ...address, "nvme.path.ana_state"],
    help: "Time from sending an I/O command to its end.",
  },
  active: {
    name: "nvme.client.operation.active",
    type: "up-down counter",
    unit: "{operation}",
    attributes: [...address],
    help: "I/O commands that were sent and have not ended.",
  },
  io: {
    name: "nvme.client.io",
    type: "counter",
    unit: "By",
    attributes: ["nvme.operation", ...address],
    help: "Bytes of data of I/O commands that succeeded.",
  },
  reconnects: {
    name: "nvme.client.reconnects",
    type: "counter",
    unit: "{reconnect}",
    attributes: [...address],
    help: "Times that a controller was live again after it was torn down.",
  },
  retries: {
    name: "nvme.client.retries",
    type: "counter",
    unit: "{retry}",
    attributes: ["nvme.group", ...address],
    help: "Commands that were to be tried again, on the same path or on another. For hosts that are watched.",
  },
  pathState: {
    name: "nvme.client.path.state",
    type: "gauge",
    unit: "1",
    attributes: ["nvme.group", ...address, "nvme.path.state"],
    help: "1 for the state that the controller is in. For hosts that are watched.",
  },
  stall: {
    name: "nvme.client.stall.duration",
    type: "gauge",
    unit: "s",
    attributes: ["nvme.group", ...address],
    help: "Longest time in which commands were in flight on a path and none ended. For hosts that are watched.",
  },
} as const satisfies Readonly<Record<string, InstrumentFact>>;

/** Every instrument, with unit and meaning. */
export const instrumentFacts: readonly InstrumentFact[] = Object.values(instruments);
