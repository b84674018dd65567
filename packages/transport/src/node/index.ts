// Entry point of @nvmeof/transport/node: TCP, FC over TCP, and the real clock.

import { type HostTransportOptions, hostTransport } from "../tcp/host-link.ts";
import type { Transport } from "../queue-link.ts";
import { systemClock } from "./clock.ts";
import { type TcpAddress, tcpConnector } from "./tcp.ts";

export { systemClock } from "./clock.ts";
export { type FcListener, type FcTransportOptions, fc, fcListen } from "./fc.ts";
export {
  type TcpAddress,
  type TcpListenOptions,
  type TcpListener,
  tcpConnector,
  tcpListen,
} from "./tcp.ts";

/** Where a TCP transport connects to, and what it asks for. */
export type TcpTransportOptions = TcpAddress &
  Omit<HostTransportOptions, "address" | "connector" | "clock">;

/** NVMe/TCP to one address. Port 4420 is the usual one for I/O, 8009 for discovery. */
export function tcp(options: TcpTransportOptions): Transport {
  const { host, port, ...asked } = options;
  return hostTransport({
    ...asked,
    address: { trtype: "tcp", traddr: host, trsvcid: String(port) },
    connector: tcpConnector({ host, port }),
    clock: systemClock,
  });
}
