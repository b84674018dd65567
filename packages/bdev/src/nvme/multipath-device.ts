// A namespace as a block device, over every path that leads to it.
// Read first: block-device.ts for the contract; group.ts makes and ends these.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import type {
  BlockChannel,
  BlockDevice,
  BlockDeviceEvent,
  BlockFeatures,
  BlockIdentity,
  BlockLimits,
} from "../block-device.ts";
import { Observers } from "../observers.ts";
import type { RequestTarget } from "../request-check.ts";
import { type DeviceEnd, endedError } from "./device-end.ts";
import { blockIdentity, checkFormat, featuresOf, limitsOf } from "./device-facts.ts";
import type { ControllerPath } from "./controller-path.ts";
import type { Fencing } from "./fences.ts";
import { type NamespaceIdentity, identityOf } from "./identity.ts";
import { MultipathChannel } from "./multipath-channel.ts";
import type { NamespacePath, PathUser } from "./namespace-path.ts";
import type { PathPolicy } from "./path-policy.ts";
import type { RetryLimits } from "./retry.ts";

/** What became of requests that no path could take, and of those that failed. Numbers only grow. */
export interface DeviceCounters {
  /** Times that a request found no path that could be used, and waited for one. */
  requeued: number;
  /** Requests that ended with an error, whatever was tried before. */
  failed: number;
  /** Of those, how many found no path, or waited for one in vain. */
  failedNoPath: number;
}

/** What the channels of a device look at. */
export interface MultipathTarget extends RequestTarget {
  readonly clock: Clock;
  /** In the order of preference. */
  readonly paths: readonly NamespacePath[];
  readonly policy: PathPolicy;
  readonly retryLimits: RetryLimits;
  readonly fencing: Fencing;
  /** The device is being reset: what finds no path fails instead of waiting. */
  readonly isFrozen: boolean;
  /** Channels count here. */
  readonly counters: DeviceCounters;
  channelEnded(channel: MultipathChannel): void;
}

/** What a group gives to each of its devices. */
export interface MultipathOptions {
  readonly clock: Clock;
  readonly policy: PathPolicy;
  readonly retryLimits: RetryLimits;
  readonly fencing: Fencing;
  /** Its user has closed the device. */
  readonly closed?: (device: MultipathDevice) => void;
}

export class MultipathDevice implements BlockDevice, MultipathTarget, PathUser {
  readonly name: string;
  readonly nsid: number;
  readonly blockBytes: number;
  readonly identity: BlockIdentity;
  /** Identity as paths are compared by. */
  readonly namespaceIdentity: NamespaceIdentity;
  /** Of all channels, those that are closed included. */
  readonly counters: DeviceCounters = { requeued: 0, failed: 0, failedNoPath: 0 };
  readonly #options: MultipathOptions;
  features: BlockFeatures;
  limits: BlockLimits;
  #policy: PathPolicy;
  #blockCount: number;
  #paths: NamespacePath[] = [];
  readonly #observers: Observers<BlockDeviceEvent>;
  readonly #channels = new Set<MultipathChannel>();
  #lanes = 0;
  #end: (DeviceEnd & { readonly done: Promise<void> }) | undefined;
  #channelsEnded: (() => void) | undefined;
  /** Who has frozen it: a reset, or somebody from outside. */
  #frost: "none" | "frozen" = "none";
  #reset: Promise<void> | undefined;
  /** Armed while a path that became better has to prove itself. */
  #failback: Timer | undefined;

