// Where NBD clients come in: a TCP port, or a Unix socket that is its owner's alone.
// Read first: nbd-stream.ts for what is made of them; ../nbd/server.ts takes them.

import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import type { TlsOptions } from "node:tls";
import {
  type ByteStream,
  type ByteStreamHandler,
  type Listener,
  hostPort,
} from "@nvmeof/transport";
import { listening } from "@nvmeof/transport/node";
import type { NbdAddress } from "../nbd/uri.ts";
import { NbdSocketStream } from "./nbd-stream.ts";
import { listenAtPath } from "./unix-socket.ts";

/** How a listener is set up. */
export interface NbdListenOptions {
  /** What `node:tls` takes for a server: `cert`, `key`, `ca`, `requestCert`. Without it there is no TLS. */
  readonly tls?: TlsOptions | undefined;
}

/** A listener that is ready: it knows its port, also where port 0 was asked for. */
export interface NbdListener extends Listener {
  readonly address: NbdAddress;
}

/** Connections that the kernel holds for us, and that we hold before somebody listens. */
const EARLY_MAX = 64;

/** A client whose machine has gone without a word is noticed by the kernel after this, and then some. */
const KEEP_ALIVE_MS = 60_000;

const ignore = (): void => {};

/**
 * Begins to listen. Clients that come before `Listener.listen` are held. A Unix socket can be used by
 * its owner alone; one that nobody listens on any more is taken over, and ours goes at the end.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on.
 */
export async function nbdListen(
  address: NbdAddress,
  options: NbdListenOptions = {},
): Promise<NbdListener> {
  const server = createServer({ pauseOnConnect: true, noDelay: true });
  const early: Socket[] = [];
  let take = (socket: Socket): void => {
    if (early.length < EARLY_MAX) early.push(socket);
    else socket.destroy();
  };
  server.on("connection", (socket) => {
    socket.on("error", ignore);
    take(socket);
  });
  const bound =
    "socket" in address ? await atPath(server, address.socket) : await atPort(server, address);
  let count = 0;
  return {
    local: nameOf(bound),
    address: bound,
    listen(accept) {
      take = (socket) =>
        acceptSocket(socket, remoteOf(socket, bound, ++count), options.tls, accept);
      for (const socket of early.splice(0)) take(socket);
    },
    close() {
      server.close();
      for (const socket of early.splice(0)) socket.destroy();
    },
  };
}

const nameOf = (address: NbdAddress): string =>
  "socket" in address ? address.socket : hostPort(address.host, address.port);

/** Who a client is; those of a Unix socket have no name, and are numbered. */
function remoteOf(socket: Socket, at: NbdAddress, count: number): string {
  const { remoteAddress, remotePort } = socket;
  if ("socket" in at) return `${at.socket} (client ${count})`;
  return hostPort(remoteAddress ?? "?", remotePort ?? 0);
}

function acceptSocket(
  socket: Socket,
  remote: string,
  tls: TlsOptions | undefined,
  accept: (stream: ByteStream) => ByteStreamHandler | undefined,
): void {
  if (socket.destroyed) return;
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const stream = new NbdSocketStream(socket, remote, tls);
  const handler = accept(stream);
  if (handler === undefined) stream.reset();
  else stream.handle(handler);
}

async function atPort(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<NbdAddress> {
  await listening(server, { host, port }, hostPort(host, port));
  const bound = server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}

async function atPath(server: Server, path: string): Promise<NbdAddress> {
  await listenAtPath(server, path);
  return { socket: path };
}
