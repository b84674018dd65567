// A simulated target: the production target behind ports of the simulated network, which may crash.
// Read first: plan.ts TargetPlan and TargetStep; @nvmeof/target target.ts.

import { AnaState } from "@nvmeof/codec";
import {
  type AllowedHosts,
  type Subsystem,
  Target,
  type TargetEvent,
  type TargetStatus,
} from "@nvmeof/target";
import type { Clock } from "@nvmeof/transport";
import type { Secrets } from "./secrets.ts";
import type { SimRandom } from "./random.ts";
import { type DiskPlan, type NamespacePlan, type TargetPlan } from "./plan.ts";
import type { SimDisk } from "./storage/disk.ts";
import type { PortOfTarget } from "./target-port.ts";

/** What a target needs of its world. */
export interface TargetWorld {
  readonly clock: Clock;
  readonly random: SimRandom;
  /** Where hosts have to prove who they are. */
  readonly secrets: Secrets | undefined;
  readonly hostNqns: readonly string[];
  /** What a port of a target listens on. */
  portOfTarget(name: string): PortOfTarget;
  /** A disk of zeroes, with an identity of its own. */
  makeDisk(name: string, blockCount: number, plan: DiskPlan): SimDisk;
  /** A disk, or the target before it, stands still from now on. */
  standsStill(disk: SimDisk): void;
  /** It goes on after so long. */
  stoodStill(disk: SimDisk, ms: number): void;
  powerLost(disk: SimDisk): void;
  resized(disk: SimDisk, blockCount: number): void;
  /** Runs `task` so many ms from now, unless the world is at its end by then. */
  later(ms: number, task: () => void): void;
  targetEvent(target: SimTarget, event: TargetEvent): void;
  /** Waits for a promise without being waited for. */
  track<T>(promise: Promise<T>, then?: (value: T) => void): void;
}

/** One namespace, whether hosts see it now or not. */
interface Place {
  readonly plan: NamespacePlan;
  disk: SimDisk;
  presence: "there" | "removed";
}

/** What the target's owner wants of a subsystem; a restart builds it anew from here. */
interface Wanted {
  readonly nqn: string;
  readonly places: Place[];
  access: "any" | "nobody";
  /** By group and port; 0 for all ports. */
  readonly ana: Map<
    string,
    { readonly group: number; readonly state: AnaState; readonly port: number }
  >;
}

export const nqnOf = (target: number, subsystem: number): string =>
  `nqn.2026-01.dev.nvmeof:sim-t${target}-s${subsystem}`;

/** Name of a port in the network, and its address. */
export const portName = (target: number, port: number): string => `t${target}p${port}`;

/** How often a new process looks whether the disks have ended what they had of the former one, ms. */
const DRAIN_MS = 20;

export class SimTarget {
  readonly index: number;
  readonly plan: TargetPlan;
  readonly #world: TargetWorld;
  readonly ports: PortOfTarget[] = [];
  readonly #wanted: Wanted[];
  #target: Target | undefined;
  #subsystems: Subsystem[] = [];
  /** Ports that take no hosts for a time. */
  readonly #shut = new Set<number>();
  /** Targets of processes that have ended; what their disks still have runs out. */
  readonly #former: Target[] = [];
  #generation = 0;
  #frozenMs = 0;
  #frozenDisks: SimDisk[] = [];
  /** Disks that stand still, and since when. */
  readonly #still = new Map<SimDisk, number>();

