// What an error of the file system means to who uses a block device.
// Read first: ../errors.ts; NVM Command Set 1.0 §3.2 for the statuses.

import { type ErrorDetails, NvmeofError, Status } from "@nvmeof/codec";
import { BlockOp } from "../block-device.ts";
import { BlockError } from "../errors.ts";

/** A file cannot serve as a block device. `code` is NVME_ERR_FILE; `cause` is what Node said. */
export class FileDeviceError extends NvmeofError {
  override readonly name = "FileDeviceError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("NVME_ERR_FILE", message, details);
  }
}

/** The error number's name ("ENOSPC"), or "" for an error that is not the system's. */
export const errnoOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

/**
 * The error of a request that the file system did not do. A write that failed may have been done in
 * part, as with any disk; its outcome is `failed` all the same, because nothing of it is pending.
 */
export function requestError(name: string, op: BlockOp, cause: Error): BlockError {
  const message = `${name}: ${cause.message}`;
  switch (errnoOf(cause)) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new BlockError("capacity", Status.CapacityExceeded, "failed", message, { cause });
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return new BlockError("read-only", Status.NamespaceWriteProtected, "failed", message, {
        cause,
      });
    default: {
      const status = readsOnly(op) ? Status.UnrecoveredReadError : Status.WriteFault;
      return new BlockError("media", status, "failed", message, { cause });
    }
  }
}

const readsOnly = (op: BlockOp): boolean =>
  op === BlockOp.Read || op === BlockOp.Compare || op === BlockOp.Verify;
