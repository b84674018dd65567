// A name with the controllers behind it: their namespaces are merged into devices by identity.
// Read first: identity.ts, multipath-device.ts; spdk-bdev-nvme.md §1.1, §2.2.

import { NvmeofError } from "@nvmeof/codec";
import {
  type CloseOptions,
  type CloseReport,
  Controller,
  type ControllerOptions,
  type NamespaceFacts,
} from "@nvmeof/core";
import { ControllerPath, type ControllerPathEvents } from "./controller-path.ts";
import { identityDifference, identityOf } from "./identity.ts";
import { type Fencing, MultipathDevice, checkFormat } from "./multipath-device.ts";
import { NamespacePath } from "./namespace-path.ts";
import { type PathPolicy, checkPathPolicy } from "./path-policy.ts";
import { type RetryLimits, defaultRetryLimits } from "./retry.ts";

/** What all controllers of a group have in common. */
export interface GroupOptions {
  /** Its namespaces are called `<name>n<nsid>`. */
  readonly name: string;
  readonly policy?: PathPolicy;
  readonly retry?: Partial<RetryLimits>;
  /** Default `timed`: a write of unknown outcome is not sent again before it is safe. */
  readonly fencing?: Fencing;
}

/** What a group tells those who observe it. */
export type GroupEvent =
  | { readonly type: "device-added"; readonly device: MultipathDevice }
  | { readonly type: "device-removed"; readonly device: MultipathDevice; readonly reason: string }
  | { readonly type: "path-added" | "path-removed"; readonly path: NamespacePath }
  /** A namespace was found and not taken, and why. */
  | { readonly type: "path-refused"; readonly nsid: number; readonly reason: string }
  | { readonly type: "controller-removed"; readonly controller: Controller };

export class NvmeGroup implements ControllerPathEvents {
  readonly name: string;
  readonly #options: GroupOptions;
  readonly #policy: PathPolicy;
  readonly #paths = new Set<ControllerPath>();
  readonly #devices = new Set<MultipathDevice>();
  readonly #observers = new Set<(event: GroupEvent) => void>();
  /** Attaches that wait for the namespaces of their controller. */
  readonly #scans = new Map<ControllerPath, () => void>();

  /** @throws RangeError or TypeError for a policy that does not exist. */
  constructor(options: GroupOptions) {
    this.name = options.name;
    this.#options = options;
    this.#policy = checkPathPolicy(options.policy ?? { mode: "active-passive" });
  }

