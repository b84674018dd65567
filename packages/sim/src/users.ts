// Users of block devices: streams of requests, and the habits that make trouble.
// Read first: plan.ts UserPlan; @nvmeof/bdev block-device.ts for the contract that they rely on.

import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  splitting,
} from "@nvmeof/bdev";
import { MultipathChannel, type MultipathDevice } from "@nvmeof/bdev/nvme";
import type { NvmeofError } from "@nvmeof/codec";
import type { Timer } from "@nvmeof/transport";
import { BLOCK_BYTES, type Mix, type UserPlan } from "./plan.ts";
import type { SimRandom } from "./random.ts";
import type { SimGroup } from "./sim-host.ts";

/** A request of a user, from its submission on. */
export interface Entry {
  /** Unique in the run, from 1. */
  readonly id: number;
  readonly user: User;
  readonly device: BlockDevice;
  readonly request: BlockRequest;
  readonly submittedMs: number;
  /** When its user gave it up; undefined if he did not. */
  abortedMs: number | undefined;
}

/** What users tell, and need of, their world. */
export interface UserWorld {
  /** The next free number of a request. */
  nextId(): number;
  /** Fills the data of a write with what tells it from every other, and notes that it begins. */
  submitting(entry: Entry): void;
  /** A request settled; called for every time that it does. */
  settled(entry: Entry, error: NvmeofError | undefined): void;
  /** Its `submit` has returned. */
  returned(entry: Entry): void;
  /** A buffer that is watched. */
  takeBuffer(bytes: number): Uint8Array;
  /** A user gave up a request of his. */
  aborting(entry: Entry): void;
  /** Time for which nobody can know what became of a write of unknown outcome, ms. */
  unknownMs(group: SimGroup): number;
}

/** How long a restless user keeps a channel, in requests. */
const RESTLESS_REQUESTS = 12;
/** How long a clinging user submits to a device that is gone, in requests. */
const CLINGING_REQUESTS = 3;

export class User {
  readonly index: number;
  readonly plan: UserPlan;
  readonly group: SimGroup;
  readonly #world: UserWorld;
  /** Of requests: number n is the same whenever it comes. */
  readonly #content: SimRandom;
  /** Of pauses. */
  readonly #timing: SimRandom;
  #device: MultipathDevice | undefined;
  #channel: BlockChannel | undefined;
  #left: number;
  #inflight = 0;
  #onChannel = 0;
  /** Requests that he still submits to a device that is gone. */
  #clings = 0;
  readonly #timers = new Set<Timer>();
  #phase: "working" | "stopped" = "working";

  constructor(world: UserWorld, group: SimGroup, plan: UserPlan, index: number, random: SimRandom) {
    this.#world = world;
    this.group = group;
    this.plan = plan;
    this.index = index;
    this.#content = random.fork("content");
    this.#timing = random.fork("timing");
    this.#left = plan.requests;
  }

  /** Requests that have not settled. */
  get inflight(): number {
    return this.#inflight;
  }

  /** Requests that he still means to submit. */
  get left(): number {
    return this.#left;
  }

  get device(): MultipathDevice | undefined {
    return this.#device;
  }

  /** Begins, as soon as there is a device. */
  start(): void {
    for (let at = 0; at < this.plan.depth; at++) this.#pause();
  }

  /** Submits so many requests from now on, and no more. */
  limit(requests: number): void {
    this.#left = requests;
    if (requests === 0) this.#cancel();
  }

