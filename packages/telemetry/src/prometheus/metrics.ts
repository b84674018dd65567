// Metrics of hosts, targets and NBD servers for Prometheus: read when somebody asks, not counted while they work.
// Read first: rows.ts; host-rows.ts, target-rows.ts and nbd-rows.ts for what there is. docs/metrics.md is printed from them.

import type { NvmeGroup } from "@nvmeof/bdev/nvme";
import { NvmeofError } from "@nvmeof/codec";
import type { Target } from "@nvmeof/target";
import { Counter, Gauge, Registry } from "prom-client";
import { HostSource } from "../host-source.ts";
import { TargetSource } from "../target-source.ts";
import { Durations } from "./durations.ts";
import { hostRows } from "./host-rows.ts";
import { type NbdFigures, type NbdSource, nbdRows } from "./nbd-rows.ts";
import type { Row, ShowOptions } from "./rows.ts";
import { targetRows } from "./target-rows.ts";

/** Options of {@link NvmeMetrics}. */
export interface MetricsOptions {
  /** Where the metrics are registered. Default: a registry of their own. */
  readonly register?: Registry;
  /** NQNs as labels; without, subsystems of a target are numbered. Default false. */
  readonly nqnLabels?: boolean;
  /** Most series of one metric; more are left out, and counted. Default 2,000. */
  readonly seriesMax?: number;
}

/** What a host is, or what it has. */
export type WatchedHost = NvmeGroup | { readonly group: NvmeGroup };

/** Series of one metric where nobody says otherwise. */
export const SERIES_MAX = 2_000;

/** Says how much was left out of the last answer. */
export const droppedFact = {
  name: "nvmeof_metrics_series_dropped",
  type: "gauge",
  unit: "",
  labels: ["metric"],
  help: "Series that were left out when the metric was last read, because there were more than seriesMax.",
} as const;

/** The metrics of any number of hosts and targets, under names that stay. */
export class NvmeMetrics {
  readonly register: Registry;
  readonly #show: ShowOptions;
  readonly #seriesMax: number;
  readonly #hosts = new Map<string, HostSource>();
  readonly #targets = new Map<string, TargetSource>();
  readonly #nbd = new Map<string, NbdSource>();
  readonly #dropped: Gauge;

  /**
   * @throws RangeError for a `seriesMax` that is none; Error where `register` has metrics of these names
   *   already.
   */
  constructor({ register = new Registry(), nqnLabels = false, seriesMax }: MetricsOptions = {}) {
    this.register = register;
    this.#show = { nqnLabels };
    this.#seriesMax = seriesMax ?? SERIES_MAX;
    if (!Number.isInteger(this.#seriesMax) || this.#seriesMax < 1) {
      throw new RangeError(`seriesMax is ${seriesMax}; it must be a whole number above 0`);
    }
    for (const row of hostRows) this.#add(row, () => this.#hosts.values());
    register.registerMetric(new Durations(() => this.#hosts.values()));
    for (const row of targetRows) this.#add(row, () => this.#targets.values());
    for (const row of nbdRows) this.#add(row, () => this.#nbd.values());
    const { name, help, labels } = droppedFact;
    this.#dropped = new Gauge({ name, help, labelNames: labels, registers: [register] });
  }

  /**
   * Shows a host under `name`, by default that of its group, until the returned function is called. Its
   * I/O commands are counted and timed from now on; what devices and paths count is read of them.
   *
   * @throws NvmeofError NVME_ERR_DUPLICATE for a name that is taken.
   */
  watchHost(host: WatchedHost, name?: string): () => void {
    const group = "group" in host ? host.group : host;
    const label = name ?? group.name;
    return keep(this.#hosts, label, () => new HostSource(label, group));
  }

  /**
   * Shows a target under `name` until the returned function is called. It costs a target nothing before
   * somebody asks.
   *
   * @throws NvmeofError NVME_ERR_DUPLICATE for a name that is taken.
   */
  watchTarget(target: Target, name = "target"): () => void {
    return keep(this.#targets, name, () => new TargetSource(name, target));
  }

  /**
   * Shows an NBD server under `name` until the returned function is called.
   *
   * @throws NvmeofError NVME_ERR_DUPLICATE for a name that is taken.
   */
  watchNbd(server: NbdFigures, name = "nbd"): () => void {
    return keep(this.#nbd, name, () => ({ name, server, stop: () => {} }));
  }

  /** All of them, as Prometheus reads them. */
  text(): Promise<string> {
    return this.register.metrics();
  }

  /** What `text` is, for an answer by HTTP. */
  get contentType(): string {
    return this.register.contentType;
  }

  #add<Source>(row: Row<Source>, sources: () => Iterable<Source>): void {
    const { name, help, type, labels } = row;
    const common = { name, help, labelNames: labels, registers: [this.register] };
    const fill = (
      metric: { reset(): void },
      put: (labels: Record<string, string | number>, value: number) => void,
    ): void => this.#fill(row, sources(), metric, put);
    if (type === "gauge") {
      const gauge: Gauge = new Gauge({
        ...common,
        collect: () => fill(gauge, (of, value) => gauge.set(of, value)),
      });
    } else {
      const counter: Counter = new Counter({
        ...common,
        collect: () => fill(counter, (of, value) => counter.inc(of, value)),
      });
    }
  }

  #fill<Source>(
    row: Row<Source>,
    sources: Iterable<Source>,
    metric: { reset(): void },
    put: (labels: Record<string, string | number>, value: number) => void,
  ): void {
    metric.reset();
    let series = 0;
    for (const source of sources) {
      row.read(
        source,
        (labels, value) => {
          if (series++ < this.#seriesMax) put(labels, value);
        },
        this.#show,
      );
    }
    const dropped = series - this.#seriesMax;
    if (dropped > 0) this.#dropped.set({ metric: row.name }, dropped);
    else this.#dropped.remove({ metric: row.name });
  }
}

/** One of a name; the returned function takes it out again. */
function keep<Source extends { readonly stop: () => void }>(
  all: Map<string, Source>,
  name: string,
  make: () => Source,
): () => void {
  if (all.has(name)) {
    const hint = "Give each a name of its own.";
    throw new NvmeofError("NVME_ERR_DUPLICATE", `metrics show a "${name}" already`, { hint });
  }
  const source = make();
  all.set(name, source);
  return () => {
    if (all.get(name) !== source) return;
    all.delete(name);
    source.stop();
  };
}