  get controllers(): readonly ControllerPath[] {
    return [...this.#paths];
  }

  get devices(): readonly MultipathDevice[] {
    return [...this.#devices];
  }

  observe(observer: (event: GroupEvent) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /**
   * Connects a controller and adds its namespaces. Rejects with what ended the first attempt, or with
   * NVME_ERR_DUPLICATE for a controller that the group has already; nothing is left behind then.
   */
  async attach(options: ControllerOptions, signal?: AbortSignal): Promise<ControllerPath> {
    signal?.throwIfAborted();
    const controller = new Controller(options);
    this.#checkDuplicate(controller);
    const path = new ControllerPath(controller, this);
    const scanned = new Promise<void>((resolve) => this.#scans.set(path, resolve));
    const cancel = (): void => controller.close({}, () => {});
    signal?.addEventListener("abort", cancel, { once: true });
    this.#paths.add(path);
    try {
      await new Promise<void>((resolve, reject) => {
        controller.start((error) => (error === undefined ? resolve() : reject(error)));
      });
      await scanned;
    } catch (error) {
      await new Promise<CloseReport>((resolve) => controller.close({}, resolve));
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
    const pathsRemain = [...path.namespaces.values()].every(
      ({ user }) => user === undefined || (user as MultipathDevice).paths.length > 1,
    );
    return new Promise((resolve) => path.controller.close({ pathsRemain, ...options }, resolve));
  }

  /** Ends all controllers at once, whatever the peers do and whoever holds a handle. */
  close(options: CloseOptions = {}): Promise<CloseReport[]> {
    const ends = [...this.#paths].map(
      (path) =>
        new Promise<CloseReport>((resolve) =>
          path.controller.close({ ...options, pathsRemain: false }, resolve),
        ),
    );
    return Promise.all(ends);
  }

  set policy(policy: PathPolicy) {
    checkPathPolicy(policy);
    for (const device of this.#devices) device.policy = policy;
  }

  found(path: ControllerPath, facts: NamespaceFacts): void {
    const known = path.namespaces.get(facts.nsid);
    if (known === undefined) {
      this.#add(path, facts);
      return;
    }
    const device = known.user as MultipathDevice | undefined;
    const changed = device === undefined ? "device" : differenceTo(device, facts);
    if (changed === undefined) {
      known.verified(facts);
      device!.resized(facts.blockCount);
      return;
    }
    this.#removePath(known, `its ${changed} changed: NSID ${facts.nsid} leads to other data now`);
    this.#add(path, facts);
  }

  gone(path: ControllerPath, nsid: number): void {
    const known = path.namespaces.get(nsid);
    if (known !== undefined) this.#removePath(known, `namespace ${nsid} was removed`);
  }

  scanned(path: ControllerPath): void {
    this.#scans.get(path)?.();
  }

  closing(path: ControllerPath, reason: NvmeofError | undefined): void {
    const why = reason?.message ?? "the controller was closed";
    for (const known of path.namespaces.values()) this.#removePath(known, why);
    path.release();
    this.#paths.delete(path);
    this.#scans.get(path)?.();
    this.#tell({ type: "controller-removed", controller: path.controller });
  }

  #checkDuplicate(controller: Controller): void {
    const { subsystemNqn } = controller.options;
    const addresses = (of: Controller): string[] =>
      of.options.transports.map(({ address: a }) => `${a.trtype} ${a.traddr} ${a.trsvcid}`);
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

  #add(path: ControllerPath, facts: NamespaceFacts): void {
    try {
      checkFormat(facts);
    } catch (error) {
      this.#refuse(facts, (error as Error).message);
      return;
    }
    const device = [...this.#devices].find((other) => isSame(other, facts));
    if (device === undefined && [...this.#devices].some(({ nsid }) => nsid === facts.nsid)) {
      this.#refuse(facts, "another controller of the group has other data under this NSID");
      return;
    }
    const added = new NamespacePath(path, facts);
    path.namespaces.set(facts.nsid, added);
    if (device === undefined) this.#addDevice(added);
    else device.addPath(added);
    added.verified(facts);
    this.#tell({ type: "path-added", path: added });
  }

  #addDevice(first: NamespacePath): void {
    const device = new MultipathDevice(`${this.name}n${first.nsid}`, first, {
      clock: first.controllerPath.controller.options.clock,
      policy: this.#policy,
      retryLimits: { ...defaultRetryLimits, ...this.#options.retry },
      fencing: this.#options.fencing ?? "timed",
    });
    this.#devices.add(device);
    this.#tell({ type: "device-added", device });
  }

  #refuse({ nsid }: NamespaceFacts, reason: string): void {
    this.#tell({ type: "path-refused", nsid, reason });
  }

  #removePath(path: NamespacePath, reason: string): void {
    const device = path.user as MultipathDevice | undefined;
    path.controllerPath.namespaces.delete(path.nsid);
    this.#tell({ type: "path-removed", path });
    if (device === undefined) {
      path.remove();
      return;
    }
    // The removal is told before the last path goes, so that nobody is failed unawares.
    if (device.paths.length === 1) this.#removeDevice(device, reason);
    device.removePath(path);
  }

  #removeDevice(device: MultipathDevice, reason: string): void {
    this.#devices.delete(device);
    void device.remove(reason);
    this.#tell({ type: "device-removed", device, reason });
  }

  #tell(event: GroupEvent): void {
    for (const observer of this.#observers) observer(event);
  }
}

/** Sizes of blocks decide as well: data of another shape is other data. */
function differenceTo(device: MultipathDevice, facts: NamespaceFacts): string | undefined {
  if (facts.format.blockBytes !== device.blockBytes) return "block size";
  return identityDifference(device.namespaceIdentity, identityOf(facts));
}

/** Without any identity namespaces are told apart by their NSID alone, within one controller. */
function isSame(device: MultipathDevice, facts: NamespaceFacts): boolean {
  const identity = identityOf(facts);
  const named = identity.uuid ?? identity.nguid ?? identity.eui64;
  if (named === undefined) return false;
  return differenceTo(device, facts) === undefined;
}
