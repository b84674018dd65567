// A socket of Node, over TCP or a path, as the stream of an NBD client; encrypted from some moment on.
// Read first: @nvmeof/transport byte-stream.ts for the contract; ../nbd/connection.ts for `startTls`.

import type { Socket } from "node:net";
import { type TlsOptions, createServer as createTlsServer } from "node:tls";
import type { NvmeofError } from "@nvmeof/codec";
import { type ByteStreamHandler, Region, TransportError } from "@nvmeof/transport";
import { resetSocket } from "@nvmeof/transport/node";
import type { NbdStream } from "../nbd/connection.ts";

/** Time that an orderly close may take, ms: a client that does not read must not keep the socket. */
const CLOSE_LINGER_MS = 5_000;

export class NbdSocketStream implements NbdStream {
  readonly remote: string;
  readonly startTls: ((ready: (error: NvmeofError | undefined) => void) => void) | undefined;
  /** What the kernel has, and what is spoken over: the same until there is TLS. */
  readonly #raw: Socket;
  #socket: Socket;
  #handler: ByteStreamHandler | undefined;
  #phase: "new" | "open" | "over" = "new";
  #writes = 0;
  #linger: NodeJS.Timeout | undefined;
  readonly #written = (error?: Error | null): void => {
    this.#writes--;
    // A write that failed says so by the end of the stream.
    if (this.#writes === 0 && this.#phase === "open" && !error) this.#handler?.drained();
  };

  /** @param tls without it there is no `startTls`. */
  constructor(socket: Socket, remote: string, tls: TlsOptions | undefined) {
    this.remote = remote;
    this.#raw = socket;
    this.#socket = socket;
    this.startTls = tls === undefined ? undefined : (ready) => this.#startTls(tls, ready);
    this.#listen(socket);
  }

  /** Begins: `opened` is told, then what arrives. */
  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
    queueMicrotask(() => {
      if (this.#phase !== "new") return;
      this.#phase = "open";
      this.#handler?.opened();
      if (this.#state === "open") this.#socket.resume();
    });
  }

  /** Looked at again after a call that may have ended it. */
  get #state(): "new" | "open" | "over" {
    return this.#phase;
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#phase !== "open") return;
    this.#writes++;
    const last = pieces.length - 1;
    this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i]!);
    this.#socket.write(pieces[last]!, this.#written);
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#phase === "open") this.#socket.resume();
  }

  close(lingerMs = CLOSE_LINGER_MS): void {
    if (this.#phase === "over") return;
    this.#silence();
    // Once the kernel has all of it, the rest happens without us, also when the process has ended.
    this.#socket.end(() => this.#raw.unref());
    // What the client still sends is not for us; without a reader its end would not be seen either.
    this.#socket.resume();
    this.#linger = setTimeout(() => this.reset(), lingerMs).unref();
  }

  reset(): void {
    this.#silence();
    // Only TCP has a reset; and TLS none of its own.
    if (this.#raw.remoteAddress === undefined) this.#raw.destroy();
    else resetSocket(this.#socket, this.#raw);
    if (this.#socket !== this.#raw) this.#socket.destroy();
  }

  #listen(socket: Socket): void {
    // Paused first: a listener for data would set it going.
    socket.pause();
    socket.on("data", this.#received);
    socket.on("end", this.#closed);
    socket.on("close", this.#closed);
    socket.on("error", (error) => this.#end(lost(this.remote, error)));
  }

  readonly #received = (chunk: Buffer): void => {
    if (this.#phase === "open") this.#handler?.received(new Region(chunk), 0, chunk.length);
  };

  readonly #closed = (): void => this.#end(undefined);

  /**
   * By a server of its own that does not listen: it checks certificates, and takes over what the raw
   * socket has received and nobody has read.
   */
  #startTls(tls: TlsOptions, ready: (error: NvmeofError | undefined) => void): void {
    const raw = this.#raw;
    raw.pause();
    raw.off("data", this.#received);
    raw.off("end", this.#closed);
    const server = createTlsServer(tls);
    server.once("tlsClientError", (error) => {
      if (this.#phase === "open") ready(lost(this.remote, error));
    });
    server.once("secureConnection", (secure) => {
      if (this.#phase !== "open") {
        secure.destroy();
        return;
      }
      this.#socket = secure;
      this.#listen(secure);
      ready(undefined);
      if (this.#state === "open") secure.resume();
    });
    server.emit("connection", raw);
  }

  /** No event follows; what the socket has yet to say concerns nobody. */
  #silence(): void {
    clearTimeout(this.#linger);
    this.#phase = "over";
    this.#handler = undefined;
  }

  #end(error: NvmeofError | undefined): void {
    const handler = this.#handler;
    const wasOver = this.#phase === "over";
    this.#silence();
    if (!wasOver || error !== undefined) this.#socket.destroy();
    handler?.ended(error);
  }
}

const lost = (remote: string, cause: Error): NvmeofError =>
  new TransportError("connection-lost", `${remote}: ${cause.message}`, { cause });
