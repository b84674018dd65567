// Quality of service: a device that does no more in a second than it is allowed to.
// Read first: rate-limiter.ts for the rules.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock, Timer } from "@nvmeof/transport";
import type { BlockChannel, BlockDevice, BlockRequest, BlockSettle } from "./block-device.ts";
import { DelegatingDevice } from "./delegate.ts";
import { type RateLimits, RateLimiter } from "./rate-limiter.ts";
import { CHANNEL_CLOSED, type RequestTarget, checkRequest, movesData } from "./request-check.ts";
import { SettleQueue } from "./settle-queue.ts";

/** A device with limits on its rate, for all its channels together. */
export interface LimitedDevice extends BlockDevice {
  /** Replaces all limits at once; `{}` lifts them. Raises `RangeError` for one below its minimum. */
  setLimits(limits: RateLimits): void;
}

/**
 * The same device, limited in its rate. Reads, writes and compares wait in their channel, in order,
 * until a slice of 1 ms has room for them, and channels take turns; other operations do not wait.
 * Raises `RangeError` for a limit below its minimum.
 */
export function limiting(device: BlockDevice, limits: RateLimits, clock: Clock): LimitedDevice {
  return new LimitingDevice(device, limits, clock);
}

class LimitingDevice extends DelegatingDevice implements LimitedDevice {
  readonly #clock: Clock;
  readonly #gate: Gate;

  constructor(device: BlockDevice, limits: RateLimits, clock: Clock) {
    super(device);
    this.#clock = clock;
    this.#gate = new Gate(limits, clock);
    device.observe((event) => {
      // What waits is refused by the device at once, instead of when its turn comes.
      if (event.type === "removed") this.#gate.open();
    });
  }

  setLimits(limits: RateLimits): void {
    this.#gate.setLimits(limits);
  }

  openChannel(): BlockChannel {
    return new LimitedChannel(this.device.openChannel(), this.device, this.#gate, this.#clock);
  }

  override close(): Promise<void> {
    // Opened first: what waits is in flight for whoever submitted it, and shall be done.
    this.#gate.open();
    return this.device.close();
  }
}

/** What channels share: the limiter, the turn-taking and one timer while somebody waits. */
class Gate {
  readonly #limiter: RateLimiter;
  readonly #clock: Clock;
  /** Channels with requests that wait, next in turn first. */
  readonly #waiting: LimitedChannel[] = [];
  #timer: Timer | undefined;
  #wakeMs = 0;
  readonly #wake = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    this.#limiter.advance(nowMs, nowMs - this.#wakeMs);
    this.#takeTurns();
  };

  constructor(limits: RateLimits, clock: Clock) {
    this.#limiter = new RateLimiter(limits, clock.nowMs());
    this.#clock = clock;
  }

  setLimits(limits: RateLimits): void {
    this.#limiter.set(limits);
    this.#takeTurns();
  }

  /** Lets all pass that waits, and everything from now on. */
  open(): void {
    this.setLimits({});
  }

  /** Whether a request may go on at once, ahead of nobody. Channels with others waiting do not ask. */
  admits(request: BlockRequest, bytes: number): boolean {
    if (this.#waiting.length > 0) return false;
    this.#limiter.advance(this.#clock.nowMs());
    return this.#limiter.admit(request.op, bytes);
  }

  /** `channel` has a request that waits, its first. */
  wait(channel: LimitedChannel): void {
    this.#waiting.push(channel);
    this.#arm();
  }

  /** One request of each channel in turn, until nobody's may go on. Who may not keeps its place. */
  #takeTurns(): void {
    for (let i = 0; i < this.#waiting.length;) {
      const channel = this.#waiting[i]!;
      if (!this.#limiter.admit(channel.firstOp, channel.firstBytes)) {
        i++;
        continue;
      }
      this.#waiting.splice(i, 1);
      if (channel.submitFirst()) this.#waiting.push(channel);
    }
    this.#arm();
  }

  /** One timer for all: reads may have to wait while writes do not, and the other way round. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    for (const channel of this.#waiting) {
      this.#wakeMs = Math.min(this.#wakeMs, this.#limiter.readyMs(channel.firstOp));
    }
    this.#timer = this.#clock.at(this.#wakeMs, this.#wake);
  }
}

/** A request of a limited channel. Reused: its settle is made once. */
class LimitedRequest {
  request: BlockRequest | undefined;
  settle: BlockSettle | undefined;
  readonly settled: BlockSettle;

  constructor(settled: (limited: LimitedRequest, error: NvmeofError | undefined) => void) {
    this.settled = (error) => settled(this, error);
  }
}

class LimitedChannel implements BlockChannel {
  readonly #channel: BlockChannel;
  readonly #target: RequestTarget;
  readonly #gate: Gate;
  readonly #refusals: SettleQueue;
  readonly #waiting: LimitedRequest[] = [];
  readonly #idle: LimitedRequest[] = [];
  readonly #settled = (limited: LimitedRequest, error: NvmeofError | undefined): void =>
    this.#settle(limited, error);
  #inflight = 0;
  #closed: string | undefined;

  constructor(channel: BlockChannel, target: RequestTarget, gate: Gate, clock: Clock) {
    this.#channel = channel;
    this.#target = target;
    this.#gate = gate;
    this.#refusals = new SettleQueue(clock, () => this.#release());
  }

  get inflight(): number {
    return this.#inflight;
  }

  /** Of the request that waits longest; there is one whenever the gate asks. */
  get firstOp(): BlockRequest["op"] {
    return this.#waiting[0]!.request!.op;
  }
  get firstBytes(): number {
    return this.#waiting[0]!.request!.data!.length;
  }

  submit(request: BlockRequest, settle: BlockSettle): void {
    // Checked here already: a request that cannot be done must not use up what others may do.
    const refused = checkRequest(request, this.#target, this.#inflight, this.#closed);
    this.#inflight++;
    if (refused !== undefined) return this.#refusals.add(settle, refused);
    const limited = this.#idle.pop() ?? new LimitedRequest(this.#settled);
    limited.request = request;
    limited.settle = settle;
    if (!movesData(request.op)) return this.#forward(limited);
    const isFirst = this.#waiting.length === 0;
    if (isFirst && this.#gate.admits(request, request.data!.length)) return this.#forward(limited);
    this.#waiting.push(limited);
    if (isFirst) this.#gate.wait(this);
  }

  /** Submits the request that waits longest; says whether others wait behind it. */
  submitFirst(): boolean {
    this.#forward(this.#waiting.shift()!);
    return this.#waiting.length > 0;
  }

  close(): void {
    if (this.#closed !== undefined) return;
    this.#closed = CHANNEL_CLOSED;
    if (this.#inflight === 0) this.#channel.close();
  }

  #forward(limited: LimitedRequest): void {
    this.#channel.submit(limited.request!, limited.settled);
  }

  #settle(limited: LimitedRequest, error: NvmeofError | undefined): void {
    const settle = limited.settle!;
    limited.request = undefined;
    limited.settle = undefined;
    this.#idle.push(limited);
    this.#release();
    settle(error);
  }

  #release(): void {
    this.#inflight--;
    if (this.#inflight === 0 && this.#closed !== undefined) this.#channel.close();
  }
}
