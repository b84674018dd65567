// Ports where something else than an NVMe/TCP target answers, as people meet them when they mistype a port.
// Read first: target.ts.

import { type RawServer, rawServer } from "./target.ts";

/** An alert of TLS 1.2: fatal, record overflow. What a TLS server says to anything but a ClientHello. */
const TLS_ALERT = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x16]);

const HTTP_ANSWER = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

const kinds = {
  /** Answers what it does not understand, and closes. */
  http: (socket) => socket.once("data", () => socket.end(HTTP_ANSWER)),
  /** Says who it is before it is asked. */
  ssh: (socket) => socket.write("SSH-2.0-OpenSSH_9.9\r\n"),
  tls: (socket) => socket.once("data", () => socket.end(TLS_ALERT)),
  nbd: (socket) => socket.write("NBDMAGICIHAVEOPT\u0000\u0003"),
  /** Takes everything and says nothing. */
  silent: (socket) => socket.resume(),
  /** Goes at once. */
  closing: (socket) => socket.end(),
} satisfies Record<string, Parameters<typeof rawServer>[0]>;

export type StrangerKind = keyof typeof kinds;

/** Starts one on the loopback. */
export const stranger = (kind: StrangerKind): Promise<RawServer> => rawServer(kinds[kind]);
