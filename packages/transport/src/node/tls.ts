// TLS 1.3 with pre-shared keys on Node: byte streams for hosts and for targets, and nothing else of TLS.
// Read first: NVMe/TCP 1.0 §3.6.1 "Transport Layer Security"; socket-stream.ts for the socket under it, which
// we make ourselves: only that can be reset.

import { Socket } from "node:net";
import {
  type SecureContext,
  TLSSocket,
  type TLSSocketOptions,
  createSecureContext,
  connect as tlsConnect,
} from "node:tls";
import { type NvmeofError, isNvmeofError } from "@nvmeof/codec";
import type { TlsPsk } from "@nvmeof/codec/auth";
import type { Connector, StreamOptions } from "../byte-stream.ts";
import { hostPort } from "../host-port.ts";
import { TlsError } from "../tls-error.ts";
import { SocketStream, type TcpAddress } from "./socket-stream.ts";
import { type Accept, type TcpListenOptions, type TcpListener, listenOn } from "./tcp.ts";
import { hostError, printableIdentity, targetError } from "./tls-explain.ts";
import {
  type FoundPsk,
  type TlsKeyFor,
  type TlsOptions,
  pskForHost,
  pskOfHost,
} from "./tls-keys.ts";

/** The one suite whose hash PSKs have on Node, and that every NVMe/TCP implementation has. */
const SUITE = "TLS_AES_128_GCM_SHA256";
const VERSION = "TLSv1.3";

const HANDSHAKE_TIMEOUT_MS = 5_000;
/** The reason is told this much before whoever waits for the stream gives up, ms. */
const TOLD_BEFORE_MS = 50;

/** No certificates: neither of ours, nor of anybody whom we would trust. */
const newContext = (): SecureContext =>
  createSecureContext({ minVersion: VERSION, maxVersion: VERSION, ciphers: SUITE, ca: [] });

const tooLate = (timeoutMs: number, remote: string, identity: string | undefined): TlsError =>
  new TlsError("timeout", `the TLS handshake with ${remote} was not over in ${timeoutMs} ms`, {
    identity,
    limit: "handshakeTimeoutMs",
    hint: "Does the peer wait for another way to begin, or is it overloaded?",
  });

/** Whether the connection is what it was meant to be: it always is, unless Node has changed. */
const isPinned = (socket: TLSSocket): boolean =>
  socket.getProtocol() === VERSION && socket.getCipher().name === SUITE;

/**
 * A connector by TLS 1.3 with a pre-shared key. No certificate is shown, asked for or believed, no session
 * is resumed, and there is no way back to a connection without TLS.
 */
