// TCP on Node as a ByteStream: one receive buffer per socket, writes gathered, reset when it counts.
// Read first: ../byte-stream.ts for the contract; node-ceilings.md §6 for why `onread` and one write.

import {
  type AddressInfo,
  type OnReadOpts,
  type Server,
  Socket,
  type SocketConstructorOpts,
  createServer,
} from "node:net";
import type { NvmeofError } from "@nvmeof/codec";
import type {
  ByteStream,
  ByteStreamHandler,
  Connector,
  Listener,
  StreamOptions,
} from "../byte-stream.ts";
import { Region } from "../copy.ts";
import { TransportError } from "../errors.ts";

/** An address and port to connect to or to listen on. */
export interface TcpAddress {
  /** IP address or host name. */
  readonly host: string;
  readonly port: number;
}

const bracketed = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

const reasonOf = (error: NodeJS.ErrnoException): string => {
  if (error instanceof AggregateError) return eachReason(error.errors as AddressFailure[]);
  return error.code === "ECONNREFUSED" ? "connection refused" : error.message;
};

/** What one of the addresses of a name answered. */
type AddressFailure = NodeJS.ErrnoException & { readonly address?: string };

/** A name stands for several addresses, all of which were tried: each has its own reason. */
function eachReason(failures: readonly AddressFailure[]): string {
  const reasons = new Set(failures.map(reasonOf));
  const addresses = failures.map(({ address }) => address ?? "?");
  if (failures.every(({ code }) => code === "ECONNREFUSED")) {
    return `connection refused (${addresses.join(", ")})`;
  }
  // Others name their address themselves.
  return [...reasons].join("; ");
}

/** What a socket's error means to a person who tries to reach a target. */
function explained(error: NodeJS.ErrnoException, remote: string, connected: boolean): NvmeofError {
  if (connected) {
    return new TransportError("connection-lost", `connection to ${remote} lost: ${error.message}`, {
      cause: error,
    });
  }
  const hints: Record<string, string> = {
    ECONNREFUSED: "Nothing listens there. Is the target running, and on this port?",
    ENOTFOUND: "The name is unknown. Check its spelling, or give an IP address.",
    EAI_AGAIN: "The name server did not answer.",
    EHOSTUNREACH: "There is no route to that host.",
    ENETUNREACH: "There is no route to that network.",
  };
  return new TransportError("unreachable", `cannot reach ${remote}: ${reasonOf(error)}`, {
    phase: "tcp",
    hint: hints[error.code ?? ""],
    cause: error,
  });
}

/** Time that an orderly close may take, ms: a peer that does not read must not keep the socket. */
const CLOSE_LINGER_MS = 5_000;

/** Timers of a socket never keep the process alive: the socket itself does, while there is one. */
const unref = (timer: NodeJS.Timeout): NodeJS.Timeout => timer.unref();

class TcpStream implements ByteStream {
  readonly remote: string;
  #socket!: Socket;
  #handler: ByteStreamHandler | undefined;
  #connected = false;
  #over = false;
  #paused = false;
  #writes = 0;
  /** For the connection, later for an orderly close. */
  #timer: NodeJS.Timeout | undefined;
  readonly #written = (error?: Error | null): void => {
    this.#writes--;
    // A write that failed says so by the end of the stream.
    if (this.#writes === 0 && !this.#over && !error) this.#handler?.drained();
  };

  constructor(remote: string) {
    this.remote = remote;
  }

