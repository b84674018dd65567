// What controllers the walk goes through: few enough to be walked whole, and together every cell.
// Read first: reconnect.ts in @nvmeof/core for what the waits mean; walk.ts.

import type { ControllerOptions } from "@nvmeof/core";

/** Options that make a difference to the lifecycle. */
export interface Profile {
  readonly name: string;
  /** Addresses of the controller. */
  readonly addresses: number;
  /** Whether somebody wants commands of unknown outcome fenced before it connects again. */
  readonly fence: "none" | "wanted";
  /**
   * Events fewer than asked for: what it has in common with another profile is walked there.
   * Default 0.
   */
  readonly fewerEvents?: number;
  readonly options: Pick<
    ControllerOptions,
    "reconnect" | "connectTimeoutMs" | "keepAliveTimeoutMs" | "ioTimeoutMs" | "adminTimeoutMs"
  >;
}

/**
 * - `patient`: one address; waits between attempts. Three refusals fit in before the loss timeout; of
 *   two attempts that nobody answers, the second does not. A command expires before keep-alive does.
 * - `one-round`: two addresses and no waits: a first connect has a second attempt, a recovery ends
 *   when both have failed. Keep-alive expires before a command does.
 * - `fenced`: as `patient`, with a fence while an I/O command is in flight. One event fewer: a fence is one
 *   event away from a live controller, and after it all is as in `patient`.
 */
export const profiles: readonly Profile[] = [
  {
    name: "patient",
    addresses: 1,
    fence: "none",
    options: {
      reconnect: { delayMs: 400, delayMaxMs: 400, jitter: 0, fastFailMs: 1_200, lossMs: 1_500 },
      connectTimeoutMs: 1_300,
      keepAliveTimeoutMs: 10_000,
      ioTimeoutMs: 4_000,
      adminTimeoutMs: 4_500,
    },
  },
  {
    name: "one-round",
    addresses: 2,
    fence: "none",
    options: {
      reconnect: { delayMs: 0, jitter: 0, fastFailMs: 0, lossMs: 0 },
      connectTimeoutMs: 1_300,
      keepAliveTimeoutMs: 3_000,
      ioTimeoutMs: 30_000,
      adminTimeoutMs: 30_000,
    },
  },
  {
    name: "fenced",
    addresses: 1,
    fence: "wanted",
    fewerEvents: 1,
    options: {
      reconnect: { delayMs: 400, delayMaxMs: 400, jitter: 0, fastFailMs: 1_200, lossMs: 1_500 },
      connectTimeoutMs: 1_300,
      keepAliveTimeoutMs: 10_000,
      ioTimeoutMs: 4_000,
      adminTimeoutMs: 4_500,
    },
  },
];
