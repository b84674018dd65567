// The world of a run: targets, a network, hosts and users, in one virtual time, watched by oracles.
// Read first: plan.ts; run.ts, which lets time pass here; sim-host.ts and sim-target.ts.

import {
  type ControllerPath,
  type GroupEvent,
  type MultipathDevice,
  Rank,
} from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type {
  AdminCommand,
  CloseReport,
  Controller,
  ControllerEvent,
  RequestDone,
} from "@nvmeof/core";
import type { TargetEvent } from "@nvmeof/target";
import type { Connector, Timer } from "@nvmeof/transport";
import type { VirtualClock } from "@nvmeof/transport/testing";
import { addGauges } from "./gauges.ts";
import type { NetworkEvents } from "./network/link.ts";
import type { FcPort } from "./network/fc-fabric.ts";
import { type PortTransport, Ways } from "./network/ways.ts";
import { BLOCK_BYTES, type DeadPort, type DiskPlan, type Plan } from "./plan.ts";
import { SimRandom } from "./random.ts";
import type { Secrets } from "./secrets.ts";
import { type HostWorld, type SimGroup, SimHost, hostNqnOf } from "./sim-host.ts";
import { SimTarget, type TargetWorld, portName } from "./sim-target.ts";
import { SimDisk } from "./storage/disk.ts";
import type { PortOfTarget } from "./target-port.ts";
import type { Trace } from "./trace.ts";
import { type Entry, User, type UserWorld } from "./users.ts";
import { type Counts, count } from "./verdict.ts";
import type { Watch } from "./watch.ts";

export class World implements TargetWorld, HostWorld, UserWorld {
  readonly plan: Plan;
  readonly clock: VirtualClock;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly watch: Watch;
  readonly network: Ways;
  readonly secrets: Secrets | undefined;
  readonly targets: SimTarget[];
  readonly hosts: SimHost[];
  readonly users: User[];
  readonly edges: Counts = {};
  readonly fences: Counts = {};
  readonly steps: Counts = {};
  /** Whether faults still happen. */
  phase: "safety" | "liveness" | "teardown" = "safety";
  /** Promises that nobody awaits and that have not settled. */
  pending = 0;
  readonly #later = new Set<Timer>();
  #id = 0;
  #disks = 0;
  #controllers = 0;

  constructor(plan: Plan, clock: VirtualClock, trace: Trace, watch: Watch, secrets?: Secrets) {
    this.secrets = secrets;
    this.plan = plan;
    this.clock = clock;
    this.random = new SimRandom(plan.seed);
    this.trace = trace;
    this.watch = watch;
    const events: NetworkEvents = {
      ...watch.network,
      befell: (_connection, _direction, what) => count(this.steps, what),
    };
    this.network = new Ways({
      clock,
      random: this.random.fork("network"),
      events,
      weather: plan.weather,
      transports: transportsOf(plan),
    });
    this.targets = plan.targets.map((target, at) => new SimTarget(this, target, at));
    this.hosts = plan.hosts.map((host, at) => new SimHost(this, host, at));
    this.users = plan.users.flatMap((user, at) => {
      const group = this.hosts[user.host]?.groups[user.group];
      if (group === undefined) return [];
      return [new User(this, group, user, at, this.random.fork(`user ${user.id}`))];
    });
    addGauges(this);
  }

  get dead(): readonly DeadPort[] {
    return this.plan.dead;
  }

  get groups(): SimGroup[] {
    return this.hosts.flatMap(({ groups }) => groups);
  }

  /** Everybody begins. */
  start(): void {
    for (const group of this.groups) group.start();
    for (const user of this.users) user.start();
    this.#demandProofs(this.secrets?.options.demandMs ?? 0);
  }

