// A simulated host: the production host, once for each subsystem that it uses, on a clock of its own.
// Read first: plan.ts HostPlan; @nvmeof/bdev/nvme group.ts; path-keeper.ts.

import {
  type ControllerPath,
  type GroupEvent,
  type MultipathDevice,
  NvmeGroup,
} from "@nvmeof/bdev/nvme";
import type { CloseReport, ControllerEvent, ControllerOptions } from "@nvmeof/core";
import { type Clock, type Connector, type Transport, hostTransport } from "@nvmeof/transport";
import { HostClock } from "./host-clock.ts";
import { HostPort } from "./host-port.ts";
import type { FcLoop, FcPort } from "./network/fc-fabric.ts";
import { PathKeeper } from "./path-keeper.ts";
import type { DeadPort, GroupPlan, HostPlan } from "./plan.ts";
import type { Secrets } from "./secrets.ts";
import type { SimRandom } from "./random.ts";
import { nqnOf, portName } from "./sim-target.ts";
import { watchedTransport } from "./watched-transport.ts";

/** What hosts tell, and need of, their world. */
export interface HostWorld {
  /** What is dead for good, from the liveness phase on. */
  readonly dead: readonly DeadPort[];
  readonly clock: Clock;
  readonly random: SimRandom;
  /** Where hosts have to prove who they are. */
  readonly secrets: Secrets | undefined;
  connector(name: string, host: string): Connector;
  /** The port of this name, where it is one of Fibre Channel. */
  fcPort(name: string): FcPort | undefined;
  later(ms: number, task: () => void): void;
  track<T>(promise: Promise<T>, then?: (value: T) => void, failed?: (error: unknown) => void): void;
  /** The name of the next controller of a group. */
  controllerName(group: SimGroup): string;
  controllerCreated(group: SimGroup, path: ControllerPath, name: string): void;
  connecting(name: string): void;
  keepAlive(name: string): void;
  controllerEvent(group: SimGroup, path: ControllerPath, event: ControllerEvent): void;
  groupEvent(group: SimGroup, event: GroupEvent): void;
  /** A group has closed, in so many ms: those not counted for which its host stood still. */
  closed(group: SimGroup, tookMs: number, reports: readonly CloseReport[]): void;
  hostStoodStill(host: SimHost, ms: number): void;
}

/** Receive buffer of an I/O queue: small, since the platform's is made per queue. */
const RECEIVE_BYTES = 32 * 1024;
/** Wait before an attach that failed is tried again, ms. */
const RETRY_MIN_MS = 300;
const RETRY_MAX_MS = 1_500;

/** UUID of a host: of the same form for all. */
const hostIdOf = (index: number): string =>
  `6d1f9c1e-0b5a-4f5e-9c39-${(0x100000000000 + index).toString(16)}`;

/** Name of a host in the network. */
export const hostName = (id: number): string => `host${id}`;

export const hostNqnOf = (index: number): string =>
  `nqn.2014-08.org.nvmexpress:uuid:${hostIdOf(index)}`;

export class SimGroup {
  readonly host: SimHost;
  readonly index: number;
  readonly plan: GroupPlan;
  readonly keepers: PathKeeper[];
  readonly #world: HostWorld;
  readonly #random: SimRandom;
  /** Which notices are lost. */
  readonly #notices: SimRandom;
  #group: NvmeGroup;
  #phase: "up" | "closing" | "down" | "over" = "up";
  #attaches = 0;
  /** NSIDs whose device was closed by its user. */
  readonly #closed = new Set<number>();