export function tlsConnector(address: TcpAddress, options: TlsOptions): Connector {
  const remote = hostPort(address.host, address.port);
  const secureContext = newContext();
  const { handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
  return {
    remote,
    security: "tls-1.3",
    connect({ connectTimeoutMs, owner }: StreamOptions, handler) {
      const stream = new SocketStream(remote);
      const raw = new Socket({ allowHalfOpen: false });
      stream.bind(raw);
      stream.handle(handler);
      const byMs = performance.now() + connectTimeoutMs - TOLD_BEFORE_MS;
      let psk: TlsPsk;
      try {
        psk = pskOfHost(options, owner);
      } catch (error) {
        failSoon(stream, error);
        return stream;
      }
      stream.connect(address, connectTimeoutMs, () => {
        const leftMs = Math.max(1, Math.min(handshakeTimeoutMs, byMs - performance.now()));
        shakeHands(stream, raw, { psk, secureContext, timeoutMs: Math.ceil(leftMs) });
      });
      return stream;
    },
  };
}

/** A key that cannot be used ends the connection as the network would. Other errors are bugs. */
function failSoon(stream: SocketStream, error: unknown): void {
  if (!isNvmeofError(error)) throw error;
  queueMicrotask(() => stream.fail(error));
}

/** A PSK for Node, which copies it when the call is over; then nobody needs this one any more. */
function lent(psk: TlsPsk): Uint8Array {
  const secret = psk.reveal();
  setImmediate(() => secret.fill(0));
  return secret;
}

interface HostHandshake {
  readonly psk: TlsPsk;
  readonly secureContext: SecureContext;
  readonly timeoutMs: number;
}

function shakeHands(stream: SocketStream, raw: Socket, handshake: HostHandshake): void {
  const { psk, secureContext, timeoutMs } = handshake;
  const { identity } = psk;
  const { remote } = stream;
  const socket = tlsConnect({
    socket: raw,
    secureContext,
    pskCallback: () => ({ psk: lent(psk), identity }),
    // Nobody is trusted by a certificate, so this is about none: there must be none.
    checkServerIdentity: (_host, { raw: certificate }) =>
      certificate === undefined
        ? undefined
        : new Error("the peer shows a certificate, not the key"),
  });
  const opening = { explain: (error?: Error): NvmeofError => hostError(error, remote, identity) };
  stream.secure(socket, opening, timeoutMs, () => tooLate(timeoutMs, remote, identity));
  socket.once("secureConnect", () => {
    if (isPinned(socket)) open(stream);
    else
      stream.fail(hostError(new Error("another version or suite than agreed"), remote, identity));
  });
}

function open(stream: SocketStream): void {
  if (stream.over) return;
  stream.connected();
  stream.receiveChunks();
}

/** How a target tells hosts apart by their keys. */
export interface TlsListenOptions extends Pick<TcpListenOptions, "connectionsMax"> {
  /**
   * The key of a host for a subsystem, that of discovery included. Both names are a claim until the
   * handshake has succeeded. Whoever it gives no key for is refused.
   */
  readonly keyFor: TlsKeyFor;
  /** Derive identities of version 0 as nvme-cli before 3.0 does; see `TlsDerivation`. Default false. */
  readonly compat?: boolean | undefined;
  /** Time from the connection to the end of the handshake, ms. Default 5 s. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/**
 * Begins to listen for hosts that speak TLS 1.3 with a pre-shared key; others are refused. Connections
 * that come before `Listener.listen` are held. A stream that it accepts is `opened` when the handshake
 * has succeeded, and knows then which names the host has `proven`.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on.
 */
export async function tlsListen(
  address: TcpAddress,
  options: TlsListenOptions,
): Promise<TcpListener> {
  const secureContext = withoutTickets(newContext());
  const listener = await listenOn(address, options.connectionsMax, (socket, remote, accept) =>
    acceptTls(socket, remote, accept, secureContext, options),
  );
  return { ...listener, security: "tls-1.3" };
}

/** What Node's contexts have and its documentation has not: Node 20, 22, 24 and 26 do. */
interface TicketContext {
  enableTicketKeyCallback?: () => void;
  onticketkeycallback?: () => readonly [
    code: number,
    hmac: Buffer,
    aes: Buffer,
    name: Buffer,
    iv: Buffer,
  ];
}

/**
 * Lets a server send no session tickets, which nobody here would resume by, and for which Node has no
 * option. The Linux kernel's host takes the first record after the handshake for a PDU, and goes
 * ("unhandled TLS record 22"). Where a Node has not what it takes, tickets are sent.
 */
function withoutTickets(secureContext: SecureContext): SecureContext {
  const context = secureContext.context as TicketContext;
  context.enableTicketKeyCallback?.();
  const none = Buffer.alloc(16);
  // 0: there is no key to make a ticket with.
  context.onticketkeycallback = () => [0, none, none, none, none];
  return secureContext;
}

function acceptTls(
  raw: Socket,
  remote: string,
  accept: Accept,
  secureContext: SecureContext,
  options: TlsListenOptions,
): void {
  const { keyFor, compat = false, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
  const stream = new SocketStream(remote);
  stream.openingMs = handshakeTimeoutMs;
  stream.bind(raw);
  const handler = accept(stream);
  if (handler === undefined) {
    stream.reset();
    return;
  }
  stream.handle(handler);
  const offer: { identity?: string; found?: FoundPsk | undefined; cause?: unknown } = {};
  const pskCallback = (_socket: TLSSocket, identity: string): Uint8Array | null => {
    offer.identity = identity;
    try {
      offer.found = pskForHost(keyFor, compat, identity);
    } catch (error) {
      offer.cause = error;
    }
    return offer.found === undefined ? null : lent(offer.found.psk);
  };
  // The types of Node know `pskCallback` for a server only.
  const asked = { isServer: true, secureContext, pskCallback } as TLSSocketOptions;
  const socket = new TLSSocket(raw, asked);
  const explain = (error?: Error): NvmeofError =>
    targetError(error, {
      identity: offer.identity,
      known: offer.found !== undefined,
      cause: offer.cause,
    });
  stream.secure(socket, { explain }, handshakeTimeoutMs, () =>
    tooLate(handshakeTimeoutMs, remote, offer.identity && printableIdentity(offer.identity)),
  );
  socket.once("secure", () => {
    if (offer.found === undefined || !isPinned(socket)) {
      stream.fail(explain(new Error("another version or suite than agreed")));
      return;
    }
    stream.proven = offer.found.names;
    open(stream);
  });
}
