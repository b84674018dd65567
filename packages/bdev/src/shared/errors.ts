// Errors about threads that share a namespace. What a thread's own controllers meet has errors of its own.
// Read first: attached-worker.ts.

import { type ErrorDetails, NvmeofError } from "@nvmeof/codec";

/** What went wrong between the threads. `code` is `NVME_ERR_` and this in capitals. */
export type WorkerFailure =
  | "worker-gone" // the thread has ended, or let go of the device
  | "worker-stuck" // it does not answer: it is busy, or blocked
  | "limit-reached"; // as many workers, or requests to one of them, as there may be

/** A worker that could not be asked, or did not answer. */
export class WorkerError extends NvmeofError {
  override readonly name = "WorkerError";
  constructor(failure: WorkerFailure, message: string, details: ErrorDetails = {}) {
    super(`NVME_ERR_${failure.toUpperCase().replaceAll("-", "_")}`, message, details);
  }
}