  /** Begins again after a limit of none. */
  resume(): void {
    if (this.#phase === "stopped") return;
    this.#cancel();
    this.start();
  }

  /** Does nothing any more; what is in flight settles. */
  stop(): void {
    this.#phase = "stopped";
    this.#left = 0;
    this.#cancel();
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** One request at once, if there is a device: from inside somebody's callback. */
  poke(): void {
    if (this.#phase === "working" && this.#left > 0) this.#submit();
  }

  /** A device came, or one went. */
  deviceChanged(device: MultipathDevice, what: "added" | "removed"): void {
    if (device.nsid !== this.plan.nsid) return;
    if (what === "removed" && device === this.#device && this.plan.manner === "clinging") {
      this.#clings = CLINGING_REQUESTS;
    }
  }

  #cancel(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #pause(): void {
    if (this.#phase === "stopped" || this.#left <= 0) return;
    const { clock } = this.group.host;
    const { pauseMs } = this.plan;
    // Coarse: an exponential of whole ms without floating point functions that may differ.
    const ms = this.#timing.below(pauseMs) + (this.#timing.oneIn(8) ? pauseMs * 3 : 0);
    const timer = clock.at(clock.nowMs() + ms, () => {
      this.#timers.delete(timer);
      this.#submit();
    });
    this.#timers.add(timer);
  }

  /** The channel for the next request; none while there is no device. */
  #open(): BlockChannel | undefined {
    const current = this.group.device(this.plan.nsid);
    if (this.#clings > 0 && this.#channel !== undefined) {
      this.#clings--;
      return this.#channel;
    }
    const isDue = this.plan.manner === "restless" && this.#onChannel >= RESTLESS_REQUESTS;
    if (current !== this.#device || isDue) {
      this.#channel?.close();
      this.#channel = undefined;
      this.#device = current;
    }
    if (this.#channel === undefined && current !== undefined) {
      // Who gives requests up has to have the channel that they are on; all others may ask for any size.
      const { clock } = this.group.host;
      const device = this.plan.abortOneIn > 0 ? current : splitting(current, { clock });
      this.#channel = device.openChannel();
      this.#onChannel = 0;
    }
    return this.#channel;
  }

  #submit(): void {
    if (this.#phase === "stopped" || this.#left <= 0) return;
    const channel = this.#open();
    if (channel === undefined) {
      this.#pause();
      return;
    }
    this.#left--;
    this.#onChannel++;
    this.#inflight++;
    const entry: Entry = {
      id: this.#world.nextId(),
      user: this,
      device: this.#device!,
      request: this.#request(),
      submittedMs: this.group.host.clock.nowMs(),
      abortedMs: undefined,
    };
    this.#world.submitting(entry);
    channel.submit(entry.request, (error) => this.#settled(entry, error));
    this.#world.returned(entry);
    const { abortOneIn } = this.plan;
    if (abortOneIn > 0 && this.#content.oneIn(abortOneIn)) this.#abortLater(entry, channel);
  }

  #settled(entry: Entry, error: NvmeofError | undefined): void {
    this.#inflight--;
    this.#world.settled(entry, error);
    const unknown = error?.outcome === "unknown" && changes(entry.request);
    if (unknown && this.plan.afterUnknown === "waits")
      this.#after(this.#world.unknownMs(this.group));
    else if (this.plan.next === "at-once" && this.#timing.oneIn(2)) this.#submit();
    else this.#pause();
  }

  #after(ms: number): void {
    if (this.#phase === "stopped") return;
    const { clock } = this.group.host;
    const timer = clock.at(clock.nowMs() + ms, () => {
      this.#timers.delete(timer);
      this.#pause();
    });
    this.#timers.add(timer);
  }

  #abortLater(entry: Entry, channel: BlockChannel): void {
    const { clock } = this.group.host;
    const timer = clock.at(clock.nowMs() + this.#timing.below(3) * this.#timing.below(500), () => {
      this.#timers.delete(timer);
      if (!(channel instanceof MultipathChannel)) return;
      this.#world.aborting(entry);
      channel.abort(entry.request);
    });
    this.#timers.add(timer);
  }

  #request(): BlockRequest {
    const { firstLba, blockCount, blocksMax, mix, fuaOneIn } = this.plan;
    const random = this.#content;
    const op = pickOp(mix, random);
    if (op === BlockOp.Flush) return { op, lba: 0, blockCount: 0, data: undefined };
    const blocks = 1 + random.below(Math.min(blocksMax, blockCount));
    const lba = firstLba + random.below(blockCount - blocks + 1);
    const moves = op === BlockOp.Read || op === BlockOp.Write || op === BlockOp.Compare;
    const data = moves ? this.#world.takeBuffer(blocks * BLOCK_BYTES) : undefined;
    const fua = fuaOneIn > 0 && random.oneIn(fuaOneIn);
    return { op, lba, blockCount: blocks, data, ...(fua ? { fua } : {}) };
  }
}

/** Whether a request changes what blocks hold. */
export const changes = ({ op }: BlockRequest): boolean =>
  op === BlockOp.Write || op === BlockOp.WriteZeroes || op === BlockOp.Deallocate;

function pickOp(mix: Mix, random: SimRandom): BlockOp {
  const { read, write, flush, writeZeroes, compare, deallocate, verify } = mix;
  const shares: readonly (readonly [BlockOp, number])[] = [
    [BlockOp.Read, read],
    [BlockOp.Write, write],
    [BlockOp.Flush, flush],
    [BlockOp.WriteZeroes, writeZeroes],
    [BlockOp.Compare, compare],
    [BlockOp.Deallocate, deallocate],
    [BlockOp.Verify, verify],
  ];
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  let at = random.below(total);
  for (const [op, share] of shares) {
    if (at < share) return op;
    at -= share;
  }
  return BlockOp.Read;
}
