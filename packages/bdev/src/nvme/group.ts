// A name with the controllers behind it: their namespaces are merged into devices by identity.
// Read first: identity.ts, multipath-device.ts; spdk-bdev-nvme.md §1.1, §2.2.

import { NvmeofError } from "@nvmeof/codec";
import {
  AbortedError,
  type AdminCommand,
  type CloseOptions,
  type CloseReport,
  type CommandResult,
  Controller,
  type ControllerFacts,
  type ControllerOptions,
  type FencePort,
  type NamespaceFacts,
  type RequestDone,
  addressText,
  closed,
} from "@nvmeof/core";
import { runGuarded } from "../observers.ts";
import { ControllerPath, type ControllerPathEvents } from "./controller-path.ts";
import type { DeviceEnd } from "./device-end.ts";
import { checkFormat } from "./device-facts.ts";
import { type NamespaceIdentity, hasIdentity, identityDifference, identityOf } from "./identity.ts";
import {
  type FenceLimits,
  type FenceReport,
  Fences,
  type Fencing,
  defaultFenceLimits,
} from "./fences.ts";
import { MultipathDevice } from "./multipath-device.ts";
import { NamespacePath } from "./namespace-path.ts";
import { type PathPolicy, checkPathPolicy } from "./path-policy.ts";
import { type RetryLimits, defaultRetryLimits } from "./retry.ts";

/** What all controllers of a group have in common. */
export interface GroupOptions {
  /** Its namespaces are called `<name>n<nsid>`. */
  readonly name: string;
  readonly policy?: PathPolicy;
  readonly retry?: Partial<RetryLimits>;
  /** Default `reset`: a write of unknown outcome is not sent again before it is safe. */
  readonly fencing?: Fencing;
  readonly fenceLimits?: Partial<FenceLimits>;
}

/** What a group tells those who observe it. */
export type GroupEvent =
  | { readonly type: "device-added"; readonly device: MultipathDevice }
  | { readonly type: "device-removed"; readonly device: MultipathDevice; readonly reason: string }
  | { readonly type: "path-added" | "path-removed"; readonly path: NamespacePath }
  /** A namespace was found and not taken, and why. */
  | { readonly type: "path-refused"; readonly nsid: number; readonly reason: string }
  | { readonly type: "controller-removed"; readonly controller: Controller }
  /** Writes of unknown outcome wait until the controller can do no more harm; and how that ended. */
  | { readonly type: "fence"; readonly cntlid: number }
  | ({ readonly type: "fence-over" } & FenceReport);

/** An attach that waits for the namespaces of its controller. */
interface Scan {
  readonly done: () => void;
  readonly failed: (error: NvmeofError) => void;
}

/**
 * The controllers of one subsystem, and the devices that their namespaces are merged into by
 * identity.
 */
export class NvmeGroup implements ControllerPathEvents {
  readonly name: string;
  readonly #options: GroupOptions;
  #policy: PathPolicy;
  readonly #paths = new Set<ControllerPath>();
  /** Controllers on their way out: no paths any more, but not gone either. */
  readonly #closing = new Set<Controller>();
  readonly #devices = new Set<MultipathDevice>();
  readonly #observers = new Set<{ readonly tell: (event: GroupEvent) => void }>();
  readonly #fences: Fences;
  readonly #scans = new Map<ControllerPath, Scan>();
  /** Who was refused because of another device that had the NSID: looked at again when that goes. */
  readonly #refused = new Map<number, Set<ControllerPath>>();

