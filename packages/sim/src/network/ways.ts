// All ways to all ports of a run, whatever they are reached by, and the faults that befall them.
// Read first: network.ts for streams, fc-fabric.ts for frames.

import { type Clock, type Connector, MemoryPort } from "@nvmeof/transport";
import type { SimRandom } from "../random.ts";
import { type PortOfTarget, TargetPort } from "../target-port.ts";
import type { NetworkFault } from "./fault.ts";
import { FcNetwork, type FcPort } from "./fc-fabric.ts";
import type { NetworkEvents } from "./link.ts";
import { SimNetwork } from "./network.ts";
import type { Weather } from "./weather.ts";

/**
 * What a port is reached by: NVMe/TCP through the weather; the same through this process, which knows no
 * weather and no network's faults; or Fibre Channel, whose frames go through the weather.
 */
export type PortTransport = "tcp" | "memory" | "fc";

/** What ways are made of. */
export interface WaysOptions {
  readonly clock: Clock;
  readonly random: SimRandom;
  readonly events: NetworkEvents;
  readonly weather: Weather;
  /** By the name of the port; "tcp" for those that are not named. */
  readonly transports: ReadonlyMap<string, PortTransport>;
}

export class Ways {
  readonly #options: WaysOptions;
  readonly #streams: SimNetwork;
  readonly #fc: FcNetwork;
  readonly #memory = new Map<string, MemoryPort>();

  constructor(options: WaysOptions) {
    const { clock, random, events, weather } = options;
    this.#options = options;
    this.#streams = new SimNetwork(clock, random, events, weather);
    this.#fc = new FcNetwork(clock, random, weather);
  }

  /** Connections of which the network still has something to tell or to send. */
  get connections(): number {
    return this.#streams.connections + this.#fc.associations;
  }

  /** The port of this name as its target listens on it. */
  portOfTarget(name: string): PortOfTarget {
    return this.fcPort(name) ?? new TargetPort(this.#memoryPort(name) ?? this.#streams.port(name));
  }

  /** The port as one host reaches it, by streams. */
  connector(name: string, host: string): Connector {
    return this.#memoryPort(name) ?? this.#streams.port(name).connectorOf(host);
  }

  /** The port of this name, where it is one of Fibre Channel. */
  fcPort(name: string): FcPort | undefined {
    return this.#transportOf(name) === "fc" ? this.#fc.port(name) : undefined;
  }

  /** Lets a fault happen, where it can; says how many connections, and hosts over FC, it concerned. */
  apply(fault: NetworkFault): number {
    return this.#streams.apply(fault) + this.#fc.apply(fault);
  }

  /** All is as it was at first. */
  healAll(): void {
    this.#streams.healAll();
    this.#fc.healAll();
  }

  #transportOf(name: string): PortTransport {
    return this.#options.transports.get(name) ?? "tcp";
  }

  #memoryPort(name: string): MemoryPort | undefined {
    if (this.#transportOf(name) !== "memory") return undefined;
    let port = this.#memory.get(name);
    if (port === undefined) {
      port = new MemoryPort(name, { clock: this.#options.clock });
      this.#memory.set(name, port);
    }
    return port;
  }
}
