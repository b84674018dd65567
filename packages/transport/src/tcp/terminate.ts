// Ending a connection for a broken rule: TermReq, written and read.
// Read first: NVMe/TCP 1.0 §3.5.2 "Fatal Error Handling", §3.6.2.4 "H2CTermReq", §3.6.2.5 "C2HTermReq".

import {
  PduHeader,
  type PduType,
  type ProtocolError,
  TERM_REQ_DATA_MAX,
  TermReq,
  encode,
} from "@nvmeof/codec";
import { PeerTerminatedError } from "../errors.ts";
import type { SendQueue } from "./send-queue.ts";

/** Appends the TermReq of `type` that tells the peer what it did, with the header it did it in. */
export function sendTermReq(
  out: SendQueue,
  type: PduType,
  error: ProtocolError,
  offending: Uint8Array,
): void {
  const header = offending.subarray(0, TERM_REQ_DATA_MAX);
  const base = out.reserve(TermReq.size);
  encode(TermReq, out.view, base, { fes: error.fes, fei: error.fei >>> 0 });
  PduHeader.type.set(out.view, base, type);
  PduHeader.hlen.set(out.view, base, TermReq.size);
  PduHeader.plen.set(out.view, base, TermReq.size + header.length);
  out.append(header);
}

/** What the peer's TermReq says, once the header that it carries has been received. */
export function readTermReq(view: DataView, base: number, header: Uint8Array): PeerTerminatedError {
  return new PeerTerminatedError(TermReq.fes.get(view, base), TermReq.fei.get(view, base), header);
}