  /** Targets have their hosts prove who they are, again and again. */
  #demandProofs(everyMs: number): void {
    if (everyMs === 0) return;
    this.later(everyMs, () => {
      for (const target of this.targets) target.demandProofs();
      this.#demandProofs(everyMs);
    });
  }

  get hostNqns(): string[] {
    return this.plan.hosts.map(({ id }) => hostNqnOf(id));
  }

  portOfTarget(name: string): PortOfTarget {
    return this.network.portOfTarget(name);
  }

  fcPort(name: string): FcPort | undefined {
    return this.network.fcPort(name);
  }

  connector(name: string, host: string): Connector {
    return this.network.connector(name, host);
  }

  makeDisk(name: string, blockCount: number, plan: DiskPlan): SimDisk {
    const disk = new SimDisk({
      name,
      clock: this.clock,
      blockBytes: BLOCK_BYTES,
      blockCount,
      random: this.random.fork(`disk ${name}`),
      volume: ++this.#disks,
      complain: this.watch.complain,
      events: this.watch.attempts,
      ...plan,
    });
    this.watch.diskMade(disk);
    return disk;
  }

  later(ms: number, task: () => void): void {
    const timer = this.clock.at(this.clock.nowMs() + ms, () => {
      this.#later.delete(timer);
      task();
    });
    this.#later.add(timer);
  }

  /** What was put off does not come any more. */
  forgetLater(): void {
    for (const timer of this.#later) timer.cancel();
    this.#later.clear();
  }

  track<T>(
    promise: Promise<T>,
    then: (value: T) => void = () => {},
    failed: (error: unknown) => void = () => {},
  ): void {
    this.pending++;
    promise.then(
      (value) => {
        this.pending--;
        then(value);
      },
      (error: unknown) => {
        this.pending--;
        failed(error);
      },
    );
  }

  /** Somebody asks a controller, or a device, for an operation, which has to be answered once. */
  asked(who: Controller | string, what: string, start: (done: RequestDone) => void): void {
    const id = this.nextId();
    const name = typeof who === "string" ? who : this.watch.nameOf(who);
    this.watch.lifecycle.asked(id, name, what);
    start((error) => {
      this.trace.add(name, "answered", { what, code: error?.code });
      this.watch.lifecycle.answered(id);
    });
  }

  admin(controller: Controller, command: AdminCommand): void {
    const id = this.nextId();
    const { commands } = this.watch;
    // No bound: it may wait for room in the queue for as long as others need it.
    commands.submitted(id, Infinity, this.watch.nameOf(controller));
    controller.admin(command, (error) => {
      this.trace.add("plan", "admin", { id, code: error?.code });
      commands.settled(id, error);
    });
    commands.returned(id);
  }

  note(what: string): void {
    count(this.steps, what);
    this.trace.add("plan", what);
  }

  /** A user of the group submits something now, in the midst of somebody's callback. */
  poke(group: SimGroup): void {
    for (const user of this.users) if (user.group === group) user.poke();
  }

  targetEvent({ index }: SimTarget, event: TargetEvent): void {
    const { type, ...fields } = event;
    this.trace.add(`target${index}`, type, fields);
  }

  controllerName({ name }: SimGroup): string {
    return `${name}c${this.#controllers++}`;
  }

  controllerCreated(group: SimGroup, { controller }: ControllerPath, name: string): void {
    this.trace.add(name, "created");
    this.watch.controllerCreated(group, controller, name);
  }

  connecting(name: string): void {
    this.watch.lifecycle.connecting(name);
  }

  keepAlive(name: string): void {
    this.watch.lifecycle.keepAlive(name);
  }

  controllerEvent(group: SimGroup, { controller }: ControllerPath, event: ControllerEvent): void {
    if (event.type === "state") {
      const { from, to, cause, reason } = event;
      count(this.edges, `${from} > ${to}: ${cause}`);
      this.trace.add(this.watch.nameOf(controller), "state", {
        from,
        to,
        cause,
        reason: reason?.code,
      });
    } else {
      this.trace.add(this.watch.nameOf(controller), event.type);
    }
    this.watch.controllerEvent(controller, event);
  }

  groupEvent(group: SimGroup, event: GroupEvent): void {
    if (event.type === "fence" || event.type === "fence-over") {
      this.#fenceEvent(group, event);
      return;
    }
    const nsid = "device" in event ? event.device.nsid : undefined;
    this.trace.add(group.name, event.type, { nsid });
    if (event.type !== "device-added" && event.type !== "device-removed") return;
    const what = event.type === "device-added" ? "added" : "removed";
    for (const user of this.users ?? []) {
      if (user.group === group) user.deviceChanged(event.device, what);
    }
  }

  #fenceEvent(group: SimGroup, event: GroupEvent & { type: "fence" | "fence-over" }): void {
    const { type, cntlid } = event;
    if (type === "fence") {
      this.trace.add(group.name, type, { cntlid });
      count(this.fences, "held");
      return;
    }
    const { held, heldMs, releasedBy = "not released" } = event;
    this.trace.add(group.name, type, { cntlid, held, heldMs, releasedBy });
    count(this.fences, releasedBy);
    this.watch.fenceOver(group, event.releasedBy);
  }

  closed(group: SimGroup, tookMs: number, reports: readonly CloseReport[]): void {
    this.trace.add(group.name, "closed", { controllers: reports.length });
    this.watch.closed(group, tookMs);
  }

  hostStoodStill(host: SimHost, ms: number): void {
    this.watch.hostStoodStill(ms, host.index);
  }

  standsStill(disk: SimDisk): void {
    this.watch.standsStill(disk);
  }

  stoodStill(disk: SimDisk, ms: number): void {
    this.watch.stoodStill(disk, ms);
  }

  powerLost(disk: SimDisk): void {
    this.watch.register.crashed(disk.volume);
  }

  resized(disk: SimDisk, blockCount: number): void {
    this.watch.register.resized(disk.volume, blockCount);
  }

  takeBuffer(bytes: number): Uint8Array {
    return this.watch.buffers.take(bytes);
  }

  returned(entry: Entry): void {
    this.watch.returned(entry);
  }

  /** All is well again but what is dead for good; whoever was sent away comes back. */
  heal(): void {
    this.phase = "liveness";
    this.network.healAll();
    for (const { target, port, how } of this.plan.dead) {
      const name = portName(target, port);
      if (how === "silent") this.network.apply({ kind: "silence", port: name });
      else {
        this.network.apply({ kind: "admission", admission: "refused", port: name });
        this.network.apply({ kind: "reset", seenBy: "both", port: name });
      }
    }
    for (const target of this.targets) target.heal();
    for (const host of this.hosts) {
      host.resume();
      // After what it could not do while it stood still.
      host.clock.defer(() => {
        for (const group of host.groups) group.heal();
      });
    }
  }

  /**
   * What is wrong with a group; undefined if every controller that can be is live, every other one is
   * given up, and every namespace is there.
   */
  illness(group: SimGroup): string | undefined {
    const { target, subsystem, controller } = group.plan;
    const { lossMs = 0 } = controller.reconnect;
    for (const [at, { path }] of group.keepers.entries()) {
      const state = path?.controller.state ?? "not attached";
      // I44: what is dead is given up, where there is a time for it.
      const isRight = group.isDead(at) ? lossMs <= 0 || path === undefined : state === "live";
      if (!isRight) return `path ${at} is ${state}`;
    }
    if (group.isHopeless) return undefined;
    const { namespaces } = this.plan.targets[target]!.subsystems[subsystem]!;
    for (const { nsid } of namespaces) {
      const device = group.device(nsid);
      if (device === undefined) return `namespace ${nsid} has no device`;
      if (!hasGoodPaths(device)) return `a path to namespace ${nsid} is not known to be good`;
    }
    return undefined;
  }

  /** Controllers that targets hold for their hosts. */
  get hostsAtTargets(): number {
    const statuses = this.targets.flatMap((target) => target.statuses);
    return statuses.reduce((sum, { controllers }) => sum + controllers, 0);
  }

  /** The hosts end: users stop, groups close. */
  end(): void {
    this.phase = "teardown";
    this.forgetLater();
    for (const host of this.hosts) host.resume();
    for (const user of this.users) user.stop();
    for (const group of this.groups) group.end();
  }

  endTargets(): void {
    for (const target of this.targets) target.close();
  }

  /** The targets have ended, and what their disks still have is answered to nobody. */
  endDisks(): void {
    for (const target of this.targets) target.thawDisks();
  }

  /** What is left of the hosts after their groups have closed: nothing. */
  countHosts(): void {
    for (const { clock, index, streams } of this.hosts) {
      const left = (what: string, number: number): void => {
        if (number === 0) return;
        this.watch.complain(
          "I11",
          `${number} ${what} of host ${index} left after its groups closed`,
        );
      };
      left("timers", clock.armed);
      left("streams", streams);
    }
  }

  /** Everything has ended, and nothing may be left. */
  finish(): void {
    this.watch.finish(this.targets.flatMap(({ disks }) => disks));
  }

  nextId(): number {
    return ++this.#id;
  }

  unknownMs(group: SimGroup): number {
    return this.watch.fenceOf(group.plan).lateMs;
  }

  submitting(entry: Entry): void {
    const { op, lba, blockCount } = entry.request;
    this.trace.add(`user${entry.user.index}`, "submit", { id: entry.id, op, lba, blockCount });
    this.watch.submitting(entry);
  }

  settled(entry: Entry, error: NvmeofError | undefined): void {
    const { code, outcome } = error ?? {};
    this.trace.add(`user${entry.user.index}`, "settle", { id: entry.id, code, outcome });
    this.watch.settled(entry, error);
  }

  aborting(entry: Entry): void {
    entry.abortedMs ??= this.clock.nowMs();
    this.trace.add(`user${entry.user.index}`, "abort", { id: entry.id });
    this.watch.aborting(entry);
  }
}

/** Whether the hosts know of all paths of live controllers that they are as good as can be. */
const hasGoodPaths = ({ paths }: MultipathDevice): boolean =>
  paths.every(
    ({ rank, controllerPath }) =>
      controllerPath.controller.state !== "live" || rank === Rank.Optimized,
  );

/** What each port is reached by, where it is not the default. */
function transportsOf({ targets }: Plan): Map<string, PortTransport> {
  const transports = new Map<string, PortTransport>();
  for (const [target, { transports: own = [] }] of targets.entries()) {
    for (const [port, transport] of own.entries())
      transports.set(portName(target, port), transport);
  }
  return transports;
}
