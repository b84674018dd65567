// TCP on Node: sockets that read into one buffer for good, connectors and listeners of them.
// Read first: socket-stream.ts for the stream; node-ceilings.md §6 for why `onread`.

import {
  type AddressInfo,
  type OnReadOpts,
  Socket,
  type SocketConstructorOpts,
  createServer,
} from "node:net";
import type {
  ByteStream,
  ByteStreamHandler,
  Connector,
  Listener,
  StreamOptions,
} from "../byte-stream.ts";
import { Region } from "../copy.ts";
import { hostPort } from "../host-port.ts";
import { listening } from "./listening.ts";
import { SocketStream, type TcpAddress } from "./socket-stream.ts";

/** Options of a socket that reads into one buffer for good, which `stream` gets as its region. */
function readingInto(stream: SocketStream, receiveBytes: number): SocketConstructorOpts {
  const region = new Region(new Uint8Array(receiveBytes));
  const callback = (count: number): boolean => {
    stream.received(region, count);
    return true;
  };
  // The types of Node know `onread` for `connect` only.
  return { allowHalfOpen: false, onread: { buffer: region.bytes, callback } } as OnreadOptions;
}

type OnreadOptions = SocketConstructorOpts & { onread: OnReadOpts };

/** A connector to one TCP address; a name is resolved anew for each connection. */
export function tcpConnector(address: TcpAddress): Connector {
  const remote = hostPort(address.host, address.port);
  return {
    remote,
    connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
      const stream = new SocketStream(remote);
      stream.bind(new Socket(readingInto(stream, options.receiveBytes)));
      stream.handle(handler);
      stream.connect(address, options.connectTimeoutMs);
      return stream;
    },
  };
}

/** A TCP listener that is ready: it knows its port, also where port 0 was asked for. */
export interface TcpListener extends Listener {
  readonly address: TcpAddress;
}

/** Limits of a listener. */
export interface TcpListenOptions {
  /** Connections at the same time; more are closed at once. Default 1,024. */
  readonly connectionsMax?: number;
  /**
   * Receive buffer of each connection, allocated once. Default 256 KiB. With 0 the platform brings
   * the chunks, which costs an allocation for each; so it does where Node does not let us choose.
   */
  readonly receiveBytes?: number;
}

const RECEIVE_BYTES = 256 * 1024;

/** After so much silence the kernel asks whether the peer's machine is still there, ms. */
const PROBE_AFTER_MS = 60_000;

/** What the user of a listener makes of each stream. */
export type Accept = (stream: ByteStream) => ByteStreamHandler | undefined;

/**
 * Begins to listen. Connections that come before `Listener.listen` are held.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on.
 */
export function tcpListen(
  address: TcpAddress,
  options: TcpListenOptions = {},
): Promise<TcpListener> {
  const { receiveBytes = RECEIVE_BYTES } = options;
  return listenOn(address, options.connectionsMax, (socket, remote, accept) =>
    acceptSocket(socket, remote, receiveBytes, accept),
  );
}

/** Listens, and hands over each socket, with the address of its peer. */
export async function listenOn(
  address: TcpAddress,
  connectionsMax = 1_024,
  begin: (socket: Socket, remote: string, accept: Accept) => void,
): Promise<TcpListener> {
  const server = createServer({
    allowHalfOpen: false,
    pauseOnConnect: true,
    noDelay: true,
    // For a host that named no Keep Alive Timeout and whose machine is gone: nothing else would tell.
    keepAlive: true,
    keepAliveInitialDelay: PROBE_AFTER_MS,
  });
  server.maxConnections = connectionsMax;
  const early: Socket[] = [];
  let take = (socket: Socket): void => void early.push(socket);
  server.on("connection", (socket) => {
    socket.on("error", ignore);
    take(socket);
  });
  const { host, port } = address;
  await listening(server, { host, port }, hostPort(host, port));
  const bound = server.address() as AddressInfo;
  const local = hostPort(bound.address, bound.port);
  return {
    local,
    address: { host: bound.address, port: bound.port },
    listen(accept) {
      take = (socket) => {
        const { remoteAddress, remotePort } = socket;
        // The peer may be gone between the kernel's accept and ours.
        if (remoteAddress === undefined) socket.destroy();
        else begin(socket, hostPort(remoteAddress, remotePort ?? 0), accept);
      };
      for (const socket of early.splice(0)) take(socket);
    },
    close() {
      server.close();
      for (const socket of early.splice(0)) socket.destroy();
    },
  };
}

/** For what fails before anybody has an interest in it, or in accepting one connection of many. */
const ignore = (): void => {};

interface SocketHandle {
  readonly useUserBuffer?: unknown;
}

/**
 * Moves the connection of an accepted socket to one that reads into a buffer of ours, which
 * `createServer` has no option for. `undefined` where this Node has not what it takes: sockets with
 * a handle that can be given to another, and handles that take a buffer.
 */
function movedTo(socket: Socket, options: SocketConstructorOpts): Socket | undefined {
  const holder = socket as unknown as { _handle?: SocketHandle | null };
  const handle = holder._handle;
  if (typeof handle?.useUserBuffer !== "function") return undefined;
  holder._handle = null;
  const moved = new Socket({ ...options, handle } as SocketConstructorOpts);
  // The server counts its connections by the sockets that it made.
  moved.on("close", () => socket.destroy());
  return moved;
}

function acceptSocket(socket: Socket, remote: string, receiveBytes: number, accept: Accept): void {
  const stream = new SocketStream(remote);
  const moved = receiveBytes > 0 ? movedTo(socket, readingInto(stream, receiveBytes)) : undefined;
  stream.bind(moved ?? socket);
  const handler = accept(stream);
  if (handler === undefined) {
    stream.reset();
    return;
  }
  stream.handle(handler);
  queueMicrotask(() => {
    stream.connected();
    if (moved === undefined) stream.receiveChunks();
  });
}
