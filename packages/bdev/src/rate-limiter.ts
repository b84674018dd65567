// How much may be done in a millisecond: buckets that are refilled slice by slice. Pure but for time.
// Read first: qos.ts. The rules are those of SPDK's generic layer: 1 ms slices, minimums, debts.

import { BlockOp } from "./block-device.ts";

/** Limits of a device. Each that is missing does not limit. */
export interface RateLimits {
  /** Reads, writes and compares a second: 1,000 or more. */
  readonly iosPerSecond?: number | undefined;
  /** Bytes a second, read and written: 1 MiB or more. */
  readonly bytesPerSecond?: number | undefined;
  /** Bytes a second that are read or compared: 1 MiB or more. */
  readonly readBytesPerSecond?: number | undefined;
  /** Bytes a second that are written: 1 MiB or more. */
  readonly writeBytesPerSecond?: number | undefined;
}

/** Length of a slice, ms. */
export const SLICE_MS = 1;

const IOS_PER_SECOND_MIN = 1000;
const BYTES_PER_SECOND_MIN = 1024 * 1024;

/** Slices that are made up for when a timer came late; what is beyond is lost. */
const LATE_SLICES_MAX = 100;

/** What one limit has left in this slice; below zero, what it owes. */
class Bucket {
  readonly #perSlice: number;
  #left: number;

  constructor(perSecond: number) {
    this.#perSlice = (perSecond * SLICE_MS) / 1000;
    this.#left = this.#perSlice;
  }

  get isEmpty(): boolean {
    return this.#left <= 0;
  }

  take(amount: number): void {
    this.#left -= amount;
  }

  /** Slices that have to begin until something is left, 0 or more. */
  get slicesToWait(): number {
    return this.#left > 0 ? 0 : Math.floor(-this.#left / this.#perSlice) + 1;
  }

  /**
   * `slices` began since the last time, and at most `savedMax` of them may be used at once: what is
   * owed is carried over, what was not used is not.
   */
  refill(slices: number, savedMax: number): void {
    const owed = Math.min(0, this.#left);
    this.#left = Math.min(owed + slices * this.#perSlice, savedMax * this.#perSlice);
  }
}

/** Decides whether a request may go on in this slice. */
export class RateLimiter {
  #ios: Bucket | undefined;
  #bytes: Bucket | undefined;
  #readBytes: Bucket | undefined;
  #writeBytes: Bucket | undefined;
  #sliceStartMs: number;

  /** Raises `RangeError` for limits below their minimum. */
  constructor(limits: RateLimits, nowMs: number) {
    this.#sliceStartMs = nowMs;
    this.set(limits);
  }

  /** Replaces all limits, with a fresh slice; what was owed is forgotten. Raises `RangeError`. */
  set(limits: RateLimits): void {
    for (const [name, limit] of Object.entries(limits) as [string, number | undefined][]) {
      const least = name === "iosPerSecond" ? IOS_PER_SECOND_MIN : BYTES_PER_SECOND_MIN;
      if (limit !== undefined && !(limit >= least && limit < Number.POSITIVE_INFINITY)) {
        throw new RangeError(`${name} must be ${least} or more, not ${limit}`);
      }
    }
    const bucket = (limit: number | undefined): Bucket | undefined =>
      limit === undefined ? undefined : new Bucket(limit);
    this.#ios = bucket(limits.iosPerSecond);
    this.#bytes = bucket(limits.bytesPerSecond);
    this.#readBytes = bucket(limits.readBytesPerSecond);
    this.#writeBytes = bucket(limits.writeBytesPerSecond);
  }

  /**
   * Begins the slices that are due. `lateMs` is how long ago somebody who waits should have been
   * woken: only for that is more than one slice given at once.
   */
  advance(nowMs: number, lateMs = 0): void {
    const slices = Math.floor((nowMs - this.#sliceStartMs) / SLICE_MS);
    if (slices < 1) return;
    this.#sliceStartMs += slices * SLICE_MS;
    const savedMax = 1 + Math.min(Math.floor(lateMs / SLICE_MS), LATE_SLICES_MAX);
    this.#ios?.refill(slices, savedMax);
    this.#bytes?.refill(slices, savedMax);
    this.#readBytes?.refill(slices, savedMax);
    this.#writeBytes?.refill(slices, savedMax);
  }

  /** When a request of this kind can be admitted, ms, if no other comes before it. */
  readyMs(op: BlockOp): number {
    const slices = Math.max(
      this.#ios?.slicesToWait ?? 0,
      this.#bytes?.slicesToWait ?? 0,
      this.#ofKind(op)?.slicesToWait ?? 0,
    );
    return this.#sliceStartMs + slices * SLICE_MS;
  }

  /**
   * Takes what a request of `bytes` needs from this slice and says true, or takes nothing and says
   * false. While something is left a request may take more than that, and later slices pay for it.
   */
  admit(op: BlockOp, bytes: number): boolean {
    const ofKind = this.#ofKind(op);
    if (this.#ios?.isEmpty || this.#bytes?.isEmpty || ofKind?.isEmpty) return false;
    this.#ios?.take(1);
    this.#bytes?.take(bytes);
    ofKind?.take(bytes);
    return true;
  }

  #ofKind(op: BlockOp): Bucket | undefined {
    return op === BlockOp.Write ? this.#writeBytes : this.#readBytes;
  }
}
