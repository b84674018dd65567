// An NVM subsystem, or the discovery subsystem: names, namespaces, hosts allowed, and controllers.
// Read first: Base 2.0 §3.2 "NVM Subsystem Entities", §8.1 "Asymmetric Namespace Access Reporting".

import { type AnaState, Status, checkNqn } from "@nvmeof/codec";
import { Ana } from "./ana.ts";
import { Notice } from "./async-events.ts";
import { type Attachment, Attachments } from "./attachments.ts";
import { type AllowedHosts, HostList } from "./auth/allowed-hosts.ts";
import type { TargetContext } from "./context.ts";
import type { Controller } from "./controller.ts";
import type { DiscoverySource } from "./discovery.ts";
import { Erasure, type ErasePermission } from "./erasure.ts";
import { TargetError, final } from "./errors.ts";
import type { ControllerEnd } from "./events.ts";
import { derivedSerial } from "./identity.ts";
import { Incarnations } from "./incarnation.ts";
import { Counters, Namespace, type NamespaceOptions } from "./namespace.ts";
import type { SecureChannelPolicy } from "./proven-host.ts";
import { type DeviceProvider, NamespaceManager } from "./namespace-management.ts";
import { SelfTests } from "./self-test.ts";

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
  /**
   * The hosts that may connect, by NQN; and with a secret, where they have to prove that it is theirs: a
   * host's NQN alone is its word. Default "any".
   */
  readonly allowedHosts?: AllowedHosts | undefined;
  /**
   * `required`: hosts connect by TLS or not at all, and ports without do not show the subsystem. Default
   * `not-required`: a port's own listener says what it takes.
   */
  readonly secureChannel?: SecureChannelPolicy | undefined;
  readonly namespaces?: readonly NamespaceOptions[] | undefined;
  /** Lets hosts create and delete namespaces, of devices that this gives. Default: they may not. */
  readonly provider?: DeviceProvider | undefined;
  /**
   * What hosts may erase at one blow: nothing; a namespace that they can write (Format NVM); all
   * namespaces, those that they cannot see included (Sanitize). Default "none".
   */
  readonly erase?: ErasePermission | undefined;
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
  readonly secureChannel: SecureChannelPolicy;
  /** For controllers: ANA states by port. */
  readonly ana: Ana;
  /** For controllers: namespaces by NSID, read for every I/O command. */
  readonly byNsid: (Namespace | undefined)[] = [];
  /** Controllers by CNTLID. */
  readonly controllers = new Map<number, Controller>();
  /** For controllers: what of them may still reach a device. */
  readonly incarnations: Incarnations;
  /** For controllers: namespaces made and deleted by hosts, where they may. */
  readonly manager: NamespaceManager | undefined;
  /** For controllers: Format NVM and Sanitize. */
  readonly erasure: Erasure;
  readonly erase: ErasePermission;
  readonly selfTests: SelfTests;
  readonly #attachments = new Attachments();
  /** For controllers of the discovery subsystem: where its log comes from. */
  readonly discovery: DiscoverySource | undefined;
  readonly #context: TargetContext;
  /** Told when the discovery log may have changed. */
  readonly #announce: () => void;
  readonly #unobserve = new Map<number, () => void>();
  /** What was done in namespaces that are gone. */
  readonly #retired = new Counters();
  #hosts: HostList;
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
    this.secureChannel = options.secureChannel ?? "not-required";
    this.serial = ascii("serial", 20, options.serial ?? derivedSerial(this.nqn));
    this.model = ascii("model", 40, options.model ?? "nvmeof");
    this.firmware = ascii("firmware", 8, options.firmware ?? "1");
    this.#hosts = new HostList(options.allowedHosts ?? "any", this.nqn, context.auth?.crypto);
    this.ana = new Ana(context.limits.anaGroupsMax);
    this.incarnations = new Incarnations(context.random, (incarnation) => {
      for (const controller of this.controllers.values()) controller.resets.ended(incarnation);
    });
    this.erase = options.erase ?? "none";
    this.erasure = new Erasure(context, this);
    this.selfTests = new SelfTests(context);
    const { provider } = options;
    this.manager = provider && new NamespaceManager(context, this, provider);
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
    const nsid = options.nsid ?? this.freeNsid() ?? namespacesMax + 1;
    if (!Number.isInteger(nsid) || nsid < 1 || nsid > namespacesMax) {
      const message = `NSID ${nsid} is not 1 to ${namespacesMax}`;
      throw new TargetError("limit-reached", message, { hint: "Raise limits.namespacesMax." });
    }
    if (this.byNsid[nsid] !== undefined) {
      throw new TargetError("in-use", `${this.nqn} has a namespace ${nsid} already`);
    }
    const namespace = new Namespace(this.nqn, nsid, options);
    checkGroup(namespace.anaGroup, anaGroupsMax);
    namespace.guard = this.erasure.guard;
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
    for (const controller of this.controllers.values()) {
      controller.leave(namespace, final(Status.InvalidNamespace));
    }
    this.#retired.add(namespace.counters);
    this.#changed(namespace);
    this.#attachments.forget(nsid);
    for (const controller of this.controllers.values()) controller.attachments.delete(nsid);
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

  /**
   * For controllers: attaches a namespace to a controller, and to those that its host connects later; or
   * detaches it.
   */
  setAttachment(controller: Controller, namespace: Namespace, attachment: Attachment): void {
    const { nsid } = namespace;
    this.#attachments.set(controller.host.nqn, nsid, attachment);
    controller.attachments.set(nsid, attachment);
    if (attachment === "detached") controller.leave(namespace, final(Status.InvalidNamespace));
    controller.namespaceChanged(nsid, Notice.Namespace);
  }

  /** For controllers: what was said of earlier ones of the host, by NSID. */
  attachmentsOf(hostNqn: string): Map<number, Attachment> {
    return this.#attachments.of(hostNqn);
  }

  /** NQNs of the hosts that may connect. */
  get allowedHosts(): "any" | readonly string[] {
    return this.#hosts.names;
  }

  /** For controllers: what hosts are measured by, as it is now. */
  get hosts(): HostList {
    return this.#hosts;
  }

  /** Whether a host may connect. */
  allows(hostNqn: string): boolean {
    return this.#hosts.has(hostNqn);
  }

  /**
   * Sets who may connect, and with which secrets. Controllers of hosts that may not are removed. Those of
   * others stay, whatever becomes of their secrets: see {@link reauthenticate}.
   *
   * @throws NqnError; TypeError for secrets where the target has no `authCrypto`
   */
  setAllowedHosts(hosts: AllowedHosts): void {
    this.#hosts = new HostList(hosts, this.nqn, this.#context.auth?.crypto);
    for (const controller of this.controllers.values()) {
      if (!this.allows(controller.host.nqn)) controller.remove("host-disallowed");
    }
    this.#announce();
  }

  /**
   * Has hosts prove anew who they are: the next command that each sends is refused, so that it learns of
   * it. Who has not done it `authenticateTimeoutMs` later is removed.
   *
   * @param hostNqn default: all hosts.
   * @returns the number of controllers concerned: those whose hosts have proven it before.
   */
  reauthenticate(hostNqn?: string): number {
    const all = [...this.controllers.values()];
    const meant = all.filter(({ host }) => hostNqn === undefined || host.nqn === hostNqn);
    return meant.filter((controller) => controller.demandProof()).length;
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
    this.erasure.end();
    this.selfTests.abort();
    for (const controller of this.controllers.values()) controller.remove(reason);
    for (const namespace of this.namespaces) this.removeNamespace(namespace.nsid);
  }

  /** The lowest NSID that is free and not among those `taken`; `undefined` when there is none. */
  freeNsid(taken: ReadonlySet<number> = new Set()): number | undefined {
    const { namespacesMax } = this.#context.limits;
    for (let nsid = 1; nsid <= namespacesMax; nsid++) {
      if (this.byNsid[nsid] === undefined && !taken.has(nsid)) return nsid;
    }
    return undefined;
  }

  /** For controllers: something about a namespace has changed that hosts see in Identify. */
  namespaceChanged(namespace: Namespace): void {
    this.#changed(namespace);
  }

  #resized(namespace: Namespace, blockCount: number): void {
    namespace.blockCount = blockCount;
    this.#changed(namespace);
  }

  #changed(namespace: Namespace): void {
    for (const controller of this.controllers.values()) {
      if (!controller.sees(namespace)) continue;
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
