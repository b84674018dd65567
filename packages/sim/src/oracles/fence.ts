// How long a write can still take effect after its user was told that nobody knows: out of the options.
// Read first: reliability-anchors.md §1.3; bdev/src/nvme/controller-path.ts, fenceMs; register.ts.

import type { Fencing } from "@nvmeof/bdev/nvme";

/**
 * What a user may rely on when a request of his has settled.
 *
 * A write whose outcome is unknown may still take effect: until the controller that has it must have
 * noticed that its host is gone, and the disk has done what it had by then.
 */
export interface Fence {
  /** Time after settling for which a write of unknown outcome may take effect, ms. */
  readonly lateMs: number;
  /**
   * `fenced`: a write that succeeded takes no effect any more. `risked` (fencing "none", or a user who does
   * not wait for a controller that promises no quiesce time): copies of it that were sent before may, for
   * `lateMs`.
   */
  readonly success: "fenced" | "risked";
}

/**
 * What has shaken a fence. Where time is what lets a write go again, a target or a disk that stood still may
 * have an earlier copy of it yet. Where a reset has done so, or a new incarnation, none is left, however
 * long anything stood still.
 */
export interface Shaken {
  /** Whether the target or the disk stood still while the request was open. */
  stood: "never" | "once";
  /** Whether a fence of its group was released by time alone meanwhile. */
  waited: "never" | "once";
}

/** Of a request that begins now. @param stands whether the target or the disk stands still as it begins. */
export const unshaken = (stands: boolean): Shaken => ({
  stood: stands ? "once" : "never",
  waited: "never",
});

/** Whether copies that were sent before may take effect after the success of a request. */
export const isRisked = ({ success }: Fence, { stood, waited }: Shaken): boolean =>
  success === "risked" || (stood === "once" && waited === "once");

/** What a fence follows from. */
export interface FenceFacts {
  readonly fencing: Fencing;
  /** What the host does where the target promises no quiesce time. Default "wait". */
  readonly withoutQuiesceTime?: "wait" | "retry" | undefined;
  /** CQT of the controllers, ms; 0 for no promise. Default 0. */
  readonly quiesceMs?: number | undefined;
  /** KATO of the controllers, ms; 0 for none. */
  readonly keepAliveTimeoutMs: number;
  /** The target rounds KATO up to a multiple of this, ms. */
  readonly keepAliveGranularityMs: number;
  /** Whether any command counts as a sign of life. */
  readonly trafficKeepAlive: boolean;
  readonly ioTimeoutMs: number;
  /**
   * Longest time that a request is in the disk, ms. Fencing by time holds only where this is not more
   * than KATO and CQT together.
   */
  readonly diskMs: number;
}

const SLACK_MS = 100;

/** The fence that a plan must give its users. */
export function fenceOf(facts: FenceFacts): Fence {
  const { fencing, keepAliveTimeoutMs, keepAliveGranularityMs, diskMs, ioTimeoutMs } = facts;
  const { withoutQuiesceTime = "wait", quiesceMs = 0 } = facts;
  const isBold = fencing === "none" || (withoutQuiesceTime === "retry" && quiesceMs === 0);
  const success = isBold ? "risked" : "fenced";
  if (keepAliveTimeoutMs === 0) return { lateMs: Infinity, success };
  const katoMs = Math.ceil(keepAliveTimeoutMs / keepAliveGranularityMs) * keepAliveGranularityMs;
  const noticedMs = (facts.trafficKeepAlive ? 3 : 2) * katoMs;
  // A request that its user gave up is left to a connection that lives on: silent, it is lost only when
  // neither the command nor its Abort are answered in time.
  return { lateMs: 2 * ioTimeoutMs + noticedMs + diskMs + SLACK_MS, success };
}

/** Volumes whose target or disk stands still, each as often as there is a reason for it. */
export class Standstill {
  readonly #volumes: number[] = [];

  has(volume: number): boolean {
    return this.#volumes.includes(volume);
  }

  begin(volume: number): void {
    this.#volumes.push(volume);
  }

  end(volume: number): void {
    const at = this.#volumes.indexOf(volume);
    if (at !== -1) this.#volumes.splice(at, 1);
  }
}
