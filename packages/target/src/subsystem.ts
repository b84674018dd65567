// An NVM subsystem, or the discovery subsystem: names, namespaces, hosts allowed, and controllers.
// Read first: Base 2.0 §3.2 "NVM Subsystem Entities", §8.1 "Asymmetric Namespace Access Reporting".

import { type AnaState, checkNqn } from "@nvmeof/codec";
import { Ana } from "./ana.ts";
import { Notice } from "./async-events.ts";
import type { TargetContext } from "./context.ts";
import type { Controller } from "./controller.ts";
import type { DiscoverySource } from "./discovery.ts";
import { TargetError } from "./errors.ts";
import type { ControllerEnd } from "./events.ts";
import { derivedSerial } from "./identity.ts";
import { Incarnations } from "./incarnation.ts";
import { Counters, Namespace, type NamespaceOptions } from "./namespace.ts";

/** What a subsystem is made of. */
export interface SubsystemOptions {
  /** NVMe Qualified Name. */
  readonly nqn: string;
  /** Serial number, up to 20 characters of ASCII. Default: made of the NQN. */
  readonly serial?: string | undefined;
  /** Model number, up to 40 characters of ASCII. Default "nvmeof". */
  readonly model?: string | undefined;
  /** Firmware revision, up to 8 characters of ASCII. Default "1". */
  readonly firmware?: string | undefined;
  /** NQNs of the hosts that may connect. Default "any". A host's NQN is a claim, not a proof. */
  readonly allowedHosts?: "any" | readonly string[] | undefined;
  readonly namespaces?: readonly NamespaceOptions[] | undefined;
}

/** A group's ANA state, at one port or at all. */
export interface AnaChange {
  /** ANA group, from 1. */
  readonly group: number;
  readonly state: AnaState;
  /** Default: all ports, those to come included. */
  readonly portId?: number | undefined;
}

/** Highest CNTLID; those above are reserved. */
const CNTLID_MAX = 0xffef;

/** A subsystem. Made by `Target.addSubsystem`. */
export class Subsystem {
  readonly nqn: string;
  readonly serial: string;
  readonly model: string;
  readonly firmware: string;
  readonly kind: "nvm" | "discovery";
  /** For controllers: ANA states by port. */
  readonly ana: Ana;
  /** For controllers: namespaces by NSID, read for every I/O command. */
  readonly byNsid: (Namespace | undefined)[] = [];
  /** Controllers by CNTLID. */
  readonly controllers = new Map<number, Controller>();
  /** For controllers: what of them may still reach a device. */
  readonly incarnations: Incarnations;
  /** For controllers of the discovery subsystem: where its log comes from. */
  readonly discovery: DiscoverySource | undefined;
  readonly #context: TargetContext;
  /** Told when the discovery log may have changed. */
  readonly #announce: () => void;
  readonly #unobserve = new Map<number, () => void>();
  /** What was done in namespaces that are gone. */
  readonly #retired = new Counters();
  #allowed: "any" | Set<string>;
  #lastCntlid = 0;

  /**
   * For target.ts.
   *
   * @throws NqnError, RangeError, TargetError
   */
  constructor(
    context: TargetContext,
    options: SubsystemOptions,
    announce: () => void,
    discovery?: DiscoverySource,
  ) {
    this.#context = context;
    this.#announce = announce;
    this.discovery = discovery;
    this.kind = discovery === undefined ? "nvm" : "discovery";
    this.nqn = checkNqn(options.nqn);
    this.serial = ascii("serial", 20, options.serial ?? derivedSerial(this.nqn));
    this.model = ascii("model", 40, options.model ?? "nvmeof");
    this.firmware = ascii("firmware", 8, options.firmware ?? "1");
    const { allowedHosts = "any" } = options;
    this.#allowed = allowedHosts === "any" ? "any" : new Set(allowedHosts.map(checkNqn));
    this.ana = new Ana(context.limits.anaGroupsMax);
    this.incarnations = new Incarnations(context.random, (incarnation) => {
      for (const controller of this.controllers.values()) controller.resets.ended(incarnation);
    });
    for (const namespace of options.namespaces ?? []) this.addNamespace(namespace);
  }

  /** Namespaces, by increasing NSID. */
  get namespaces(): Namespace[] {
    return this.byNsid.filter((each) => each !== undefined);
  }

  /** Some namespace has a volatile write cache (VWC). */
  get hasVolatileCache(): boolean {
    return this.namespaces.some((each) => each.device.features.volatileCache);
  }

