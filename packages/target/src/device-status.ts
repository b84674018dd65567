// What a host is told of an error of a device: the status of its command.
// Read first: Base 2.3 §4.2.3 "Status Field Definition", CRD; io.ts answers with it.

import { type NvmeofError, Status, codeOf, crdOf } from "@nvmeof/codec";
import type { Controller } from "./controller.ts";

/** CRD in a packed status. */
const CRD_MASK = 3 << 11;

/** With a delay (CRD) only where the host knows of such, and where it stands for a time. */
export function statusOfDevice(
  error: NvmeofError,
  { context, features }: Pick<Controller, "context" | "features">,
): number {
  const status = statusOfError(error);
  const crd = crdOf(status);
  if (crd === 0) return status;
  const told = features.knowsRetryDelays && context.retryDelaysMs[crd - 1] !== undefined;
  return told ? status : status & ~CRD_MASK;
}

/** Statuses that only hosts may make become one of ours. */
function statusOfError(error: NvmeofError): number {
  const status = error.status ?? Status.InternalError;
  switch (codeOf(status)) {
    case Status.Success:
      return Status.InternalError;
    case Status.HostPathError:
    case Status.HostAborted:
      return Status.InternalPathError;
    default:
      return status;
  }
}
