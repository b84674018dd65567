// What a handshake of Node's TLS ended with, in words and as one of our failures.
// Read first: ../tls-error.ts; RFC 8446 §6.2 for alerts. Errors of OpenSSL are recognised by their codes.

import { TlsError, type TlsErrorDetails } from "../tls-error.ts";

/** An error of Node's TLS. */
export type SslError = Error & { readonly code?: string; readonly reason?: string };

/** What OpenSSL says of bytes that are no TLS record. */
const notTls: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_HTTP_REQUEST",
  "ERR_SSL_HTTPS_PROXY_REQUEST",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_RECORD_LAYER_FAILURE",
]);

const UNKNOWN_PSK_IDENTITY = 115;
/** Decrypt Error, and Illegal Parameter, which OpenSSL before 3.2 says in its place. */
const wrongKeyAlerts: ReadonlySet<number> = new Set([51, 47]);

const alertNames: Readonly<Record<number, string>> = {
  10: "unexpected message",
  40: "handshake failure",
  47: "illegal parameter",
  50: "decode error",
  51: "decrypt error",
  70: "protocol version",
  71: "insufficient security",
  80: "internal error",
  109: "missing extension",
  115: "unknown PSK identity",
  116: "certificate required",
};

/** The number of the alert that the peer sent; `undefined` for another error. */
function alertOf(error: SslError): number | undefined {
  const [, number] = /SSL alert number (\d+)/.exec(error.message) ?? [];
  return number === undefined ? undefined : Number(number);
}

const alertText = (alert: number): string => `${alertNames[alert] ?? "alert"} (alert ${alert})`;

/** Text of a peer, as far as it prints. */
export const printableIdentity = (identity: string): string =>
  identity.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd").slice(0, 512);

/** Why it ended, where neither side said so in TLS. */
const reasonOf = ({ reason, message }: SslError): string => reason ?? message;

/** What a host learns of a handshake that ended. */
export function hostError(error: SslError | undefined, remote: string, identity: string): TlsError {
  const about: TlsErrorDetails = { identity, cause: error };
  const alert = error === undefined ? undefined : alertOf(error);
  if (alert !== undefined) return hostAlert(alert, remote, about);
  if (error?.code !== undefined && notTls.has(error.code)) {
    return new TlsError("not-spoken", `${remote} does not speak TLS at this port`, {
      ...about,
      hint: "Is TLS set up for this port of the target? Nothing of NVMe was sent in clear.",
    });
  }
  const how = error === undefined ? "the connection was closed" : reasonOf(error);
  return new TlsError("handshake", `no TLS connection to ${remote}: ${how}; identity ${identity}`, {
    ...about,
    hint:
      "Has the target the same key for this identity? One of Linux says nothing if not, but in its log. " +
      "Keys that nvme-cli 2 has set up are derived in another way (compat).",
  });
}

function hostAlert(alert: number, remote: string, about: TlsErrorDetails): TlsError {
  const message = `${remote} refused the TLS handshake: ${alertText(alert)}; identity ${about.identity}`;
  if (wrongKeyAlerts.has(alert)) {
    const hint = "The target has another key for this identity, or derives it in another way.";
    return new TlsError("wrong-key", message, { ...about, alert, hint });
  }
  const failure = alert === UNKNOWN_PSK_IDENTITY ? "unknown-identity" : "rejected";
  const hint = "Has the target a key for this identity, letter by letter, and for SHA-256?";
  return new TlsError(failure, message, { ...about, alert, hint });
}

/** What a target knows of a handshake that ended. */
export interface Offer {
  /** The last identity that the host offered; `undefined` if it offered none. */
  readonly identity: string | undefined;
  /** Whether there is a key for it. */
  readonly known: boolean;
  /** What the search for the key raised. */
  readonly cause: unknown;
}

/** What a target learns of a handshake that ended. */
export function targetError(error: SslError | undefined, offer: Offer): TlsError {
  // An identity without a letter is none; whether it is asked about at all, Nodes differ.
  const identity = offer.identity ? printableIdentity(offer.identity) : undefined;
  const about: TlsErrorDetails = { identity, cause: offer.cause ?? error };
  const alert = error === undefined ? undefined : alertOf(error);
  if (alert !== undefined) {
    const message = `the host refused the TLS handshake: ${alertText(alert)}`;
    return new TlsError("rejected", message, { ...about, alert });
  }
  if (error?.code !== undefined && notTls.has(error.code)) {
    return new TlsError("not-spoken", "the host does not speak TLS", about);
  }
  if (identity === undefined) {
    const how = error === undefined ? "the connection was closed" : reasonOf(error);
    return new TlsError("handshake", `the TLS handshake was not begun with a key: ${how}`, about);
  }
  if (!offer.known) {
    return new TlsError("unknown-identity", `there is no key for the identity ${identity}`, about);
  }
  if (error?.code === "ERR_SSL_BINDER_DOES_NOT_VERIFY") {
    return new TlsError(
      "wrong-key",
      `the host has another key for the identity ${identity}`,
      about,
    );
  }
  const how = error === undefined ? "the connection was closed" : reasonOf(error);
  return new TlsError("handshake", `the TLS handshake ended: ${how}`, about);
}
