// Why a device, or a channel to it, takes no more requests, and what those get that it had.
// Read first: multipath-device.ts; DESIGN.md §4 "Close".

import type { NvmeofError, Outcome } from "@nvmeof/codec";
import { AbortedError } from "@nvmeof/core";
import { BlockError } from "../errors.ts";
import { closedError } from "../request-check.ts";
import type { NoPathReason } from "./availability.ts";

/** What has ended. */
export interface DeviceEnd {
  /**
   * - `channel`: its user closed the channel.
   * - `device`: its user closed the device.
   * - `controller`: the last controller that led to it is being closed.
   * - `namespace`: the subsystem does not have it any more.
   * - `changed`: its NSID leads to other data now.
   */
  readonly kind: "channel" | "device" | "controller" | "namespace" | "changed";
  readonly reason: string;
}

/** Whether requests that wait may still be done: their user has closed what he used, and no more. */
export const letsFinish = ({ kind }: DeviceEnd): boolean => kind === "channel" || kind === "device";

/**
 * The error of a request to `name` that is not done because of `end`. Do Not Retry in any case: there
 * is no way left.
 *
 * @param cause what went wrong with it before, if it was sent.
 */
export function endedError(
  name: string,
  { kind, reason }: DeviceEnd,
  outcome: Outcome,
  cause?: NvmeofError,
): NvmeofError {
  const refused = closedError(name, reason);
  const { message, status } = refused;
  if (kind === "changed") return new BlockError("ns-changed", status, outcome, message, { cause });
  if (outcome === "not-sent" && cause === undefined) return refused;
  if (kind === "controller") {
    const ended = new AbortedError("controller-closed", outcome, true, { cause });
    ended.message = message;
    return ended;
  }
  return new BlockError("closed", status, outcome, message, { cause });
}

const becauseOf: Readonly<Record<NoPathReason, string>> = {
  "no-paths": "the namespace has no path left",
  "fast-fail": "no path came back in time",
  "ana-loss": "no path gives access to the namespace",
  frozen: "the device is being reset",
  patience: "no path could be used for too long",
};

/** The error of a request to `name` for want of a path. */
export function noPathError(
  name: string,
  because: NoPathReason,
  outcome: Outcome,
  cause: NvmeofError | undefined,
): AbortedError {
  const error = new AbortedError("no-path", outcome, because === "no-paths", { cause });
  error.message = `${name}: ${becauseOf[because]}`;
  return error;
}
