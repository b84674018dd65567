// The network of a simulation: ports, the connections to them, and the faults that befall them.
// Read first: fault.ts for what can befall it; link.ts for what it tells.

import type { Clock } from "@nvmeof/transport";
import type { SimRandom } from "../random.ts";
import { type Climate, type LastingFault, calmClimate, worse } from "./climate.ts";
import type { FaultScope, NetworkFault, Side } from "./fault.ts";
import type { Link, NetworkEvents } from "./link.ts";
import { type Roads, Route, SimPort } from "./port.ts";
import { Slab } from "./slab.ts";
import { CALM, type Weather } from "./weather.ts";

/** All ports and connections of a run. Chance decides for each connection by itself. */
export class SimNetwork {
  readonly #roads: Roads;
  readonly #calm: Climate;
  readonly #ports = new Map<string, SimPort>();
  readonly #routes: Route[] = [];

  /** @param weather of both directions, wherever no fault says otherwise. */
  constructor(clock: Clock, random: SimRandom, events: NetworkEvents, weather: Weather = CALM) {
    this.#roads = { clock, random, events, slab: new Slab() };
    this.#calm = calmClimate(weather);
  }

  /** The port of this name; it is made when it is first asked for. */
  port(name: string): SimPort {
    let port = this.#ports.get(name);
    if (port === undefined) {
      port = new SimPort(name, (owner, host) => {
        const route = new Route(host, owner, this.#roads, this.#calm);
        this.#routes.push(route);
        return route;
      });
      this.#ports.set(name, port);
    }
    return port;
  }

  /** Ends on one side that their users have not left, and that were not ended: 0 when all is over. */
  openEnds(side: Side): number {
    let count = 0;
    for (const { links } of this.#routes) {
      for (const link of links) {
        const end = link.end(side);
        if (end.isOpen && !end.isUnborn) count++;
      }
    }
    return count;
  }

  /** Connections of which the network still has something to tell or to send. */
  get connections(): number {
    return this.#routes.reduce((count, { links }) => count + links.length, 0);
  }

  /**
   * Lets a fault happen. A host that first connects to a port later is not concerned.
   *
   * @returns how many connections it concerned.
   */
  apply(fault: NetworkFault): number {
    const routes = this.#routesOf(fault);
    const links = routes.flatMap((route) => picked(route.links, fault.pick));
    // Who is connecting has nothing yet that could end.
    const connected = links.filter(({ hostEnd }) => !hostEnd.isConnecting);
    switch (fault.kind) {
      case "reset":
        for (const link of connected) link.reset(fault.seenBy);
        return connected.length;
      case "fin":
        for (const link of connected) link.fin(fault.from);
        return connected.length;
      case "vanish":
        for (const link of connected) link.end(fault.side).vanish();
        return connected.length;
      case "admission":
        for (const route of routes) route.admission = fault.admission;
        return 0;
      case "heal":
        for (const route of routes) this.#heal(route);
        break;
      case "weather":
      case "silence":
      case "trip":
      case "stop-reading":
        this.#lasts(fault, routes);
        break;
    }
    return links.length;
  }

  /** All is as it was at first, but for these ports. */
  healAll(except: readonly string[] = []): void {
    for (const route of this.#routes) {
      if (!except.includes(route.port.name)) this.#heal(route);
    }
  }

  #routesOf({ port, host }: FaultScope): Route[] {
    return this.#routes.filter(
      (route) =>
        (port === undefined || route.port.name === port) &&
        (host === undefined || route.host === host),
    );
  }

  /** Faults that last: of the connections that there are, and where all are meant, of those to come. */
  #lasts(fault: LastingFault, routes: readonly Route[]): void {
    for (const route of routes) {
      const links = picked(route.links, fault.pick);
      if (fault.pick === undefined || fault.pick === "all") {
        route.climate = worse(route.climate, fault);
      }
      for (const link of links) link.suffer(fault);
    }
  }

  #heal(route: Route): void {
    route.climate = this.#calm;
    route.admission = "open";
    for (const link of route.links) link.adopt(this.#calm);
  }
}

/** Those of the connections that a fault means. */
function picked(links: readonly Link[], pick: FaultScope["pick"] = "all"): readonly Link[] {
  if (pick === "all" || links.length === 0) return links.slice();
  if (pick === "oldest") return [links[0]!];
  if (pick === "newest") return [links.at(-1)!];
  return [links[pick % links.length]!];
}