  constructor(world: TargetWorld, plan: TargetPlan, index: number) {
    this.index = index;
    this.plan = plan;
    this.#world = world;
    for (let port = 0; port < plan.ports; port++) {
      this.ports.push(world.portOfTarget(portName(index, port)));
    }
    this.#wanted = plan.subsystems.map(({ namespaces }, at) => ({
      nqn: nqnOf(index, at),
      places: namespaces.map((each) => ({
        plan: each,
        disk: this.#makeDisk(at, each),
        presence: "there",
      })),
      access: "any",
      ana: new Map(),
    }));
    this.#start();
  }

  /** The process that runs now; undefined between two. */
  get target(): Target | undefined {
    return this.#target;
  }

  /** Disks that exist now. */
  get disks(): SimDisk[] {
    return this.#wanted.flatMap(({ places }) => places.map(({ disk }) => disk));
  }

  /** What all its processes have in use, those that have ended included. */
  get statuses(): TargetStatus[] {
    const all = this.#target === undefined ? this.#former : [...this.#former, this.#target];
    return all.map(({ status }) => status);
  }

  diskOf(subsystem: number, nsid: number): SimDisk | undefined {
    return this.#place(subsystem, nsid)?.disk;
  }

  freeze(ms: number): void {
    const { target } = this;
    if (target === undefined || target.isFrozen) return;
    target.freeze();
    this.#frozenMs = this.#world.clock.nowMs();
    this.#frozenDisks = this.disks;
    for (const disk of this.#frozenDisks) this.#world.standsStill(disk);
    this.#world.later(ms, () => this.#thaw(target));
  }

  /** The process ends at once, and another one begins. */
  restart(downMs: number, data: "same" | "other", power: "on" | "lost"): void {
    if (this.#target === undefined) return;
    this.#crash();
    for (const [at, { places }] of this.#wanted.entries()) {
      for (const place of places) {
        if (power === "lost") {
          this.#thawDisk(place.disk);
          place.disk.crash();
          this.#world.powerLost(place.disk);
        }
        if (data === "other") place.disk = this.#makeDisk(at, place.plan);
      }
    }
    this.#world.later(downMs, () => this.#start());
  }

  setAna(subsystem: number, group: number, state: AnaState, port: number): void {
    const wanted = this.#wanted[subsystem];
    if (wanted === undefined || port > this.ports.length) return;
    wanted.ana.set(`${group}/${port}`, { group, state, port });
    const portId = port === 0 ? undefined : port;
    this.#subsystems[subsystem]?.setAnaState({ group, state, portId });
  }

  freezeDisk(subsystem: number, nsid: number, ms: number): void {
    const disk = this.diskOf(subsystem, nsid);
    if (disk === undefined) return;
    if (this.#still.has(disk)) return;
    disk.freeze();
    this.#still.set(disk, this.#world.clock.nowMs());
    this.#world.standsStill(disk);
    this.#world.later(ms, () => this.#thawDisk(disk));
  }

  removeNamespace(subsystem: number, nsid: number, againMs: number): void {
    const place = this.#place(subsystem, nsid);
    if (place === undefined || place.presence === "removed") return;
    place.presence = "removed";
    this.#subsystems[subsystem]?.removeNamespace(nsid);
    this.#world.later(againMs, () => this.#bringBack(subsystem, place));
  }

  resize(subsystem: number, nsid: number, blockCount: number): void {
    const disk = this.diskOf(subsystem, nsid);
    if (disk === undefined) return;
    disk.resize(blockCount);
    this.#world.resized(disk, blockCount);
  }

  forbid(subsystem: number, ms: number): void {
    const wanted = this.#wanted[subsystem];
    if (wanted === undefined) return;
    wanted.access = "nobody";
    this.#subsystems[subsystem]?.setAllowedHosts([]);
    this.#world.later(ms, () => this.#allow(subsystem));
  }

  /** All hosts have to prove once more who they are. */
  demandProofs(): void {
    for (const subsystem of this.#subsystems) subsystem.reauthenticate();
  }

  closePort(port: number, ms: number, connections: "keep" | "drop"): void {
    if (this.ports[port] === undefined || this.#shut.has(port)) return;
    this.#shut.add(port);
    this.#target?.ports.find(({ portId }) => portId === port + 1)?.close(connections);
    this.#world.later(ms, () => this.#openPort(port));
  }

  /** All is well again: what was taken away is back, and everybody is let in. */
  heal(): void {
    if (this.#target === undefined) this.#start();
    if (this.#target !== undefined) this.#thaw(this.#target);
    for (const [at, wanted] of this.#wanted.entries()) {
      this.#allow(at);
      for (const place of wanted.places) {
        this.#bringBack(at, place);
        this.#thawDisk(place.disk);
        place.disk.heal();
      }
      for (const { group } of Array.from(wanted.ana.values())) {
        this.setAna(at, group, AnaState.Optimized, 0);
      }
      wanted.ana.clear();
    }
    for (const port of Array.from(this.#shut)) this.#openPort(port);
  }

  /** Disks that stand still go on. */
  thawDisks(): void {
    for (const disk of Array.from(this.#still.keys())) this.#thawDisk(disk);
  }

  /** Ends the target; the time that it takes is its own affair. */
  close(): void {
    if (this.#target === undefined) return;
    this.#thaw(this.#target);
    this.#world.track(this.#target.close());
  }

  #place(subsystem: number, nsid: number): Place | undefined {
    return this.#wanted[subsystem]?.places.find(({ plan }) => plan.nsid === nsid);
  }

  #makeDisk(subsystem: number, { nsid, blockCount, disk }: NamespacePlan): SimDisk {
    const name = `t${this.index}s${subsystem}n${nsid}g${this.#generation++}`;
    return this.#world.makeDisk(name, blockCount, disk);
  }

  #thawDisk(disk: SimDisk): void {
    const sinceMs = this.#still.get(disk);
    if (sinceMs === undefined) return;
    this.#still.delete(disk);
    disk.thaw();
    this.#world.stoodStill(disk, this.#world.clock.nowMs() - sinceMs);
  }

  #thaw(target: Target): void {
    if (!target.isFrozen) return;
    const ms = this.#world.clock.nowMs() - this.#frozenMs;
    target.thaw();
    for (const disk of this.#frozenDisks.splice(0)) this.#world.stoodStill(disk, ms);
  }

  #crash(): void {
    const target = this.#target!;
    this.#target = undefined;
    this.#subsystems = [];
    for (const port of this.ports) port.crash();
    // A process that is no more holds nothing back, and waits for nobody.
    this.#thaw(target);
    this.#world.track(target.close());
    this.#former.push(target);
  }

  #start(): void {
    if (this.#target !== undefined) return;
    const { limits, trafficKeepAlive } = this.plan;
    const { clock } = this.#world;
    if (this.#isNamed && this.#former.some(({ status }) => status.backendRequests > 0)) {
      this.#world.later(DRAIN_MS, () => this.#start());
      return;
    }
    const authCrypto = this.#world.secrets?.cryptoOf(this.#process);
    const target = new Target({
      clock,
      limits,
      trafficKeepAlive,
      ...this.#names(),
      ...(authCrypto && { authCrypto }),
    });
    this.#target = target;
    target.observe((event) => this.#world.targetEvent(this, event));
    this.#subsystems = this.#wanted.map(({ nqn, access, places }) =>
      target.addSubsystem({
        nqn,
        allowedHosts: access === "any" ? this.#everybody(nqn) : [],
        namespaces: places
          .filter(({ presence }) => presence === "there")
          .map(({ plan, disk }) => ({ device: disk, nsid: plan.nsid, anaGroup: plan.anaGroup })),
      }),
    );
    for (let port = 0; port < this.ports.length; port++) {
      if (!this.#shut.has(port)) this.#listen(port);
    }
    for (const [at, { ana }] of this.#wanted.entries()) {
      for (const { group, state, port } of ana.values()) this.setAna(at, group, state, port);
    }
  }

  get #isNamed(): boolean {
    return this.plan.incarnations === "named";
  }

  /** The names of controllers come from chance: of another kind for each process. */
  #names(): { random?: SimRandom } {
    if (!this.#isNamed) return {};
    return { random: this.#world.random.fork(this.#process) };
  }

  get #process(): string {
    return `target ${this.index}/${this.#former.length}`;
  }

  #everybody(nqn: string): AllowedHosts {
    const { secrets, hostNqns } = this.#world;
    return secrets?.allowedHosts(hostNqns, nqn) ?? "any";
  }

  #listen(port: number): void {
    const { pda } = this.plan;
    const traddr = portName(this.index, port);
    this.#target!.listen({
      listener: this.ports[port]!.listener,
      portId: port + 1,
      pda,
      address: { trtype: "loop", traddr, trsvcid: "" },
    });
  }

  #openPort(port: number): void {
    if (!this.#shut.delete(port) || this.#target === undefined) return;
    this.#listen(port);
  }

  #bringBack(subsystem: number, place: Place): void {
    if (place.presence === "there") return;
    place.presence = "there";
    const { nsid, anaGroup } = place.plan;
    this.#subsystems[subsystem]?.addNamespace({ device: place.disk, nsid, anaGroup });
  }

  #allow(subsystem: number): void {
    const wanted = this.#wanted[subsystem]!;
    wanted.access = "any";
    this.#subsystems[subsystem]?.setAllowedHosts(this.#everybody(wanted.nqn));
  }
}
