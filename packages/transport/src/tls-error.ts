// Errors of TLS under a byte stream: what went wrong in a handshake, and whether it would again.
// Read first: NVMe/TCP 1.0 §3.6.1 "Transport Layer Security"; RFC 8446 §6.2 "Error Alerts".

import { type ErrorDetails, NvmeofError } from "@nvmeof/codec";

/** How TLS failed. `code` is `NVME_ERR_` and this in capitals, after "tls-". */
export type TlsFailure =
  | "handshake" // it ended, or broke the protocol, before it was over
  | "hash-unsupported" // a PSK for SHA-384, which this platform cannot use
  | "no-key" // there is no key for these names
  | "not-spoken" // what the peer sends is no TLS
  | "rejected" // the peer refused, for a reason that its alert does not tell
  | "required" // without TLS there is no connection
  | "timeout" // not over in time
  | "unknown-identity" // there is no key for the PSK identity
  | "wrong-key"; // there is one, and it is another

/** What a TLS error has beside what every error has. */
export interface TlsErrorDetails extends ErrorDetails {
  /** PSK identity that the handshake was about, as far as it prints. No secret. */
  readonly identity?: string | undefined;
  /** Number of the alert that ended the handshake. */
  readonly alert?: number | undefined;
}

/** Failures after which the same attempt would fail again, until somebody changes something. */
const finals: ReadonlySet<TlsFailure> = new Set<TlsFailure>([
  "hash-unsupported",
  "no-key",
  "not-spoken",
  "rejected",
  "required",
  "unknown-identity",
  "wrong-key",
]);

/**
 * A TLS handshake failed. After it, TLS that fails is a connection that is lost (`TransportError`).
 *
 * It names the PSK identity, and never a key.
 */
export class TlsError extends NvmeofError {
  override readonly name = "TlsError";
  readonly failure: TlsFailure;
  readonly identity: string | undefined;
  readonly alert: number | undefined;
  /** Another attempt would fare no better. */
  readonly permanent: boolean;

  constructor(failure: TlsFailure, message: string, details: TlsErrorDetails = {}) {
    super(`NVME_ERR_${`tls-${failure}`.toUpperCase().replaceAll("-", "_")}`, message, {
      phase: "tls",
      ...details,
    });
    this.failure = failure;
    this.identity = details.identity;
    this.alert = details.alert;
    this.permanent = finals.has(failure);
  }
}
