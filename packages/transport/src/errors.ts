// Errors of a byte stream, and of a peer that ended the connection.
// Read first: DESIGN.md §4; NVMe/TCP 1.0 §3.5.2 "Fatal Error Handling".

import { type ErrorDetails, NvmeofError, fesName } from "@nvmeof/codec";

/** How a byte stream failed. `code` is `NVME_ERR_` and this in capitals. */
export type TransportFailure =
  | "unreachable" // no connection: refused, no route, unknown host
  | "resource" // this machine has no more sockets, ports or memory for a connection
  | "connect-timeout" // no connection within its deadline
  | "initialize-timeout" // a connection, but no ICResp (or ICReq) in time
  | "connection-lost" // the peer closed or reset, or the network failed
  | "receive-timeout" // the peer began a PDU or owed data, and stopped
  | "send-timeout"; // the peer does not take what we send

/** The byte stream under a queue failed, without anybody breaking the protocol. */
export class TransportError extends NvmeofError {
  override readonly name = "TransportError";
  constructor(failure: TransportFailure, message: string, details: ErrorDetails = {}) {
    super(`NVME_ERR_${failure.toUpperCase().replaceAll("-", "_")}`, message, details);
  }
}

/**
 * The peer sent a TermReq: it holds that we broke the protocol.
 *
 * Source: NVMe/TCP 1.0 §3.6.2.4 and §3.6.2.5.
 */
export class PeerTerminatedError extends NvmeofError {
  override readonly name = "PeerTerminatedError";
  /** Fatal Error Status that the peer gave. */
  readonly fes: number;
  /** Fatal Error Information: offset of the field it objects to. */
  readonly fei: number;
  /** The header that the peer objects to, at most 128 bytes of it. */
  readonly header: Uint8Array;

  constructor(fes: number, fei: number, header: Uint8Array) {
    super(
      "NVME_ERR_PEER_TERMINATED",
      `the peer ended the connection: ${fesName(fes)}, FEI ${fei}`,
      {
        hint: "The peer objects to a PDU of ours; record a trace and compare it with the specification.",
      },
    );
    this.fes = fes;
    this.fei = fei;
    this.header = header;
  }
}

/** This side closed the queue; what was under way ends with it. */
export class ClosedError extends NvmeofError {
  override readonly name = "ClosedError";
  constructor(what: string, details: ErrorDetails = {}) {
    super("NVME_ERR_CLOSED", `${what} is closed`, details);
  }
}
