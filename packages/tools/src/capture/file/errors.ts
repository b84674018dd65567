// The one error of captures: bytes of a file that cannot be read any further.
// Read first: reader.ts. What is wrong with a packet inside is no error: it is counted, or a verdict.

import { type ErrorDetails, NvmeofError } from "@nvmeof/codec";

/**
 * A capture file ends too early, or is damaged, or is none at all. What came before the damage has
 * been read, and told. `code` is NVME_ERR_CAPTURE.
 */
export class CaptureError extends NvmeofError {
  override readonly name = "CaptureError";
  /** Byte offset in the file of what could not be read. */
  readonly offset: number;

  constructor(offset: number, message: string, details: ErrorDetails = {}) {
    super("NVME_ERR_CAPTURE", `byte ${offset} of the capture: ${message}`, details);
    this.offset = offset;
  }
}
