// A namespace as a block device, over every path that leads to it.
// Read first: block-device.ts for the contract; group.ts makes and ends these.

import { Oncs, Vwc } from "@nvmeof/codec";
import { type NamespaceFacts, UnsupportedError } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";
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
import { COMMAND_BLOCKS_MAX } from "./command.ts";
import { type NamespaceIdentity, identityOf } from "./identity.ts";
import { MultipathChannel } from "./multipath-channel.ts";
import type { NamespacePath, PathUser } from "./namespace-path.ts";
import type { PathPolicy } from "./path-policy.ts";
import type { RetryLimits } from "./retry.ts";

/** Identify Namespace, NSATTR bit 0: the namespace is write protected. */
const NSATTR_WRITE_PROTECTED = 1;
/** Requests of one channel, in flight or waiting. */
const INFLIGHT_MAX = 1024;

/** When a write of unknown outcome may be sent again: at its time bound, or at once (unsafe). */
export type Fencing = "timed" | "none";

/** What the channels of a device look at. */
export interface MultipathTarget extends RequestTarget {
  readonly clock: Clock;
  /** In the order of preference. */
  readonly paths: readonly NamespacePath[];
  readonly policy: PathPolicy;
  readonly retryLimits: RetryLimits;
  readonly fencing: Fencing;
  channelEnded(channel: MultipathChannel): void;
}

/** What a group gives to each of its devices. */
export interface MultipathOptions {
  readonly clock: Clock;
  readonly policy: PathPolicy;
  readonly retryLimits: RetryLimits;
  readonly fencing: Fencing;
}

function featuresOf(path: NamespacePath): BlockFeatures {
  const { identify } = path.controllerPath.controller.facts!;
  const has = (bit: number): boolean => (identify.oncs & bit) !== 0;
  return {
    readOnly: (path.facts.identify.nsattr & NSATTR_WRITE_PROTECTED) !== 0,
    volatileCache: (identify.vwc & Vwc.Present) !== 0,
    writeZeroes: has(Oncs.WriteZeroes),
    deallocate: has(Oncs.DatasetManagement),
    compare: has(Oncs.Compare),
    verify: has(Oncs.Verify),
  };
}

/** @throws UnsupportedError for a format that is not supported. */
export function checkFormat({ nsid, format }: NamespaceFacts): void {
  if (format.ms === 0) return;
  throw new UnsupportedError(`namespace ${nsid} has ${format.ms} bytes of metadata per block`, {
    phase: "identify",
    hint: "Choose a format without metadata.",
  });
}

function blockIdentity(facts: NamespaceFacts, identity: NamespaceIdentity): BlockIdentity {
  const nguid = facts.identifiers.nguid ?? facts.identify.nguid;
  const eui64 = facts.identifiers.eui64 ?? facts.identify.eui64;
  return {
    ...(identity.uuid === undefined ? {} : { uuid: identity.uuid }),
    ...(identity.nguid === undefined ? {} : { nguid }),
    ...(identity.eui64 === undefined ? {} : { eui64 }),
  };
}

export class MultipathDevice implements BlockDevice, MultipathTarget, PathUser {
  readonly name: string;
  readonly nsid: number;
  readonly blockBytes: number;
  readonly identity: BlockIdentity;
  /** Identity as paths are compared by. */
  readonly namespaceIdentity: NamespaceIdentity;
  readonly clock: Clock;
  readonly retryLimits: RetryLimits;
  readonly fencing: Fencing;
  features: BlockFeatures;
  limits: BlockLimits;
  #policy: PathPolicy;
  #blockCount: number;
  #paths: NamespacePath[] = [];
  readonly #observers: Observers<BlockDeviceEvent>;
  readonly #channels = new Set<MultipathChannel>();
  #lanes = 0;
  #closed: { readonly reason: string; readonly done: Promise<void> } | undefined;
  #channelsEnded: (() => void) | undefined;

