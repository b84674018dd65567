// The one error for Fibre Channel bytes that break the protocol.
// Read first: link-service.ts for what a request is rejected with; FC-NVMe-2 "Link services".

import { NvmeofError } from "../errors.ts";
import type { Field } from "../field.ts";

/** What a link service is rejected with. See `LsReason` and `LsExplanation`. */
export interface LsRejection {
  readonly reason: number;
  readonly explanation: number;
}

/**
 * The peer broke the protocol of Fibre Channel or of FC-NVMe: a frame, a link service or an
 * information unit cannot be meant. What follows is for the layer above: a link service is answered
 * with {@link FcProtocolError.rejection}, an exchange is aborted, and a bad response ends the
 * association, since the two sides may disagree on the queue.
 *
 * It has the code of the `ProtocolError` of NVMe/TCP, `NVME_ERR_PROTOCOL`: they mean the same to
 * whoever is told.
 */
export class FcProtocolError extends NvmeofError {
  override readonly name = "FcProtocolError";
  /** The structure that is wrong, such as "CMD IU". */
  readonly structure: string;
  /** The field that is wrong, as the declaration names it; "length" for the whole. */
  readonly field: string;
  /** Byte offset of the field in the structure; the length received where that is wrong. */
  readonly offset: number;
  /** What to reject a link service with; undefined for what is not a request of one. */
  readonly rejection: LsRejection | undefined;

  constructor(
    structure: string,
    field: string,
    offset: number,
    message: string,
    rejection?: LsRejection,
  ) {
    super("NVME_ERR_PROTOCOL", `${structure}, ${field} at byte ${offset}: ${message}`);
    this.structure = structure;
    this.field = field;
    this.offset = offset;
    this.rejection = rejection;
  }
}

/** The error about one declared field: its name and place are those of the declaration. */
export function badField<L extends object>(
  structure: string,
  layout: L,
  name: keyof L & string,
  message: string,
  rejection?: LsRejection,
): FcProtocolError {
  const { offset } = layout[name] as unknown as Field<never>;
  return new FcProtocolError(structure, name, offset, message, rejection);
}

/** The error about the length of the whole. */
export const badLength = (
  structure: string,
  bytes: number,
  expected: number | string,
  rejection?: LsRejection,
): FcProtocolError =>
  new FcProtocolError(
    structure,
    "length",
    bytes,
    `${bytes} bytes, expected ${expected}`,
    rejection,
  );