  constructor(host: SimHost, world: HostWorld, plan: GroupPlan, index: number) {
    this.host = host;
    this.index = index;
    this.plan = plan;
    this.#world = world;
    this.#random = world.random.fork(`group ${host.id}/${plan.id}`);
    this.#notices = this.#random.fork("notices");
    this.#group = this.#make();
    this.keepers = plan.paths.map((ports, at) => this.#keeper(ports, at));
  }

  /** Of its current life. */
  get group(): NvmeGroup {
    return this.#group;
  }

  get name(): string {
    return `h${this.host.index}g${this.index}`;
  }

  device(nsid: number): MultipathDevice | undefined {
    return this.#group.devices.find((device) => device.nsid === nsid);
  }

  /** Attaches everything that is planned. */
  start(): void {
    for (const keeper of this.keepers) keeper.want();
  }

  /** Ends everything; `then` when it is over. */
  close(then: () => void = () => {}): void {
    for (const keeper of this.keepers) keeper.abandon();
    const { clock } = this.host;
    const since = clock.nowMs() - clock.stalledMs;
    this.#world.track(this.#group.close(), (reports) => {
      this.#world.closed(this, clock.nowMs() - clock.stalledMs - since, reports);
      then();
    });
  }

  /** Ends everything, and begins a new life later. */
  destroy(againMs: number): void {
    if (this.#phase !== "up") return;
    this.#phase = "closing";
    this.close(() => {
      if ((this.#phase as string) === "over") return;
      this.#phase = "down";
      this.#world.later(againMs, () => this.host.run(() => this.rise()));
    });
  }

  /** What was taken away comes back, what was disabled is enabled; but for what is dead for good. */
  heal(): void {
    this.rise();
    if (this.#phase !== "up") return;
    if (this.#closed.size > 0) this.cycle();
    for (const [at, keeper] of this.keepers.entries()) {
      if (this.isDead(at)) keeper.leave();
      else keeper.want();
      keeper.path?.controller.enable(() => {});
    }
  }

  /** Whether a path is dead for good: all ports that it could use are. */
  isDead(path: number): boolean {
    const { dead } = this.#world;
    const { target, paths } = this.plan;
    return paths[path]!.every((port) =>
      dead.some((each) => each.target === target && each.port === port),
    );
  }

  /** No path is left that could ever work again. */
  get isHopeless(): boolean {
    return this.keepers.every((_, at) => this.isDead(at));
  }

  /** Its user closes a device: it comes back when its controllers are attached anew. */
  closeDevice(nsid: number, againMs: number): void {
    const device = this.device(nsid);
    if (device === undefined) return;
    this.#closed.add(nsid);
    this.#world.track(device.close());
    this.#world.later(againMs, () => this.host.run(() => this.cycle()));
  }

  /** Detaches all controllers, and attaches them again. */
  cycle(): void {
    if (this.#phase !== "up" || this.#closed.size === 0) return;
    this.#closed.clear();
    for (const keeper of this.keepers) {
      keeper.unwant();
      keeper.want();
    }
  }

  /** Wants a path, unless the group is on its way out. */
  wants(keeper: PathKeeper): void {
    if (this.#phase === "up") keeper.want();
  }

  /** Ends everything for good. */
  end(): void {
    if (this.#phase === "up") this.close();
    this.#phase = "over";
  }

  /** A new life after a destroy. */
  rise(): void {
    if (this.#phase !== "down") return;
    this.#phase = "up";
    this.#closed.clear();
    this.#group = this.#make();
    this.start();
  }

  #make(): NvmeGroup {
    const { policy, fencing, fenceLimits = {}, retry } = this.plan;
    const group = new NvmeGroup({ name: this.name, policy, fencing, fenceLimits, retry });
    group.observe((event) => this.#world.groupEvent(this, event));
    return group;
  }

  #keeper(ports: readonly number[], at: number): PathKeeper {
    const transports = ports.map((port) => this.#transport(port));
    const random = this.#random.fork(`keeper ${at}`);
    const world = this.#world;
    return new PathKeeper(transports, {
      attach: (signal) => this.#attach(transports, at, signal),
      detach: (path) => this.#group.detach(path),
      get retryMs() {
        return random.between(RETRY_MIN_MS, RETRY_MAX_MS);
      },
      later: (ms, task) => world.later(ms, () => this.host.run(task)),
      track: (promise, then, failed) => world.track(promise, then, failed),
    });
  }

  #attach(
    transports: readonly Transport[],
    at: number,
    signal: AbortSignal,
  ): Promise<ControllerPath> {
    const before = this.#group.controllers.length;
    const name = this.#world.controllerName(this);
    const watched = transports.map((transport) =>
      watchedTransport(transport, {
        connecting: () => this.#world.connecting(name),
        keepAlive: () => this.#world.keepAlive(name),
        losesNotice: () => this.#losesNotice(),
      }),
    );
    this.keepers[at]!.transports = watched;
    const attached = this.#group.attach(this.#options(watched, at), signal);
    const path = this.#group.controllers[before];
    // Refused out of hand, there is none.
    if (path !== undefined) {
      this.#world.controllerCreated(this, path, name);
      path.controller.observe((event) => this.#world.controllerEvent(this, path, event));
    }
    return attached;
  }

  #losesNotice(): boolean {
    const { noticeLostOneIn = 0 } = this.plan;
    return noticeLostOneIn > 0 && this.#notices.oneIn(noticeLostOneIn);
  }

  #transport(port: number): Transport {
    const { target, headerDigest, dataDigest, pda } = this.plan;
    const traddr = portName(target, port);
    const fc = this.#world.fcPort(traddr);
    if (fc !== undefined) return fc.transport(hostName(this.host.id), this.host.loop);
    return hostTransport({
      address: { trtype: "loop", traddr, trsvcid: "" },
      connector: this.host.port(traddr),
      clock: this.host.clock,
      headerDigest,
      dataDigest,
      pda,
      receiveBytes: RECEIVE_BYTES,
    });
  }

  #options(transports: readonly Transport[], at: number): ControllerOptions {
    const { target, subsystem, controller } = this.plan;
    const hostNqn = hostNqnOf(this.host.id);
    const subsystemNqn = nqnOf(target, subsystem);
    const purpose = `${this.name}/${at}/${this.#attaches++}`;
    const authentication = this.#world.secrets?.authenticationOf(hostNqn, subsystemNqn, purpose);
    return {
      ...controller,
      ...(authentication && { authentication }),
      transport: transports,
      hostNqn,
      hostId: hostIdOf(this.host.id),
      subsystemNqn,
      random: this.#random.fork(`controller ${at}`),
    };
  }
}

export class SimHost {
  readonly index: number;
  readonly id: number;
  readonly clock: HostClock;
  /** Of its FC ports: their time stands still with it, and goes on when its controllers have gone. */
  readonly loop: FcLoop;
  readonly #portClock: HostClock;
  readonly groups: SimGroup[];
  readonly #world: HostWorld;
  readonly #ports = new Map<string, HostPort>();

  constructor(world: HostWorld, plan: HostPlan, index: number) {
    this.index = index;
    this.id = plan.id;
    this.#world = world;
    this.clock = new HostClock(world.clock);
    this.#portClock = new HostClock(world.clock);
    this.loop = {
      clock: this.#portClock,
      controllers: this.clock,
      run: (task) => this.run(task),
    };
    this.groups = plan.groups.map((group, at) => new SimGroup(this, world, group, at));
  }

  /** Connections that it has open, or tries to open. */
  get streams(): number {
    let streams = 0;
    for (const port of this.#ports.values()) streams += port.streams;
    return streams;
  }

  /** A port of a target, through this host's event loop. */
  port(name: string): HostPort {
    let port = this.#ports.get(name);
    if (port === undefined) {
      port = new HostPort(this.clock, this.#world.connector(name, hostName(this.id)));
      this.#ports.set(name, port);
    }
    return port;
  }

  /** Runs something in the event loop of this host: now, or when it goes on. */
  run(task: () => void): void {
    if (this.clock.isStalled) this.clock.defer(task);
    else task();
  }

  /** The event loop stands still for a time. */
  stall(ms: number): void {
    if (this.clock.isStalled) return;
    this.clock.stall();
    this.#portClock.stall();
    this.#world.hostStoodStill(this, ms);
    this.#world.later(ms, () => this.resume());
  }

  resume(): void {
    this.clock.resume();
    this.#portClock.resume();
    for (const port of this.#ports.values()) port.release();
  }
}