  /** @throws RangeError or TypeError for a policy that does not exist. */
  constructor(options: GroupOptions) {
    this.name = options.name;
    this.#options = options;
    this.#policy = checkPathPolicy(options.policy ?? { mode: "active-passive" });
    this.#fences = new Fences({
      fencing: options.fencing ?? "reset",
      limits: { ...defaultFenceLimits, ...options.fenceLimits },
      paths: () => this.#paths,
      holding: (path, cntlid) => this.#tell(path.controller, { type: "fence", cntlid }),
      over: (path, report) => this.#tell(path.controller, { type: "fence-over", ...report }),
    });
  }

  /** What it was made with, its policy as it is now. */
  get options(): GroupOptions {
    return { ...this.#options, policy: this.#policy };
  }

  get controllers(): readonly ControllerPath[] {
    return [...this.#paths];
  }

  get devices(): readonly MultipathDevice[] {
    return [...this.#devices];
  }

  /** Tells `observer` from now on, until the returned function is called. */
  observe(observer: (event: GroupEvent) => void): () => void {
    const entry = { tell: observer };
    this.#observers.add(entry);
    return () => void this.#observers.delete(entry);
  }

  /**
   * Connects a controller and adds its namespaces. Rejects with what ended the first attempt, or with
   * NVME_ERR_DUPLICATE for a controller that the group has already; nothing is left behind then.
   */
  async attach(options: ControllerOptions, signal?: AbortSignal): Promise<ControllerPath> {
    signal?.throwIfAborted();
    const fence: FencePort = {
      wanted: () => this.#isInDoubt(path) && this.#fences.canReset(path),
      begin: (done) => this.#fences.whenAsked(path, done),
    };
    const controller = new Controller({ ...options, fence });
    this.#checkDuplicate(controller);
    const path: ControllerPath = new ControllerPath(controller, this, this.#fences);
    const scanned = new Promise<void>((done, failed) => this.#scans.set(path, { done, failed }));
    const cancel = (): void => controller.close({}, () => {});
    signal?.addEventListener("abort", cancel, { once: true });
    this.#paths.add(path);
    try {
      await Promise.all([settled((done) => controller.start(done)), scanned]);
      this.#checkController(path);
    } catch (error) {
      await closed(controller, {});
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#scans.delete(path);
    }
    return path;
  }

  /** Ends one controller. Its work goes to other paths; where there is none, devices are removed. */
  detach(path: ControllerPath, options: CloseOptions = {}): Promise<CloseReport> {
    // Requests of a device without another path end with Do Not Retry whatever is said here.
    const pathsRemain = [...path.namespaces.values()].some(
      ({ user }) => user instanceof MultipathDevice && user.paths.length > 1,
    );
    return closed(path.controller, { pathsRemain, ...options });
  }

  /** Ends all controllers at once, whatever the peers do and whoever holds a handle. */
  close(options: CloseOptions = {}): Promise<CloseReport[]> {
    const controllers = [...this.#closing, ...this.controllers.map(({ controller }) => controller)];
    return Promise.all(
      controllers.map((controller) => closed(controller, { ...options, pathsRemain: false })),
    );
  }

  get policy(): PathPolicy {
    return this.#policy;
  }

  /** For all devices, those to come included. @throws RangeError or TypeError */
  set policy(policy: PathPolicy) {
    this.#policy = checkPathPolicy(policy);
    for (const device of this.#devices) device.policy = policy;
  }

  /**
   * Sends an admin command by the first controller that takes any. It is not tried again elsewhere:
   * what an admin command does may depend on the controller.
   */
  admin(command: AdminCommand): Promise<CommandResult> {
    const path = this.controllers.find(
      ({ controller }) => controller.state === "live" && !controller.closeRequested,
    );
    if (path === undefined)
      return Promise.reject(new AbortedError("not-connected", "not-sent", false));
    return new Promise((resolve, reject) => {
      path.controller.admin(command, (error, dw0, dw1) => {
        if (error === undefined) resolve({ dw0, dw1 });
        else reject(error);
      });
    });
  }

  /** Resets one controller, or all of them in turn until one cannot be. */
  reset(path?: ControllerPath): Promise<void> {
    return this.#inTurn(path, (controller, done) => controller.reset(done));
  }

  /** Connects controllers again that were disabled, as {@link reset} does. */
  enable(path?: ControllerPath): Promise<void> {
    return this.#inTurn(path, (controller, done) => controller.enable(done));
  }

  /** Disconnects controllers and keeps them so, as {@link reset} does. */
  disable(path?: ControllerPath): Promise<void> {
    return this.#inTurn(path, (controller, done) => controller.disable(done));
  }

  found(path: ControllerPath, facts: NamespaceFacts): void {
    const known = path.namespaces.get(facts.nsid);
    if (known === undefined) {
      this.#add(path, facts);
      return;
    }
    const device = known.user;
    // Its user has closed the device, and all is done: it does not come back by itself.
    if (!(device instanceof MultipathDevice)) {
      known.facts = facts;
      return;
    }
    const changed = differenceTo(device, facts, identityOf(facts));
    if (changed === undefined) {
      known.verified(facts);
      device.factsChanged();
      device.resized(facts.blockCount);
      return;
    }
    const reason = `its ${changed} changed: NSID ${facts.nsid} leads to other data now`;
    this.#removePath(known, { kind: "changed", reason });
    this.#add(path, facts);
  }

  gone(path: ControllerPath, nsid: number): void {
    const known = path.namespaces.get(nsid);
    const reason = `namespace ${nsid} was removed`;
    if (known !== undefined) this.#removePath(known, { kind: "namespace", reason });
  }

  unreadable(path: ControllerPath, nsid: number, error: NvmeofError): void {
    const known = path.namespaces.get(nsid);
    const reason = `what the controller says of namespace ${nsid} makes no sense: ${error.message}`;
    if (known !== undefined) this.#removePath(known, { kind: "changed", reason });
    this.#tell(path.controller, { type: "path-refused", nsid, reason });
  }

  scanned(path: ControllerPath, error: NvmeofError | undefined): void {
    const scan = this.#scans.get(path);
    if (error === undefined) scan?.done();
    // What the controller itself has answered it will answer again; all else is recovered from.
    else if (error.code === "NVME_ERR_STATUS" || error.code === "NVME_ERR_PARSE")
      scan?.failed(error);
  }

  closing(path: ControllerPath, reason: NvmeofError | undefined): void {
    const { controller } = path;
    const why = reason?.message ?? "the controller was closed";
    this.#paths.delete(path);
    this.#closing.add(controller);
    controller.close({}, () => this.#closing.delete(controller));
    for (const known of path.namespaces.values()) {
      this.#removePath(known, { kind: "controller", reason: why });
    }
    path.release();
    for (const refused of this.#refused.values()) refused.delete(path);
    this.#scans
      .get(path)
      ?.failed(reason ?? new AbortedError("controller-closed", "not-sent", true));
    this.#tell(controller, { type: "controller-removed", controller });
  }

  async #inTurn(
    path: ControllerPath | undefined,
    ask: (controller: Controller, done: RequestDone) => void,
  ): Promise<void> {
    const paths = path === undefined ? this.controllers : [path];
    for (const { controller } of paths) await settled((done) => ask(controller, done));
  }

  #checkDuplicate(controller: Controller): void {
    const { subsystemNqn } = controller.options;
    const addresses = (of: Controller): string[] => of.addresses.map(addressText);
    for (const path of this.#paths) {
      const { options } = path.controller;
      if (options.subsystemNqn !== subsystemNqn || options.hostNqn !== controller.options.hostNqn) {
        throw new NvmeofError(
          "NVME_ERR_GROUP_MISMATCH",
          `${this.name} is of ${options.subsystemNqn} for ${options.hostNqn}`,
          { hint: "Controllers of one group lead to one subsystem, for one host." },
        );
      }
      const shared = addresses(path.controller).find((a) => addresses(controller).includes(a));
      if (shared === undefined) continue;
      throw new NvmeofError("NVME_ERR_DUPLICATE", `${this.name} has a path by ${shared} already`);
    }
  }

  /** Whether writes would be left behind whose outcome nobody knows, were the controller lost now. */
  #isInDoubt(path: ControllerPath): boolean {
    return [...path.namespaces.values()].some(
      ({ user }) => user instanceof MultipathDevice && user.hasChangesBy(path),
    );
  }

  /** Two controllers of one subsystem have two IDs and one serial number, or are not of one. */
  #checkController(path: ControllerPath): void {
    const factsOf = ({ controller }: ControllerPath): ControllerFacts | undefined =>
      controller.state === "live" ? controller.facts : undefined;
    const facts = factsOf(path);
    if (facts === undefined) return;
    const hint = "Two targets claim to be one subsystem; check their configuration.";
    const { cntlid } = facts;
    const { sn } = facts.identify;
    for (const other of this.controllers) {
      const known = other === path ? undefined : factsOf(other);
      if (known === undefined) continue;
      if (known.cntlid === cntlid) {
        const message = `${this.name} has a controller ${cntlid} already`;
        throw new NvmeofError("NVME_ERR_DUPLICATE", message, { hint });
      }
      if (known.identify.sn === sn) continue;
      const message = `${this.name} has serial number "${known.identify.sn}"`;
      const here = `the controller says serial number "${sn}"`;
      throw new NvmeofError("NVME_ERR_GROUP_MISMATCH", `${here}, ${message}`, { hint });
    }
  }

  /**
   * The device that a namespace is. Without any identity namespaces are told apart by their NSID alone,
   * within one controller.
   */
  #deviceOf(facts: NamespaceFacts): MultipathDevice | undefined {
    // Once, and not for each device: there may be a thousand of them.
    const identity = identityOf(facts);
    if (!hasIdentity(identity)) return undefined;
    for (const device of this.#devices) {
      if (differenceTo(device, facts, identity) === undefined) return device;
    }
    return undefined;
  }

  #add(path: ControllerPath, facts: NamespaceFacts): void {
    const { controller } = path;
    const { nsid } = facts;
    const refuse = (reason: string): void =>
      this.#tell(controller, { type: "path-refused", nsid, reason });
    try {
      checkFormat(facts);
    } catch (error) {
      refuse((error as Error).message);
      return;
    }
    const device = this.#deviceOf(facts);
    if (device === undefined && this.devices.some((other) => other.nsid === nsid)) {
      if (!this.#refused.has(nsid)) this.#refused.set(nsid, new Set());
      this.#refused.get(nsid)!.add(path);
      refuse("another controller of the group has other data under this NSID");
      return;
    }
    const added = new NamespacePath(path, facts);
    path.namespaces.set(nsid, added);
    if (device === undefined) this.#addDevice(added);
    else device.addPath(added);
    added.verified(facts);
    device?.resized(facts.blockCount);
    this.#tell(controller, { type: "path-added", path: added });
  }

  #addDevice(first: NamespacePath): void {
    const { controller } = first.controllerPath;
    const device = new MultipathDevice(`${this.name}n${first.nsid}`, first, {
      clock: controller.options.clock,
      policy: this.#policy,
      retryLimits: { ...defaultRetryLimits, ...this.#options.retry },
      fencing: this.#options.fencing ?? "reset",
      closed: (ended) => this.#forget(ended, controller),
    });
    this.#devices.add(device);
    this.#tell(controller, { type: "device-added", device });
  }

  #removePath(path: NamespacePath, end: DeviceEnd): void {
    const device = path.user;
    const { controller } = path.controllerPath;
    path.controllerPath.namespaces.delete(path.nsid);
    this.#tell(controller, { type: "path-removed", path });
    if (!(device instanceof MultipathDevice)) {
      path.remove();
      return;
    }
    // The removal is told before the last path goes, so that nobody is failed unawares.
    if (device.paths.length === 1) {
      void device.remove(end);
      this.#forget(device, controller);
    }
    device.removePath(path);
  }

  #forget(device: MultipathDevice, controller: Controller): void {
    if (!this.#devices.delete(device)) return;
    const reason = device.closedReason ?? "";
    this.#tell(controller, { type: "device-removed", device, reason });
    const refused = this.#refused.get(device.nsid);
    this.#refused.delete(device.nsid);
    for (const path of refused ?? []) path.rescan();
  }

  /** What an observer throws is nobody else's affair. */
  #tell({ options }: Controller, event: GroupEvent): void {
    for (const { tell } of this.#observers) runGuarded(options.clock, () => tell(event));
  }
}

const settled = (start: (done: RequestDone) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    start((error) => (error === undefined ? resolve() : reject(error)));
  });

/** Sizes of blocks decide as well: data of another shape is other data. */
function differenceTo(
  device: MultipathDevice,
  { format }: NamespaceFacts,
  identity: NamespaceIdentity,
): string | undefined {
  if (format.blockBytes !== device.blockBytes) return "block size";
  return identityDifference(device.namespaceIdentity, identity);
}
