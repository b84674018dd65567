// A registry handle: one user's view of a registered device, which ends without ending the device.
// Read first: registry.ts; claims.ts for who may write.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type {
  BlockChannel,
  BlockDevice,
  BlockDeviceEvent,
  BlockFeatures,
  BlockRequest,
  BlockSettle,
} from "./block-device.ts";
import { type Claim, type ClaimKind, type ClaimParty, claimRules } from "./claims.ts";
import { DelegatingDevice } from "./delegate.ts";
import { Lifetime } from "./lifetime.ts";
import {
  CHANNEL_CLOSED,
  type RequestTarget,
  changesBlocks,
  checkRequest,
} from "./request-check.ts";
import { SettleQueue } from "./settle-queue.ts";
import {
  BlockCounters,
  type BlockStatistics,
  type MeasuredChannel,
  type MeasuredDevice,
  MeasuringChannel,
} from "./statistics.ts";

/**
 * A registered device as one user has it open. It is a device itself: what it does not allow (writes
 * through a handle for reading) it refuses, and closing it ends this user's channels only. When the
 * device is removed the handle is told "removed" and is dead from then on, whether closed or not.
 */
export interface DeviceHandle extends MeasuredDevice {
  /** Who has it open, for messages. */
  readonly holder: string;
  /** Whether it may change blocks: it was opened for that, or a claim made it a writer. */
  readonly writes: boolean;
  /** The claim it holds. */
  readonly claim: Claim | undefined;
  /**
   * Claims the device until `releaseClaim` or `close`. Claims for writing make this a writer. `key` is
   * for "read-many-write-shared". Raises `RegistryError` (NVME_ERR_CLAIMED) if others are in the way.
   */
  makeClaim(kind: ClaimKind, key?: string): void;
  /**
   * Gives the claim back. Whom it made a writer is none any more, at once; others may claim when what
   * is in flight here has settled.
   */
  releaseClaim(): void;
  /** Ends this user's channels and gives the claim back when all has settled. The device goes on. */
  close(): Promise<void>;
}

/** What a handle needs of its registry. */
export interface HandleOwner {
  readonly clock: Clock;
  /** Counters of the device. */
  readonly counters: BlockCounters;
  /** Raises `RegistryError` if `handle` may not make the claim. */
  checkClaim(handle: RegistryHandle, claim: Claim): void;
  /** The handle has nothing in flight and is not needed any more. */
  handleEnded(handle: RegistryHandle): void;
}

export class RegistryHandle extends DelegatingDevice implements DeviceHandle, ClaimParty {
  readonly holder: string;
  readonly #owner: HandleOwner;
  readonly #life: Lifetime;
  readonly #counters = new BlockCounters();
  readonly #openedForWriting: boolean;
  #claim: Claim | undefined;
  #claimPhase: "held" | "released" = "released";
  #inflight = 0;
  #features: BlockFeatures;