  /** @throws UnsupportedError for a format with metadata. */
  constructor(name: string, first: NamespacePath, options: MultipathOptions) {
    const { facts } = first;
    checkFormat(facts);
    this.name = name;
    this.nsid = facts.nsid;
    this.blockBytes = facts.format.blockBytes;
    this.#blockCount = facts.blockCount;
    this.namespaceIdentity = identityOf(facts);
    this.identity = blockIdentity(facts);
    this.#options = options;
    this.#policy = options.policy;
    this.features = featuresOf([first]);
    this.limits = limitsOf([first]);
    this.#observers = new Observers(options.clock);
    this.addPath(first);
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get retryLimits(): RetryLimits {
    return this.#options.retryLimits;
  }

  get fencing(): Fencing {
    return this.#options.fencing;
  }

  get blockCount(): number {
    return this.#blockCount;
  }

  get paths(): readonly NamespacePath[] {
    return this.#paths;
  }

  get policy(): PathPolicy {
    return this.#policy;
  }

  set policy(policy: PathPolicy) {
    this.#policy = policy;
    for (const channel of this.#channels) channel.policyChanged();
  }

  get isFrozen(): boolean {
    return this.#frost === "frozen";
  }

  /** Why the device takes no more requests; undefined while it does. */
  get closedReason(): string | undefined {
    return this.#end?.reason;
  }

  /** Whether a controller has requests that change data, or requests wait behind its fence. */
  hasChangesBy(controllerPath: ControllerPath): boolean {
    for (const channel of this.#channels) if (channel.hasChangesBy(controllerPath)) return true;
    return false;
  }

  openChannel(): BlockChannel {
    const channel = new MultipathChannel(this, this.#lanes++);
    if (this.#end === undefined) this.#channels.add(channel);
    else channel.end(this.#end);
    return channel;
  }

  /** The channels that are open: for statistics, and for those who want to know who waits. */
  get channels(): Iterable<MultipathChannel> {
    return this.#channels;
  }

  observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  addPath(path: NamespacePath): void {
    path.user = this;
    this.#paths = [...this.#paths, path];
    this.factsChanged();
    for (const channel of this.#channels) channel.pathsChanged("kept");
  }

  /** @returns whether it was the last one. */
  removePath(path: NamespacePath): boolean {
    this.#paths = this.#paths.filter((other) => other !== path);
    path.remove();
    this.factsChanged();
    for (const channel of this.#channels) channel.pathsChanged("kept");
    return this.#paths.length === 0;
  }

  /** Moves a path to the head of the order, for this and all later channels. */
  prefer(path: NamespacePath): void {
    this.#paths = [path, ...this.#paths.filter((other) => other !== path)];
    for (const channel of this.#channels) channel.pathsChanged("new");
  }

  /** A controller has told anew what it can do: limits and features are what all paths can. */
  factsChanged(): void {
    if (this.#paths.length === 0) return;
    this.limits = limitsOf(this.#paths);
    this.features = featuresOf(this.#paths);
  }

  resized(blockCount: number): void {
    if (blockCount === this.#blockCount || this.#end !== undefined) return;
    this.#blockCount = blockCount;
    this.#observers.tell({ type: "resized", blockCount });
  }

  pathImproved(): void {
    const policy = this.#policy;
    const delayMs = policy.mode === "active-passive" ? (policy.failbackDelayMs ?? 0) : 0;
    this.#failback?.cancel();
    this.#failback = undefined;
    if (delayMs === 0) this.#failBack();
    else this.#failback = this.clock.at(this.clock.nowMs() + delayMs, () => this.#failBack());
    for (const channel of this.#channels) channel.pathImproved();
  }

  pathWorsened(path: NamespacePath): void {
    for (const channel of this.#channels) channel.pathWorsened(path);
  }

  /** What finds no path fails instead of waiting, until `thaw`. */
  freeze(): void {
    this.#frost = "frozen";
    for (const channel of this.#channels) channel.frozenChanged();
  }

  thaw(): void {
    this.#frost = "none";
    for (const channel of this.#channels) channel.frozenChanged();
  }

  /**
   * Resets the controllers of all paths, one after another, and ends what waits. Meanwhile requests
   * that find no path fail. Resolves if at least one controller was reset or is disabled on purpose;
   * rejects with the error of the last otherwise. Who asks during a reset shares its result.
   */
  reset(): Promise<void> {
    this.#reset ??= this.#resetAll().finally(() => (this.#reset = undefined));
    return this.#reset;
  }

  channelEnded(channel: MultipathChannel): void {
    this.#channels.delete(channel);
    if (this.#end !== undefined) this.#checkEnded();
  }

  close(): Promise<void> {
    const done = this.remove({ kind: "device", reason: "its user closed it" });
    this.#options.closed?.(this);
    return done;
  }

  /**
   * The device is gone: told first. What was submitted is still done where its user has closed it;
   * where there is no path left, what waits fails.
   */
  remove(end: DeviceEnd): Promise<void> {
    if (this.#end === undefined) {
      const done = new Promise<void>((resolve) => {
        this.#channelsEnded = resolve;
      });
      this.#end = { ...end, done };
      this.#observers.tell({ type: "removed", reason: end.reason });
    }
    this.#failback?.cancel();
    // A channel with nothing in flight ends during the walk.
    for (const channel of Array.from(this.#channels)) channel.end(end);
    this.#checkEnded();
    return this.#end.done;
  }

  /** Once nothing is in flight any more the paths are nobody's, and tell nobody. */
  #checkEnded(): void {
    if (this.#channels.size > 0) return;
    for (const path of this.#paths) path.user = undefined;
    this.#failback?.cancel();
    this.#channelsEnded?.();
  }

  #failBack(): void {
    this.#failback = undefined;
    for (const channel of this.#channels) channel.failback();
  }

  async #resetAll(): Promise<void> {
    if (this.#end !== undefined) throw endedError(this.name, this.#end, "not-sent");
    this.freeze();
    let failure: NvmeofError | undefined;
    let successes = 0;
    // As they are now: a path that comes later needs no reset, and one that goes cannot have any.
    for (const { controllerPath } of this.#paths) {
      const { controller } = controllerPath;
      const error = await new Promise<NvmeofError | undefined>((resolve) => {
        if (controller.state === "disabled") resolve(undefined);
        else controller.reset(resolve);
      });
      if (error === undefined) successes++;
      else failure = error;
    }
    this.thaw();
    for (const channel of this.#channels) channel.abortWaiting();
    if (successes === 0 && failure !== undefined) throw failure;
  }
}
