// Entry point of @nvmeof/transport/node: TCP, FC over TCP, and the real clock.

import { channel } from "node:diagnostics_channel";
import { type HostTransportOptions, hostTransport } from "../tcp/host-link.ts";
import type { Transport, TransportRecipe } from "../queue-link.ts";
import { systemClock } from "./clock.ts";
import { type FcTransportOptions, fc } from "./fc.ts";
import type { TcpAddress } from "./socket-stream.ts";
import { tcpConnector } from "./tcp.ts";
import { tlsConnector } from "./tls.ts";
import { type TlsOptions, revealed } from "./tls-keys.ts";

export { systemClock } from "./clock.ts";
export { type FcListener, type FcTransportOptions, fc, fcListen } from "./fc.ts";
export { listening } from "./listening.ts";
export { resetSocket } from "./reset-socket.ts";
export { type TcpAddress } from "./socket-stream.ts";
export { type TcpListenOptions, type TcpListener, tcpConnector, tcpListen } from "./tcp.ts";
export { type TlsListenOptions, tlsConnector, tlsListen } from "./tls.ts";
export { type TlsKeyFor, type TlsOptions, nodeHmac } from "./tls-keys.ts";

/** Where a TCP transport connects to, and what it asks for. */
export type TcpTransportOptions = TcpAddress &
  Omit<HostTransportOptions, "address" | "connector" | "clock"> & {
    /** TLS 1.3 with a pre-shared key. Default: none; with it, nothing is ever sent without. */
    readonly tls?: TlsOptions | undefined;
  };

/** NVMe/TCP to one address. Port 4420 is the usual one for I/O, 8009 for discovery. */
export function tcp(options: TcpTransportOptions): Transport {
  const { host, port, localAddress, tls, ...asked } = options;
  const to = { host, port, ...(localAddress === undefined ? {} : { localAddress }) };
  const over = hostTransport({
    ...asked,
    address: { trtype: "tcp", traddr: host, trsvcid: String(port) },
    connector: tls === undefined ? tcpConnector(to) : tlsConnector(to, tls),
    clock: systemClock,
  });
  const transport: Transport = { ...over, diagnostics: channel };
  const plain = tls === undefined ? {} : { tls: revealed(tls) };
  // A function that finds keys stays in its thread.
  if (typeof tls?.key === "function") return transport;
  return { ...transport, recipe: () => ({ trtype: "tcp", options: { ...options, ...plain } }) };
}

/**
 * The transport that another thread has given the recipe of.
 *
 * @throws TypeError for a kind that is not known here.
 */
export function transportOf({ trtype, options }: TransportRecipe): Transport {
  if (trtype === "tcp") return tcp(options as TcpTransportOptions);
  if (trtype === "fc") return fc(options as FcTransportOptions);
  throw new TypeError(`no transport of kind "${trtype}" is known`);
}