  /** What hosts did in all its namespaces, those that are gone included. */
  get counters(): Counters {
    const sum = new Counters();
    sum.add(this.#retired);
    for (const namespace of this.namespaces) sum.add(namespace.counters);
    return sum;
  }

  /**
   * Adds a namespace; hosts that want to know are told.
   *
   * @throws TargetError NVME_ERR_IN_USE or NVME_ERR_LIMIT_REACHED; RangeError
   */
  addNamespace(options: NamespaceOptions): Namespace {
    const { namespacesMax, anaGroupsMax } = this.#context.limits;
    const nsid = options.nsid ?? this.#freeNsid();
    if (!Number.isInteger(nsid) || nsid < 1 || nsid > namespacesMax) {
      const message = `NSID ${nsid} is not 1 to ${namespacesMax}`;
      throw new TargetError("limit-reached", message, { hint: "Raise limits.namespacesMax." });
    }
    if (this.byNsid[nsid] !== undefined) {
      throw new TargetError("in-use", `${this.nqn} has a namespace ${nsid} already`);
    }
    const namespace = new Namespace(this.nqn, nsid, options);
    checkGroup(namespace.anaGroup, anaGroupsMax);
    while (this.byNsid.length <= nsid) this.byNsid.push(undefined);
    this.byNsid[nsid] = namespace;
    this.#unobserve.set(
      nsid,
      options.device.observe((event) => {
        if (event.type === "removed") this.removeNamespace(nsid);
        else this.#resized(namespace, event.blockCount);
      }),
    );
    this.#changed(namespace);
    this.ana.membersChanged(namespace.anaGroup);
    return namespace;
  }

  /**
   * Removes a namespace: new commands are refused, what its device has already is still answered.
   * The device stays open. Returns whether there was one.
   */
  removeNamespace(nsid: number): boolean {
    const namespace = this.byNsid[nsid];
    if (namespace === undefined) return false;
    this.byNsid[nsid] = undefined;
    this.#unobserve.get(nsid)?.();
    this.#unobserve.delete(nsid);
    for (const controller of this.controllers.values()) controller.leave(namespace);
    this.#retired.add(namespace.counters);
    this.#changed(namespace);
    this.ana.membersChanged(namespace.anaGroup);
    return true;
  }

  /**
   * Sets the ANA state of a group; hosts at the ports concerned are told.
   *
   * @throws RangeError for a group that cannot be.
   */
  setAnaState(change: AnaChange): void {
    checkGroup(change.group, this.#context.limits.anaGroupsMax);
    const ports = this.ana.set(change.group, change.state, change.portId);
    for (const controller of this.controllers.values()) {
      if (ports.has(controller.admin.port.portId)) controller.notify(Notice.Ana);
    }
  }

  /** Whether a host may connect. */
  allows(hostNqn: string): boolean {
    return this.#allowed === "any" || this.#allowed.has(hostNqn);
  }

  /**
   * Sets who may connect. Controllers of hosts that may not are removed.
   *
   * @throws NqnError
   */
  setAllowedHosts(hosts: "any" | readonly string[]): void {
    this.#allowed = hosts === "any" ? "any" : new Set(hosts.map(checkNqn));
    for (const controller of this.controllers.values()) {
      if (!this.allows(controller.host.nqn)) controller.remove("host-disallowed");
    }
    this.#announce();
  }

  /** For connect.ts: a CNTLID that was not used for as long as possible; `undefined` if none is free. */
  takeCntlid(): number | undefined {
    if (this.controllers.size >= this.#context.limits.controllersMax) return undefined;
    for (let tries = 0; tries < CNTLID_MAX; tries++) {
      this.#lastCntlid = (this.#lastCntlid % CNTLID_MAX) + 1;
      const cntlid = this.#lastCntlid;
      if (!this.controllers.has(cntlid) && !this.incarnations.has(cntlid)) return cntlid;
    }
    return undefined;
  }

  /** For connect.ts: a host has a new controller. */
  admit(controller: Controller): void {
    this.controllers.set(controller.cntlid, controller);
    this.#context.usage.controllers++;
    this.#context.observers.tell({
      type: "controller-created",
      subsystemNqn: this.nqn,
      cntlid: controller.cntlid,
      hostNqn: controller.host.nqn,
      remote: controller.admin.link.remote,
    });
  }

  /** For controllers: this one is gone. */
  dismiss(controller: Controller, reason: ControllerEnd): void {
    if (!this.controllers.delete(controller.cntlid)) return;
    this.#context.usage.controllers--;
    this.#context.observers.tell({
      type: "controller-removed",
      subsystemNqn: this.nqn,
      cntlid: controller.cntlid,
      hostNqn: controller.host.nqn,
      reason,
    });
  }

  /** For target.ts: ends all controllers, and leaves the devices. */
  end(reason: ControllerEnd): void {
    for (const controller of this.controllers.values()) controller.remove(reason);
    for (const namespace of this.namespaces) this.removeNamespace(namespace.nsid);
  }

  #freeNsid(): number {
    let nsid = 1;
    while (this.byNsid[nsid] !== undefined) nsid++;
    return nsid;
  }

  #resized(namespace: Namespace, blockCount: number): void {
    namespace.blockCount = blockCount;
    this.#changed(namespace);
  }

  #changed(namespace: Namespace): void {
    for (const controller of this.controllers.values()) {
      controller.namespaceChanged(namespace.nsid, Notice.Namespace);
    }
  }
}

function checkGroup(group: number, groupsMax: number): void {
  if (Number.isInteger(group) && group >= 1 && group <= groupsMax) return;
  throw new RangeError(`an ANA group must be 1 to ${groupsMax}, not ${group}`);
}

function ascii(name: string, charactersMax: number, text: string): string {
  if (/^[ -~]*$/.test(text) && text.length <= charactersMax) return text;
  throw new RangeError(`${name} must be at most ${charactersMax} characters of ASCII: "${text}"`);
}
