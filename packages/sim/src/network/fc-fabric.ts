// Fibre Channel in the network of a simulation: a fabric for each port, and what befalls its frames.
// Read first: fault.ts for what can befall it; @nvmeof/transport fc/fabric.ts, fc/frame-link.ts.
//
// No frame is sent twice: what a stream would repeat is lost here, a frame with a wrong bit as well, since
// its CRC says so. What only streams know does nothing: halves of connections, trip wires, readers that
// stop.
//
// Whoever repairs a way that has lost frames pulls its cable. Commands that had lost one have expired by
// then, but a request for an event never does: where the event is lost, neither side notices, and the host
// hears of nothing any more until it connects anew. FC-NVMe knows no remedy.

import {
  type Clock,
  type QueueEvents,
  type QueueLink,
  type QueueOptions,
  type Transport,
  TransportError,
} from "@nvmeof/transport";
import {
  Fabric,
  FcControllerPort,
  FcHost,
  type FrameFate,
  type FrameLink,
  type FrameLinkEvents,
  type FrameOnTheWay,
  type PortNames,
  SoftHostPort,
  SoftTargetPort,
  traddrOf,
} from "@nvmeof/transport/fc";
import type { SimRandom } from "../random.ts";
import { type Climate, calmClimate, worse } from "./climate.ts";
import type { Admission, Direction, NetworkFault } from "./fault.ts";
import { CALM, Passage, type Weather } from "./weather.ts";

/** The event loop that a host's end of a fabric lives in. */
export interface FcLoop {
  /** Of its port, which goes on when controllers have gone: for logouts and late answers. */
  readonly clock: Clock;
  /** Of the controllers. */
  readonly controllers: Clock;
  /** Runs something now, or when the loop goes on. */
  run(task: () => void): void;
}

/** Names of the target's port, and of the first host's: the others are counted on from there. */
const TARGET: PortNames = { nodeName: 0x2000_0000_0000_3000n, portName: 0x2100_0000_0000_3000n };
const FIRST_HOST = 0x2100_0000_0000_1000n;
const HOST_NODE = 0x2000_0000_0000_1000n;

/** A host's link to a fabric: what comes while its loop stands still is told later. */
class LoopLink implements FrameLink {
  readonly #inner: FrameLink;
  readonly #loop: FcLoop;

  constructor(inner: FrameLink, loop: FcLoop) {
    this.#inner = inner;
    this.#loop = loop;
  }

  get remote(): string {
    return this.#inner.remote;
  }

  get portId(): number {
    return this.#inner.portId;
  }

  get clogged(): boolean {
    return this.#inner.clogged;
  }

  attach(events: FrameLinkEvents): void {
    const loop = this.#loop;
    this.#inner.attach({
      up: () => loop.run(() => events.up()),
      received: (frame) => loop.run(() => events.received(frame)),
      drained: () => loop.run(() => events.drained()),
      down: (error) => loop.run(() => events.down(error)),
    });
  }

  start(timeoutMs: number): void {
    this.#inner.start(timeoutMs);
  }

  find(portName: bigint): number {
    return this.#inner.find(portName);
  }

  send(frame: Uint8Array): void {
    this.#inner.send(frame);
  }

  rest(): void {
    this.#inner.rest();
  }

  close(): void {
    this.#inner.close();
  }
}

/** The way of one host to one port. */
class FcRoute {
  readonly host: string;
  readonly names: PortNames;
  admission: Admission = "open";
  readonly fcHost: FcHost;
  readonly #loop: FcLoop;
  readonly #passages: Readonly<Record<Direction, Passage>>;
  #climate: Climate;
  /** Frames lost since the cable was last pulled. */
  lostFrames = 0;

  constructor(
    host: string,
    names: PortNames,
    fabric: Fabric,
    loop: FcLoop,
    random: SimRandom,
    climate: Climate,
  ) {
    this.host = host;
    this.names = names;
    this.#loop = loop;
    this.#climate = climate;
    const passage = (direction: Direction): Passage =>
      new Passage(climate.weather[direction], random.fork(direction));
    this.#passages = { toController: passage("toController"), toHost: passage("toHost") };
    const { clock } = loop;
    const port = new SoftHostPort({ link: new LoopLink(fabric.link(names), loop), clock, names });
    this.fcHost = new FcHost({ port, clock });
  }

  set climate(climate: Climate) {
    this.#climate = climate;
    this.#passages.toController.weather = climate.weather.toController;
    this.#passages.toHost.weather = climate.weather.toHost;
  }

  get climate(): Climate {
    return this.#climate;
  }

  /** When a frame arrives; undefined where it is lost. */
  arrivalMs(direction: Direction, nowMs: number, bytes: number): number | undefined {
    const passage = this.#passages[direction];
    const isSilent = this.#climate.flow[direction] === "silent";
    if (!isSilent && passage.lossMs() === 0 && !passage.harms()) {
      return passage.arrivalMs(nowMs, bytes);
    }
    this.lostFrames++;
    return undefined;
  }

  transport(traddr: string): Transport {
    const address = { trtype: "fc", traddr, trsvcid: "" };
    const inner = this.fcHost.transport(address, TARGET.portName);
    return {
      address,
      clock: this.#loop.controllers,
      openQueue: (options, events) => {
        // Later queues belong to an association that is there.
        const isTurnedAway = options.qid === 0 && typeof this.admission === "string";
        if (isTurnedAway && this.admission !== "open") return this.#turnAway(options, events);
        return inner.openQueue(options, events);
      },
    };
  }

