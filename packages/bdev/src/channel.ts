// A channel to a device of this process: checks, counts and settles; the device does the work.
// Read first: block-device.ts; request-check.ts and settle-queue.ts for the parts.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { BlockChannel, BlockRequest, BlockSettle } from "./block-device.ts";
import { rethrow } from "./observers.ts";
import { CHANNEL_CLOSED, type RequestTarget, checkRequest } from "./request-check.ts";
import { SettleQueue } from "./settle-queue.ts";

/** The device behind a channel. */
export interface ChannelOwner extends RequestTarget {
  /** Why the device takes no more requests; `undefined` while it does. */
  readonly closed: string | undefined;
  /**
   * Does a request that was checked, and calls `finish` or `finishLater` of the channel once for it:
   * `finish` only when `execute` has returned.
   */
  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void;
  /** The channel is closed and nothing of it is in flight. May come again after a late refusal. */
  channelEnded(channel: LocalChannel): void;
}

/** A channel that refuses what cannot be done and hands the rest to its device. */
export class LocalChannel implements BlockChannel {
  readonly #owner: ChannelOwner;
  readonly #clock: Clock;
  readonly #settles: SettleQueue;
  #inflight = 0;
  #phase: "open" | "closed" = "open";

  constructor(owner: ChannelOwner, clock: Clock) {
    this.#owner = owner;
    this.#clock = clock;
    this.#settles = new SettleQueue(clock, () => this.#release());
  }

  get inflight(): number {
    return this.#inflight;
  }

  submit(request: BlockRequest, settle: BlockSettle): void {
    const closed = this.#owner.closed ?? (this.#phase === "open" ? undefined : CHANNEL_CLOSED);
    const refused = checkRequest(request, this.#owner, this.#inflight, closed);
    this.#inflight++;
    if (refused !== undefined) this.#settles.add(settle, refused);
    else this.#owner.execute(this, request, settle);
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    if (this.#inflight === 0) this.#owner.channelEnded(this);
  }

  /** For the device: settles after the current callback, together with others of this turn. */
  finishLater(settle: BlockSettle, error: NvmeofError | undefined): void {
    this.#settles.add(settle, error);
  }

  /** For the device: settles now. Not to be called inside `execute`. */
  finish(settle: BlockSettle, error: NvmeofError | undefined): void {
    this.#release();
    try {
      settle(error);
    } catch (thrown) {
      rethrow(this.#clock, thrown);
    }
  }

  #release(): void {
    this.#inflight--;
    if (this.#inflight === 0 && this.#phase === "closed") this.#owner.channelEnded(this);
  }
}