  constructor(device: BlockDevice, owner: HandleOwner, holder: string, write: boolean) {
    super(device);
    this.holder = holder;
    this.#owner = owner;
    this.#openedForWriting = write;
    this.#features = this.#featuresNow();
    this.#life = new Lifetime(owner.clock, () => {
      this.#claim = undefined;
      owner.handleEnded(this);
    });
  }

  get writes(): boolean {
    return !this.#features.readOnly;
  }

  get claim(): Claim | undefined {
    return this.#claim;
  }

  override get features(): BlockFeatures {
    return this.#features;
  }

  /** Why it takes no more requests; `undefined` while it does. */
  get closed(): string | undefined {
    return this.#life.closed;
  }

  makeClaim(kind: ClaimKind, key?: string): void {
    const claim = { kind, key: kind === "read-many-write-shared" ? key : undefined };
    this.#owner.checkClaim(this, claim);
    this.#claim = claim;
    this.#claimPhase = "held";
    this.#features = this.#featuresNow();
  }

  releaseClaim(): void {
    this.#claimPhase = "released";
    this.#features = this.#featuresNow();
    this.#dropClaim();
  }

  /** A claim that was released protects the writes in flight until they have settled. */
  #dropClaim(): void {
    if (this.#claimPhase === "released" && this.#inflight === 0) this.#claim = undefined;
  }

  #featuresNow(): BlockFeatures {
    const { features } = this.device;
    const held = this.#claimPhase === "held" ? this.#claim : undefined;
    const writes = this.#openedForWriting || (held !== undefined && claimRules[held.kind].writes);
    return { ...features, readOnly: features.readOnly || !writes };
  }

  openChannel(): MeasuredChannel {
    const channel = new HandleChannel(this.device.openChannel(), this, this.#owner.clock);
    if (this.closed === undefined) this.#life.add(channel);
    else channel.close();
    const totals = [this.#counters, this.#owner.counters];
    return new MeasuringChannel(channel, this.#owner.clock, totals);
  }

  override observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.#life.observe(observer);
  }

  override close(): Promise<void> {
    return this.#life.close("its user closed the handle");
  }

  statistics(): BlockStatistics {
    return this.#counters.snapshot();
  }

  /** For the registry: the device was resized. */
  tell(event: BlockDeviceEvent): void {
    this.#life.tell(event);
  }

  /** For the registry: the device is gone. Resolves when nothing of this handle is in flight. */
  remove(reason: string): Promise<void> {
    return this.#life.close(reason);
  }

  /** For its channels: a request went to the device. */
  submitted(): void {
    this.#inflight++;
  }

  /** For its channels: it settled. */
  settled(): void {
    this.#inflight--;
    this.#dropClaim();
  }

  /** For its channels. */
  channelEnded(channel: HandleChannel): void {
    this.#life.ended(channel);
  }
}

/** A request of a handle. Reused: its settle is made once. */
class HandleRequest {
  settle: BlockSettle | undefined;
  readonly settled: BlockSettle;

  constructor(settled: (request: HandleRequest, error: NvmeofError | undefined) => void) {
    this.settled = (error) => settled(this, error);
  }
}

/** Refuses what the handle does not allow, and forwards the rest. */
class HandleChannel implements BlockChannel {
  readonly #channel: BlockChannel;
  readonly #handle: RegistryHandle;
  readonly #refusals: SettleQueue;
  readonly #idle: HandleRequest[] = [];
  readonly #settled = (request: HandleRequest, error: NvmeofError | undefined): void => {
    const settle = request.settle!;
    request.settle = undefined;
    this.#idle.push(request);
    this.#handle.settled();
    this.#release();
    settle(error);
  };
  #inflight = 0;
  #phase: "open" | "closed" = "open";

  constructor(channel: BlockChannel, handle: RegistryHandle, clock: Clock) {
    this.#channel = channel;
    this.#handle = handle;
    this.#refusals = new SettleQueue(clock, () => this.#release());
  }

  get inflight(): number {
    return this.#inflight;
  }

  submit(request: BlockRequest, settle: BlockSettle): void {
    const closed = this.#handle.closed ?? (this.#phase === "open" ? undefined : CHANNEL_CLOSED);
    const isRefused = closed !== undefined || (changesBlocks(request.op) && !this.#handle.writes);
    // The device checks everything else.
    const target: RequestTarget = this.#handle;
    const refused = isRefused ? checkRequest(request, target, this.#inflight, closed) : undefined;
    this.#inflight++;
    if (refused !== undefined) return this.#refusals.add(settle, refused);
    const own = this.#idle.pop() ?? new HandleRequest(this.#settled);
    own.settle = settle;
    this.#handle.submitted();
    this.#channel.submit(request, own.settled);
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    if (this.#inflight === 0) this.#end();
  }

  #release(): void {
    this.#inflight--;
    if (this.#inflight === 0 && this.#phase === "closed") this.#end();
  }

  #end(): void {
    this.#channel.close();
    this.#handle.channelEnded(this);
  }
}
