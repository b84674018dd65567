// Metrics of hosts for OpenTelemetry: recorded of what comes on the diagnostics channels.
// Read first: instruments.ts; ../channels.ts. Without an SDK nothing is recorded, as the API has it.

import type { NvmeGroup } from "@nvmeof/bdev/nvme";
import { OPC_FABRICS } from "@nvmeof/codec";
import { type CommandMessage, type ControllerName, addressText } from "@nvmeof/core";
import {
  type Attributes,
  type Meter,
  type MeterProvider,
  type ObservableResult,
  metrics,
} from "@opentelemetry/api";
import { anaLabel } from "../ana-label.ts";
import { listen } from "../channels.ts";
import { type InstrumentFact, instruments } from "./instruments.ts";

/** Options of {@link NvmeInstrumentation}. */
export interface InstrumentationOptions {
  /** Default: the one that is registered globally. */
  readonly meterProvider?: MeterProvider;
}

/** ANA states that are remembered, each of one path to one namespace; the oldest is forgotten first. */
const ANA_STATES_MAX = 4_096;

/** Admin commands are none, nor is Connect of an I/O queue. */
const isIo = ({ qid, opcode }: CommandMessage): boolean => qid > 0 && opcode !== OPC_FABRICS;

/** Of a few operations the name, as a label; "other" for the rest. */
const operationOf = ({ operation }: CommandMessage): string =>
  operation.startsWith("vendor") || operation.startsWith("unknown") ? "other" : operation;

const serverOf = ({ address }: Pick<ControllerName, "address">): Attributes => {
  const port = Number(address.trsvcid);
  return {
    "server.address": address.traddr,
    ...(port > 0 ? { "server.port": port } : {}),
  };
};

/** Bounds of durations, s: those of the conventions end where a disk begins. */
const boundaries = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
  2.5, 5, 10, 30,
];

const described = ({ help, unit }: InstrumentFact) => ({ description: help, unit });

/** Records for all hosts of the process, from now until it is ended. */
export class NvmeInstrumentation implements Disposable {
  readonly #groups = new Set<NvmeGroup>();
  /** By path and namespace. */
  readonly #ana = new Map<string, string>();
  readonly #active = new WeakSet<CommandMessage>();
  readonly #stops: (() => void)[] = [];

  constructor({ meterProvider }: InstrumentationOptions = {}) {
    const meter = (meterProvider ?? metrics).getMeter("@nvmeof/telemetry");
    this.#commands(meter);
    this.#reconnects(meter);
    this.#watched(meter);
  }

  /** Shows retries, states and stalls of a host as well, until the returned function is called. */
  watchHost(host: NvmeGroup | { readonly group: NvmeGroup }): () => void {
    const group = "group" in host ? host.group : host;
    this.#groups.add(group);
    return () => void this.#groups.delete(group);
  }

  /** Records nothing any more. */
  end(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#groups.clear();
    this.#ana.clear();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #commands(meter: Meter): void {
    const duration = meter.createHistogram(instruments.duration.name, {
      ...described(instruments.duration),
      advice: { explicitBucketBoundaries: boundaries },
    });
    const active = meter.createUpDownCounter(
      instruments.active.name,
      described(instruments.active),
    );
    const io = meter.createCounter(instruments.io.name, described(instruments.io));
    const ended = (message: CommandMessage): void => {
      const { error, dataBytes, durationMs = 0 } = message;
      if (!isIo(message)) return;
      const server = serverOf(message);
      const operation = { "nvme.operation": operationOf(message) };
      const state = this.#ana.get(pathOf(message));
      duration.record(durationMs / 1_000, {
        ...operation,
        ...server,
        ...(error === undefined ? {} : { "error.type": error.code }),
        ...(state === undefined ? {} : { "nvme.path.ana_state": state }),
      });
      // One that began before anybody listened was never added.
      if (this.#active.delete(message)) active.add(-1, server);
      if (error === undefined && dataBytes > 0) io.add(dataBytes, { ...operation, ...server });
    };
    this.#stops.push(
      listen("nvmeof:command:start", (message) => {
        if (!isIo(message)) return;
        this.#active.add(message);
        active.add(1, serverOf(message));
      }),
      listen("nvmeof:command:complete", ended),
      listen("nvmeof:command:error", ended),
      listen("nvmeof:ana:change", (message) => {
        const path = pathOf(message);
        this.#ana.delete(path);
        if (message.to === undefined) return;
        this.#ana.set(path, anaLabel(message.to));
        if (this.#ana.size > ANA_STATES_MAX) this.#ana.delete(this.#ana.keys().next().value!);
      }),
    );
  }

  #reconnects(meter: Meter): void {
    const reconnects = meter.createCounter(
      instruments.reconnects.name,
      described(instruments.reconnects),
    );
    this.#stops.push(
      listen("nvmeof:controller:reset:end", (message) => {
        if (message.result?.isLive === true) reconnects.add(1, serverOf(message));
      }),
    );
  }

  #watched(meter: Meter): void {
    const { retries, pathState, stall } = instruments;
    this.#observe(meter.createObservableCounter(retries.name, described(retries)), (observe) => {
      this.#eachPath((attributes, { statistics }) => {
        const count = statistics.reduce(
          (sum, { retries, switches }) => sum + retries + switches,
          0,
        );
        observe(count, attributes);
      });
    });
    this.#observe(meter.createObservableGauge(pathState.name, described(pathState)), (observe) => {
      this.#eachPath((attributes, { state }) => {
        observe(1, { ...attributes, "nvme.path.state": state });
      });
    });
    this.#observe(meter.createObservableGauge(stall.name, described(stall)), (observe) => {
      this.#eachPath((attributes, { statistics }) => {
        const ms = Math.max(0, ...statistics.map(({ longestStallMs }) => longestStallMs));
        observe(ms / 1_000, attributes);
      });
    });
  }

  #observe(
    instrument: Observable,
    read: (observe: (value: number, attributes: Attributes) => void) => void,
  ): void {
    const callback = (result: ObservableResult): void =>
      read((value, attributes) => result.observe(value, attributes));
    instrument.addCallback(callback);
    this.#stops.push(() => instrument.removeCallback(callback));
  }

  #eachPath(visit: (attributes: Attributes, path: PathView) => void): void {
    for (const group of this.#groups) {
      for (const { controller, namespaces } of group.controllers) {
        const attributes = { "nvme.group": group.name, ...serverOf(controller) };
        const statistics = [...namespaces.values()].map((path) => path.statistics);
        visit(attributes, { state: controller.state, statistics });
      }
    }
  }
}

type Observable = ReturnType<Meter["createObservableGauge"]>;

interface PathView {
  readonly state: string;
  readonly statistics: readonly {
    readonly retries: number;
    readonly switches: number;
    readonly longestStallMs: number;
  }[];
}

const pathOf = ({ address, nsid }: ControllerName & { readonly nsid: number }): string =>
  `${addressText(address)} ${nsid}`;
