// A port of a target in the network: listens for the target, and connects hosts to it.
// Read first: link.ts; @nvmeof/transport byte-stream.ts, `Connector` and `Listener`.

import {
  type ByteStream,
  type ByteStreamHandler,
  type Clock,
  type Connector,
  type Listener,
  type StreamOptions,
  TransportError,
} from "@nvmeof/transport";
import type { SimRandom } from "../random.ts";
import type { Admission } from "./fault.ts";
import type { Climate } from "./climate.ts";
import { Link, type LinkOwner, type NetworkEvents } from "./link.ts";
import type { Slab } from "./slab.ts";

/** Time until an unanswered request to connect is repeated, ms; then twice as long, and so on. */
const CONNECT_AGAIN_MS = 1_000;

/** What the ways to a port have in common. */
export interface Roads {
  readonly clock: Clock;
  readonly random: SimRandom;
  readonly events: NetworkEvents;
  /** Memory for what is under way. */
  readonly slab: Slab;
}

/** The way of one host to one port: its connections, and what those to come will find. */
export class Route implements Connector, LinkOwner {
  readonly host: string;
  readonly port: SimPort;
  climate: Climate;
  admission: Admission = "open";
  /** Oldest first. */
  readonly links: Link[] = [];
  readonly #roads: Roads;
  #attempts = 0;

  constructor(host: string, port: SimPort, roads: Roads, climate: Climate) {
    this.host = host;
    this.port = port;
    this.climate = climate;
    this.#roads = roads;
  }

  get remote(): string {
    return this.port.local;
  }

  get events(): NetworkEvents {
    return this.#roads.events;
  }

  get slab(): Slab {
    return this.#roads.slab;
  }

  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const { clock, random } = this.#roads;
    const name = { number: this.#attempts++, host: this.host, port: this.port.name };
    const link = new Link(name, clock, random, this.climate, this);
    link.hostEnd.begin(handler);
    if (options.receiveBytes > 0) link.toHost.chunkBytes = options.receiveBytes;
    this.links.push(link);
    new Dial(this, link, clock, options.connectTimeoutMs).begin();
    return link.hostEnd;
  }

  accepting(stream: ByteStream): ByteStreamHandler | undefined {
    return this.port.accept(stream);
  }

  over(link: Link): void {
    const at = this.links.indexOf(link);
    if (at !== -1) this.links.splice(at, 1);
  }
}

/** A host's attempts to get a connection, until it has one or its time is over. */
class Dial {
  readonly #route: Route;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #byMs: number;
  #pauseMs = CONNECT_AGAIN_MS;

  constructor(route: Route, link: Link, clock: Clock, timeoutMs: number) {
    this.#route = route;
    this.#link = link;
    this.#clock = clock;
    this.#byMs = clock.nowMs() + timeoutMs;
  }

  begin(): void {
    const { admission } = this.#route;
    const link = this.#link;
    const nowMs = this.#clock.nowMs();
    if (admission === "unanswered" || link.toHost.isSilent || link.toController.isSilent) {
      this.#later(nowMs + this.#pauseMs, () => this.begin());
      this.#pauseMs *= 2;
      return;
    }
    const thereMs = link.toController.passage.arrivalMs(nowMs, 0);
    const backMs = link.toHost.passage.arrivalMs(thereMs, 0);
    this.#later(backMs + (typeof admission === "number" ? admission : 0), () => this.#answered());
  }

  /** What is not to be before the time is over is never. */
  #later(atMs: number, task: () => void): void {
    this.#clock.at(Math.min(atMs, this.#byMs), () => {
      const { hostEnd } = this.#link;
      if (!hostEnd.isConnecting) return;
      if (atMs <= this.#byMs) task();
      else {
        const message = `no connection to ${this.#route.remote}`;
        hostEnd.fail(new TransportError("connect-timeout", message, { phase: "tcp" }));
      }
    });
  }

  #answered(): void {
    const { port, admission, remote, events } = this.#route;
    const link = this.#link;
    if (!port.isListening || admission === "refused") {
      const message = `cannot reach ${remote}: connection refused`;
      link.hostEnd.fail(new TransportError("unreachable", message, { phase: "tcp" }));
      return;
    }
    events.connected?.(link);
    link.toController.accept();
    link.hostEnd.open();
  }
}

/** A port: a target listens on it, hosts connect to it. */
export class SimPort implements Connector, Listener {
  readonly name: string;
  readonly local: string;
  readonly remote: string;
  readonly #routes = new Map<string, Route>();
  readonly #makeRoute: (port: SimPort, host: string) => Route;
  #accept: ((stream: ByteStream) => ByteStreamHandler | undefined) | undefined;

  constructor(name: string, makeRoute: (port: SimPort, host: string) => Route) {
    this.name = name;
    this.local = `sim:${name}`;
    this.remote = this.local;
    this.#makeRoute = makeRoute;
  }

  /** Whether somebody takes connections. */
  get isListening(): boolean {
    return this.#accept !== undefined;
  }

  listen(accept: (stream: ByteStream) => ByteStreamHandler | undefined): void {
    this.#accept = accept;
  }

  close(): void {
    this.#accept = undefined;
  }

  /** The port as one host reaches it: faults can be about this host alone. */
  connectorOf(host: string): Connector {
    let route = this.#routes.get(host);
    if (route === undefined) this.#routes.set(host, (route = this.#makeRoute(this, host)));
    return route;
  }

  /** Connects a host without a name. */
  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    return this.connectorOf("host").connect(options, handler);
  }

  /** Asks who takes a connection. */
  accept(stream: ByteStream): ByteStreamHandler | undefined {
    return this.#accept?.(stream);
  }
}
