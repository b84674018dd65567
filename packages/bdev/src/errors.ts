// Errors of block devices: each stands for an NVMe status, so that consumers know one vocabulary.
// Read first: block-device.ts; Base 2.0 §3.3.3.2.1 "Status Field Definition".

import { type ErrorDetails, NvmeofError, type Outcome } from "@nvmeof/codec";

/** Why a block request was not done. `code` is `NVME_ERR_` and this in capitals. */
export type BlockFailure =
  | "out-of-range" // beyond the end of the device
  | "invalid-request" // sizes do not fit, or the device does not support it
  | "read-only"
  | "compare-failure"
  | "media" // the medium below failed
  | "capacity" // the medium below is full
  | "queue-full" // more in flight than `inflightMax`
  | "closed" // the channel or the device is closed
  | "ns-changed"; // what leads to the device leads to other data now

/** A request that a block device did not do. */
export class BlockError extends NvmeofError {
  override readonly name = "BlockError";
  declare readonly status: number;
  declare readonly outcome: Outcome;

  constructor(
    failure: BlockFailure,
    status: number,
    outcome: Outcome,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(`NVME_ERR_${failure.toUpperCase().replaceAll("-", "_")}`, message, {
      ...details,
      status,
      outcome,
    });
  }
}