  /** @throws UnsupportedError for a format with metadata. */
  constructor(name: string, first: NamespacePath, options: MultipathOptions) {
    const { facts } = first;
    checkFormat(facts);
    this.name = name;
    this.nsid = facts.nsid;
    this.blockBytes = facts.format.blockBytes;
    this.#blockCount = facts.blockCount;
    this.namespaceIdentity = identityOf(facts);
    this.identity = blockIdentity(facts, this.namespaceIdentity);
    this.clock = options.clock;
    this.#policy = options.policy;
    this.retryLimits = options.retryLimits;
    this.fencing = options.fencing;
    this.features = featuresOf(first);
    this.limits = this.#limitsOf([first]);
    this.#observers = new Observers(options.clock);
    this.addPath(first);
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

  /** Why the device takes no more requests; undefined while it does. */
  get closedReason(): string | undefined {
    return this.#closed?.reason;
  }

  openChannel(): BlockChannel {
    const channel = new MultipathChannel(this, this.#lanes++);
    if (this.#closed === undefined) this.#channels.add(channel);
    else channel.close(this.#closed.reason);
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
    this.#paths.push(path);
    this.#pathsChanged();
  }

  /** @returns whether it was the last one. */
  removePath(path: NamespacePath): boolean {
    this.#paths = this.#paths.filter((other) => other !== path);
    path.remove();
    this.#pathsChanged();
    return this.#paths.length === 0;
  }

  /** Moves a path to the head of the order, for this and all later channels. */
  prefer(path: NamespacePath): void {
    this.#paths = [path, ...this.#paths.filter((other) => other !== path)];
    this.#pathsChanged();
  }

  resized(blockCount: number): void {
    if (blockCount === this.#blockCount || this.#closed !== undefined) return;
    this.#blockCount = blockCount;
    this.#observers.tell({ type: "resized", blockCount });
  }

  pathImproved(): void {
    for (const channel of this.#channels) channel.pathImproved();
  }

  pathWorsened(): void {
    for (const channel of this.#channels) channel.pathWorsened();
  }

  /** What finds no path fails instead of waiting, until `thaw`. */
  freeze(): void {
    for (const channel of this.#channels) channel.freeze();
  }

  thaw(): void {
    for (const channel of this.#channels) channel.thaw();
  }

  channelEnded(channel: MultipathChannel): void {
    this.#channels.delete(channel);
    if (this.#channels.size === 0) this.#channelsEnded?.();
  }

  close(): Promise<void> {
    return this.remove("its user closed it");
  }

  /** The device is gone: told first, then what waits is failed; what is in flight still settles. */
  remove(reason: string): Promise<void> {
    if (this.#closed !== undefined) return this.#closed.done;
    const done = new Promise<void>((resolve) => {
      this.#channelsEnded = resolve;
    });
    this.#closed = { reason, done };
    this.#observers.tell({ type: "removed", reason });
    for (const path of this.#paths) path.user = undefined;
    // A channel with nothing in flight ends during the walk.
    for (const channel of Array.from(this.#channels)) channel.close(reason);
    if (this.#channels.size === 0) this.#channelsEnded?.();
    return done;
  }

  #pathsChanged(): void {
    if (this.#paths.length > 0) this.limits = this.#limitsOf(this.#paths);
    for (const channel of this.#channels) channel.pathsChanged();
  }

  /** What every path can do: a request must fit whichever of them it takes. */
  #limitsOf(paths: readonly NamespacePath[]): BlockLimits {
    const bytes = Math.min(...paths.map((path) => path.transferBytesMax));
    return {
      transferBlocksMax: Math.min(
        Math.max(1, Math.floor(bytes / this.blockBytes)),
        COMMAND_BLOCKS_MAX,
      ),
      boundaryBlocks: paths[0]!.facts.identify.noiob,
      inflightMax: INFLIGHT_MAX,
    };
  }
}
