// What a controller says of a namespace: Identify and its descriptors, read and checked as one.
// Read first: NVM Command Set 1.0 §4.1.5 "Identify Namespace"; Base 2.0 §5.17.2.3 "Namespace
// Identification Descriptor list".

import {
  type CurrentLbaFormat,
  type Decoded,
  IdentifyNamespace,
  type NamespaceIdentifiers,
  NvmeofError,
  ParseError,
  checkNamespaceSize,
  currentLbaFormat,
  decode,
  decodeNamespaceDescriptors,
  viewOf,
} from "@nvmeof/codec";

/** A namespace as its controller describes it. */
export interface NamespaceFacts {
  readonly nsid: number;
  readonly identify: Decoded<typeof IdentifyNamespace>;
  /** The 4,096 bytes that `identify` was decoded from. */
  readonly identifyBytes: Uint8Array;
  readonly format: CurrentLbaFormat;
  readonly blockCount: number;
  readonly identifiers: NamespaceIdentifiers;
}

/** The structure of an inactive namespace is all zeroes. */
export const describesNamespace = (identifyBytes: Uint8Array): boolean =>
  identifyBytes.some((byte) => byte !== 0);

/** There is no active namespace of this ID on the controller. */
export const noNamespace = (nsid: number, cause?: unknown): NvmeofError =>
  new NvmeofError("NVME_ERR_NO_NAMESPACE", `there is no namespace ${nsid}`, {
    phase: "identify",
    hint: "`nvmeof list` shows those that there are.",
    cause,
  });

/**
 * @param descriptors the Namespace Identification Descriptor list, 4,096 bytes.
 * @throws ParseError for what cannot be.
 */
export function decodeNamespace(
  nsid: number,
  identifyBytes: Uint8Array,
  descriptors: Uint8Array,
): NamespaceFacts {
  const view = viewOf(identifyBytes);
  checkNamespaceSize(view);
  const identify = decode(IdentifyNamespace, view);
  const blockCount = Number(identify.nsze);
  if (!Number.isSafeInteger(blockCount)) {
    const message = `NSZE of ${identify.nsze} blocks is beyond 2^53`;
    throw new ParseError("Identify Namespace", 0, message);
  }
  return {
    nsid,
    identify,
    identifyBytes,
    format: currentLbaFormat(view),
    blockCount,
    identifiers: decodeNamespaceDescriptors(descriptors),
  };
}
