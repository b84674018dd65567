// The registry: devices by name, who has them open, and what becomes of both when a device goes.
// Read first: block-device.ts; claims.ts for who may write. A registry is an object, never a global.

import { type ErrorDetails, NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { BlockDevice } from "./block-device.ts";
import { type Claim, claimRefusal, openRefusal } from "./claims.ts";
import { type DeviceHandle, type HandleOwner, RegistryHandle } from "./handle.ts";
import { Observers } from "./observers.ts";
import { BlockCounters, type BlockStatistics } from "./statistics.ts";

/** Why a registry did not do it. `code` is `NVME_ERR_` and this in capitals. */
export type RegistryFailure =
  | "name-in-use" // a device of that name is registered
  | "no-device" // no device of that name is registered
  | "claimed" // somebody's claim, or somebody who writes, is in the way
  | "read-only" // the device cannot be written at all
  | "closed"; // the handle, or the registry, is closed

/** A registry did not do what it was asked. */
export class RegistryError extends NvmeofError {
  override readonly name = "RegistryError";
  constructor(failure: RegistryFailure, message: string, details: ErrorDetails = {}) {
    super(`NVME_ERR_${failure.toUpperCase().replaceAll("-", "_")}`, message, details);
  }
}

/** What happens in a registry. */
export type RegistryEvent =
  | { readonly type: "registered"; readonly name: string }
  | { readonly type: "unregistered"; readonly name: string; readonly reason: string };

/** How a device is opened. */
export interface OpenOptions {
  /** To change blocks as well. Default false: for reading. */
  readonly write?: boolean | undefined;
  /** Who opens it, for the messages that others get. Default "somebody". */
  readonly holder?: string | undefined;
}

/** A registered device and how it is used. */
export interface RegisteredDevice {
  readonly name: string;
  readonly device: BlockDevice;
  /** Handles that are open, in order of opening. */
  readonly handles: readonly Pick<DeviceHandle, "holder" | "writes" | "claim">[];
  /** Counters of all handles since the device was registered, those that are closed included. */
  readonly statistics: BlockStatistics;
}

/** Devices by name. */
export class BlockRegistry {
  readonly #clock: Clock;
  readonly #observers: Observers<RegistryEvent>;
  readonly #entries = new Map<string, Entry>();
  #phase: "open" | "closed" = "open";

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
    this.#observers = new Observers(options.clock);
  }

  /**
   * Registers a device by its name; it leaves by itself when it is removed. The registry does not own
   * it: unregistering does not close it. Raises `RegistryError` (NVME_ERR_NAME_IN_USE).
   */
  register(device: BlockDevice): void {
    const { name } = device;
    if (this.#phase === "closed") throw new RegistryError("closed", "the registry is closed");
    if (this.#entries.has(name)) {
      throw new RegistryError("name-in-use", `a device "${name}" is registered already`);
    }
    const entry = new Entry(device, this.#clock, (reason) => this.#leave(entry, reason));
    this.#entries.set(name, entry);
    this.#observers.tell({ type: "registered", name });
  }

  /**
   * Takes a device out. Its handles are told "removed" and take no more requests; resolves when what
   * they had in flight has settled, whether or not they are ever closed. Raises `RegistryError`
   * (NVME_ERR_NO_DEVICE).
   */
  unregister(name: string, reason = "the device was unregistered"): Promise<void> {
    const entry = this.#entry(name);
    this.#leave(entry, reason);
    return entry.ended;
  }

  /**
   * Opens a device. Raises `RegistryError`: NVME_ERR_NO_DEVICE, or for writing NVME_ERR_CLAIMED and
   * NVME_ERR_READ_ONLY.
   */
  open(name: string, options: OpenOptions = {}): DeviceHandle {
    return this.#entry(name).open(options.write ?? false, options.holder ?? "somebody");
  }

  /** The device of that name, `undefined` if there is none. */
  find(name: string): RegisteredDevice | undefined {
    return this.#entries.get(name)?.describe();
  }

  /** All devices, in order of registration. */
  list(): RegisteredDevice[] {
    return [...this.#entries.values()].map((entry) => entry.describe());
  }

  /** Tells `observer` of events from now on, until the returned function is called. */
  observe(observer: (event: RegistryEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  /** Unregisters all devices and takes no more. Idempotent. */
  async close(reason = "the registry was closed"): Promise<void> {
    this.#phase = "closed";
    const entries = [...this.#entries.values()];
    for (const entry of entries) this.#leave(entry, reason);
    await Promise.all(entries.map((entry) => entry.ended));
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new RegistryError("no-device", `no device "${name}"`);
    return entry;
  }

  #leave(entry: Entry, reason: string): void {
    const { name } = entry.device;
    if (this.#entries.get(name) !== entry) return;
    this.#entries.delete(name);
    entry.end(reason);
    this.#observers.tell({ type: "unregistered", name, reason });
  }
}

/** A registered device with its handles. */
class Entry implements HandleOwner {
  readonly device: BlockDevice;
  readonly clock: Clock;
  readonly counters = new BlockCounters();
  /** Handles that are open, or closed with requests in flight. */
  readonly #handles = new Set<RegistryHandle>();
  readonly #stopObserving: () => void;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(device: BlockDevice, clock: Clock, removed: (reason: string) => void) {
    this.device = device;
    this.clock = clock;
    this.#stopObserving = device.observe((event) => {
      if (event.type === "removed") return removed(event.reason);
      for (const handle of this.#handles) handle.tell(event);
    });
  }

  /** Resolves when no handle has anything in flight; meaningful after `end`. */
  get ended(): Promise<void> {
    return this.#ended.then(() => undefined);
  }

  open(write: boolean, holder: string): RegistryHandle {
    const { name, features } = this.device;
    if (write && features.readOnly) throw new RegistryError("read-only", `${name} is read-only`);
    const refusal = write ? openRefusal([...this.#handles]) : undefined;
    if (refusal !== undefined) {
      throw new RegistryError("claimed", `${name} may not be opened for writing: ${refusal}`);
    }
    const handle = new RegistryHandle(this.device, this, holder, write);
    this.#handles.add(handle);
    return handle;
  }

  checkClaim(handle: RegistryHandle, claim: Claim): void {
    const { name, features } = this.device;
    if (handle.closed !== undefined) {
      throw new RegistryError("closed", `${name} is closed: ${handle.closed}`);
    }
    const others = [...this.#handles].filter((each) => each !== handle);
    const refusal = claimRefusal(handle, claim, others);
    if (refusal !== undefined) {
      throw new RegistryError("claimed", `${name} cannot be claimed: ${refusal}`);
    }
    if (features.readOnly && claim.kind !== "read-many-write-none") {
      throw new RegistryError("read-only", `${name} is read-only`);
    }
  }

  handleEnded(handle: RegistryHandle): void {
    this.#handles.delete(handle);
  }

  /** Ends all handles. They leave when nothing of them is in flight. */
  end(reason: string): void {
    this.#stopObserving();
    this.#ended = Promise.all([...this.#handles].map((handle) => handle.remove(reason)));
  }

  describe(): RegisteredDevice {
    return {
      name: this.device.name,
      device: this.device,
      handles: [...this.#handles].map(({ holder, writes, claim }) => ({ holder, writes, claim })),
      statistics: this.counters.snapshot(),
    };
  }
}
