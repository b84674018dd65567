// An error of FC-NVMe that is no breach of the protocol: a link service was rejected.
// Read first: FC-NVMe-2 §5 "LS_RJT".

import { NvmeofError } from "@nvmeof/codec";

/** The target rejected the association, or the connection of a queue. */
export class FcRejectedError extends NvmeofError {
  override readonly name = "FcRejectedError";
  /** Reason code; see `LsReason` of `@nvmeof/codec/fc`. */
  readonly reason: number;

  constructor(ls: string, reason: number, text: string) {
    super("NVME_ERR_FC_REJECTED", `${ls}: the port rejected it: ${text}`, {
      hint: "The port may be short of resources, or this host may not be welcome there.",
      phase: "initialize",
    });
    this.reason = reason;
  }
}