  bind(socket: Socket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", (error) => this.#end(explained(error, this.remote, this.#connected)));
    // NVMe/TCP has no half-open connections: the peer's FIN is the end.
    socket.on("end", () => this.#end(undefined));
    socket.on("close", () => this.#end(undefined));
  }

  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
  }

  connect(address: TcpAddress, timeoutMs: number): void {
    this.#timer = unref(
      setTimeout(() => {
        this.#end(
          new TransportError(
            "connect-timeout",
            `no connection to ${this.remote} in ${timeoutMs} ms`,
            {
              phase: "tcp",
              hint: "The address does not answer: is it right, and does a firewall drop packets?",
            },
          ),
        );
      }, timeoutMs),
    );
    this.#socket.connect({ ...address, autoSelectFamily: true }, () => this.connected());
  }

  connected(): void {
    if (this.#over) return;
    clearTimeout(this.#timer);
    this.#connected = true;
    this.#handler?.opened();
  }

  received(region: Region, count: number): void {
    if (!this.#over) this.#handler?.received(region, 0, count);
  }

  /** The platform's own chunks, where there is no buffer of ours. */
  receiveChunks(): void {
    this.#socket.on("data", (chunk: Buffer) => this.received(new Region(chunk), chunk.length));
    if (!this.#paused) this.#socket.resume();
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#over || !this.#connected) return;
    this.#writes++;
    const last = pieces.length - 1;
    if (last > 0) this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!);
    this.#socket.write(pieces[last]!, this.#written);
    if (last > 0) this.#socket.uncork();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  close(lingerMs = CLOSE_LINGER_MS): void {
    if (this.#over) return;
    if (!this.#connected) {
      this.reset();
      return;
    }
    this.#silence();
    // Once the kernel has all of it, the rest happens without us, also when the process has ended.
    this.#socket.end(() => this.#socket.unref());
    // What the peer still sends is not for us; without a reader its FIN would not be seen either.
    this.#socket.resume();
    this.#timer = unref(setTimeout(() => this.reset(), lingerMs));
  }

  reset(): void {
    this.#silence();
    if (this.#connected) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** No event follows; what the socket has yet to say concerns nobody. */
  #silence(): void {
    clearTimeout(this.#timer);
    this.#over = true;
    this.#handler = undefined;
  }

  #end(error: NvmeofError | undefined): void {
    const handler = this.#handler;
    this.#silence();
    this.#socket.destroy();
    handler?.ended(error);
  }
}

/** Options of a socket that reads into one buffer for good, which `stream` gets as its region. */
function readingInto(stream: TcpStream, receiveBytes: number): SocketConstructorOpts {
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
  const remote = bracketed(address.host, address.port);
  return {
    remote,
    connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
      const stream = new TcpStream(remote);
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

/**
 * Begins to listen. Connections that come before `Listener.listen` are held.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on.
 */
export async function tcpListen(
  address: TcpAddress,
  options: TcpListenOptions = {},
): Promise<TcpListener> {
  const server = createServer({ allowHalfOpen: false, pauseOnConnect: true, noDelay: true });
  server.maxConnections = options.connectionsMax ?? 1_024;
  const { receiveBytes = RECEIVE_BYTES } = options;
  const early: Socket[] = [];
  let take = (socket: Socket): void => void early.push(socket);
  server.on("connection", (socket) => {
    socket.on("error", ignore);
    take(socket);
  });
  await listening(server, address);
  const bound = server.address() as AddressInfo;
  const local = bracketed(bound.address, bound.port);
  return {
    local,
    address: { host: bound.address, port: bound.port },
    listen(accept) {
      take = (socket) => acceptSocket(socket, receiveBytes, accept);
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

function listening(server: Server, { host, port }: TcpAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => {
      const taken = error.code === "EADDRINUSE";
      reject(
        new TransportError("unreachable", `cannot listen on ${bracketed(host, port)}`, {
          hint: taken
            ? "The port is in use. Choose another, or 0 for any free one."
            : error.message,
          cause: error,
        }),
      );
    };
    server.once("error", refuse);
    server.listen({ host, port }, () => {
      server.off("error", refuse);
      server.on("error", ignore);
      resolve();
    });
  });
}

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

function acceptSocket(
  socket: Socket,
  receiveBytes: number,
  accept: (stream: ByteStream) => ByteStreamHandler | undefined,
): void {
  const { remoteAddress, remotePort } = socket;
  // The peer may be gone between the kernel's accept and ours.
  if (remoteAddress === undefined) {
    socket.destroy();
    return;
  }
  const stream = new TcpStream(bracketed(remoteAddress, remotePort ?? 0));
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
