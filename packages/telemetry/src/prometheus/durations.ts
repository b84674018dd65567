// Durations of commands as a histogram of Prometheus, from counts that are there already.
// Read first: ../command-meter.ts, which counts; rows.ts.

import { Histogram } from "prom-client";
import { durationBoundsMs } from "../command-meter.ts";
import type { HostSource } from "../host-source.ts";
import { seconds } from "./rows.ts";

/** The one metric that is no row: it has many values for one set of labels. */
export const durationFact = {
  name: "nvmeof_host_command_duration_seconds",
  type: "histogram",
  unit: "seconds",
  labels: ["group", "operation"],
  help: "Time from sending an I/O command to its end, whatever the end was.",
} as const;

type Values = Awaited<ReturnType<Histogram["get"]>>;
type Value = Values["values"][number];

const buckets = durationBoundsMs.map(seconds);
const { name } = durationFact;

/** Nobody observes it: what it shows is read of the meters. */
export class Durations extends Histogram {
  readonly #sources: () => Iterable<HostSource>;

  constructor(sources: () => Iterable<HostSource>) {
    super({
      name,
      help: durationFact.help,
      labelNames: durationFact.labels,
      buckets,
      registers: [],
    });
    this.#sources = sources;
  }

  override get(): Promise<Values> {
    return this.getForPromString();
  }

  /** What the registry asks for when it prints; the base class keeps values of its own, which are none. */
  async getForPromString(): Promise<Values> {
    const values: Value[] = [];
    for (const source of this.#sources()) {
      for (const operation of source.meter?.operations ?? []) {
        const labels = { group: source.name, operation: operation.operation };
        let count = 0;
        for (const [i, bound] of buckets.entries()) {
          count += operation.buckets[i]!;
          values.push({
            metricName: `${name}_bucket`,
            labels: { ...labels, le: bound },
            value: count,
          });
        }
        count += operation.buckets[buckets.length]!;
        const sum = seconds(operation.durationMs);
        values.push(
          { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: count },
          { metricName: `${name}_sum`, labels, value: sum },
          { metricName: `${name}_count`, labels, value: count },
        );
      }
    }
    const { help, type } = durationFact;
    // The type of `type` is an enum that exists in the declarations of prom-client only.
    return { name, help, type, aggregator: "sum", values } as unknown as Values;
  }
}
