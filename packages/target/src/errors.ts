// Errors of the API of a target. What a host did wrong is a status to that host, never one of these.
// Read first: limits.ts; Base 2.0 §3.3.3.2.1 "Status Field Definition" for `final`.

import { type ErrorDetails, NvmeofError, scOf, sctOf, statusOf } from "@nvmeof/codec";

/** Why a target refused a call. `code` is `NVME_ERR_` and this in capitals. */
export type TargetFailure =
  | "closed" // the target is closed, or closing
  | "in-use" // the NQN, NSID or port ID is another's
  | "limit-reached" // a bound of `TargetLimits`
  | "not-found"; // no subsystem, namespace or port of that name

/** A call that a target, subsystem or port could not follow. Nothing was changed. */
export class TargetError extends NvmeofError {
  override readonly name = "TargetError";
  constructor(failure: TargetFailure, message: string, details: ErrorDetails = {}) {
    super(`NVME_ERR_${failure.toUpperCase().replaceAll("-", "_")}`, message, details);
  }
}

/** A status with Do Not Retry: the same command would fail again. */
export const final = (status: number): number => statusOf(sctOf(status), scOf(status), true);