  #turnAway({ timeoutMs }: QueueOptions, events: QueueEvents): QueueLink {
    const isRefused = this.admission === "refused";
    const error = isRefused
      ? new TransportError("unreachable", "the fabric refused the login", { phase: "login" })
      : new TransportError("connect-timeout", "no answer to the login", { phase: "login" });
    const clock = this.#loop.controllers;
    const timer = clock.at(clock.nowMs() + (isRefused ? 0 : timeoutMs), () => events.lost(error));
    return { submit: () => {}, detach: () => {}, close: () => timer.cancel() };
  }
}

/** A port of a target: a fabric of its own, the target's end, and the hosts that know it. */
export class FcPort {
  readonly name: string;
  /** To be listened on. */
  readonly listener: FcControllerPort;
  readonly #clock: Clock;
  readonly #random: SimRandom;
  readonly #calm: Climate;
  readonly #fabric: Fabric;
  readonly #routes: FcRoute[] = [];

  constructor(name: string, clock: Clock, random: SimRandom, weather: Weather) {
    this.name = name;
    this.#clock = clock;
    this.#random = random;
    this.#calm = calmClimate(weather);
    this.#fabric = new Fabric(name, { clock, fateOf: (frame) => this.#fateOf(frame) });
    const port = new SoftTargetPort({ link: this.#fabric.link(TARGET), clock, names: TARGET });
    this.listener = new FcControllerPort({ port, clock, local: `fc:${name}` });
  }

  /** Associations that the target has. */
  get streams(): number {
    return this.listener.associations;
  }

  /** Associations of hosts that are not over. */
  get associations(): number {
    return this.#routes.reduce((sum, { fcHost }) => sum + fcHost.associations.length, 0);
  }

  /** The way of `host`, whose event loop this is. */
  transport(host: string, loop: FcLoop): Transport {
    return this.#routeOf(host, loop).transport(`${this.name} ${traddrOf(TARGET)}`);
  }

  /** The target's process has ended, and with it all that it had. */
  crash(): void {
    this.listener.close();
    this.#fabric.unplug(TARGET.portName);
  }

  /** Lets a fault happen, to the hosts that it is about; says to how many. */
  apply(fault: NetworkFault): number {
    const isMeant = fault.port === undefined || fault.port === this.name;
    if (!isMeant) return 0;
    const routes = this.#routes.filter(
      ({ host }) => fault.host === undefined || host === fault.host,
    );
    for (const route of routes) this.#befall(route, fault);
    return routes.length;
  }

  healAll(): void {
    for (const route of this.#routes) this.#befall(route, { kind: "heal" });
  }

  #befall(route: FcRoute, fault: NetworkFault): void {
    switch (fault.kind) {
      case "weather":
      case "silence":
        route.climate = worse(route.climate, fault);
        break;
      case "admission":
        route.admission = fault.admission;
        break;
      case "reset":
        // A cable has two ends, and both notice.
        this.#pull(route);
        break;
      case "heal":
        route.climate = this.#calm;
        route.admission = "open";
        if (route.lostFrames > 0) this.#pull(route);
        break;
      case "fin":
      case "vanish":
      case "trip":
      case "stop-reading":
        break;
    }
  }

  #pull(route: FcRoute): void {
    route.lostFrames = 0;
    this.#fabric.unplug(route.names.portName);
  }

  #routeOf(host: string, loop: FcLoop): FcRoute {
    let route = this.#routes.find((each) => each.host === host);
    if (route !== undefined) return route;
    const at = BigInt(this.#routes.length);
    const names = { nodeName: HOST_NODE + at, portName: FIRST_HOST + at };
    const random = this.#random.fork(`fc ${this.name} ${host}`);
    route = new FcRoute(host, names, this.#fabric, loop, random, this.#calm);
    this.#routes.push(route);
    return route;
  }

  #fateOf({ frame, from, to, deliver }: FrameOnTheWay): FrameFate {
    // What the fabric itself has to say.
    if (from === undefined) return "pass";
    const isToHost = to.portName !== TARGET.portName;
    const { portName } = isToHost ? to : from;
    const route = this.#routes[Number(portName - FIRST_HOST)]!;
    const direction = isToHost ? "toHost" : "toController";
    const atMs = route.arrivalMs(direction, this.#clock.nowMs(), frame.length);
    if (atMs !== undefined) this.#clock.at(atMs, deliver);
    return "kept";
  }
}

/** All FC ports of a run. */
export class FcNetwork {
  readonly #clock: Clock;
  readonly #random: SimRandom;
  readonly #weather: Weather;
  readonly #ports = new Map<string, FcPort>();

  constructor(clock: Clock, random: SimRandom, weather: Weather = CALM) {
    this.#clock = clock;
    this.#random = random;
    this.#weather = weather;
  }

  /** The port of this name; it is made when it is first asked for. */
  port(name: string): FcPort {
    let port = this.#ports.get(name);
    if (port === undefined) {
      port = new FcPort(name, this.#clock, this.#random, this.#weather);
      this.#ports.set(name, port);
    }
    return port;
  }

  get associations(): number {
    let sum = 0;
    for (const port of this.#ports.values()) sum += port.associations;
    return sum;
  }

  apply(fault: NetworkFault): number {
    let concerned = 0;
    for (const port of this.#ports.values()) concerned += port.apply(fault);
    return concerned;
  }

  healAll(): void {
    for (const port of this.#ports.values()) port.healAll();
  }
}
