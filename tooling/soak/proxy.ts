// A TCP proxy on loopback whose weather changes: delay, black hole, reset, loss of the connection, refusal.
// Read first: weather.ts for who makes it. What passes is never changed: TCP would not do that either.

import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { after } from "@nvmeof/tooling-support";

/** Bytes that wait in one direction before its sender is asked to wait. */
const WAITING_MAX = 1024 * 1024;

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** One direction of a connection. */
class Relay {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #proxy: SoakProxy;
  readonly #waiting: Piece[] = [];
  #waitingBytes = 0;
  #ended: "no" | "ended" | "closed" = "no";
  #cancel: (() => void) | undefined;

  constructor(from: Socket, to: Socket, proxy: SoakProxy) {
    this.#from = from;
    this.#to = to;
    this.#proxy = proxy;
    from.on("data", (bytes) => this.#take(bytes));
    from.on("end", () => this.#end("ended"));
    from.on("error", () => {});
    from.on("close", () => this.#end("closed"));
    to.on("drain", () => this.pump());
  }

  #take(bytes: Buffer): void {
    this.#waiting.push({ bytes, dueMs: performance.now() + this.#proxy.delayMs });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > WAITING_MAX) this.#from.pause();
    this.pump();
  }

  #end(how: "ended" | "closed"): void {
    this.#ended = how;
    this.pump();
  }

  /** Gives on what may go on now, and says when to look again. */
  pump(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#to.destroyed) return this.#forget();
    if (this.#proxy.isHeld) return;
    const nowMs = performance.now();
    while (this.#waiting.length > 0 && !this.#to.writableNeedDrain) {
      const { bytes, dueMs } = this.#waiting[0]!;
      if (dueMs > nowMs) {
        this.#cancel = after(dueMs - nowMs, () => this.pump());
        return;
      }
      this.#waiting.shift();
      this.#waitingBytes -= bytes.length;
      this.#to.write(bytes);
    }
    if (this.#waitingBytes <= WAITING_MAX) this.#from.resume();
    // Once is enough: each `destroySoon` would leave a listener.
    if (this.#waiting.length > 0 || this.#to.writableEnded) return;
    if (this.#ended === "ended") this.#to.end();
    if (this.#ended === "closed") this.#to.destroySoon();
  }

  #forget(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#from.destroy();
  }
}

/** A proxy in front of one address. */
export class SoakProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #relays = new Set<Relay>();
  readonly #sockets = new Set<Socket>();
  #isHeld = false;
  /** Time that each byte takes longer, from now on. */
  delayMs = 0;
  /** New connections are closed at once. */
  refuses = false;
  /** Connections that were made so far. */
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port of loopback. */
  static async listen(upstream: { readonly host: string; readonly port: number }) {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new SoakProxy(server);
    server.on("connection", (near) => proxy.#join(near, upstream));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sockets that are open. */
  get sockets(): number {
    return this.#sockets.size;
  }

  /** A black hole: nothing arrives, nobody is told, nothing is lost. */
  get isHeld(): boolean {
    return this.#isHeld;
  }
  set isHeld(isHeld: boolean) {
    this.#isHeld = isHeld;
    for (const relay of Array.from(this.#relays)) relay.pump();
  }

  /** Ends all connections: by RST, or in good order though in the middle of everything. */
  cut(how: "reset" | "close"): void {
    for (const socket of Array.from(this.#sockets)) {
      if (how === "close") socket.destroySoon();
      // Node forgets a socket that is reset while it is being shut, and leaves it open for good.
      else if (socket.writableEnded && !socket.writableFinished) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const sockets = [...this.#sockets];
    const gone = sockets.map((socket) => new Promise((resolve) => socket.on("close", resolve)));
    for (const socket of sockets) socket.destroy();
    await Promise.all([closed, ...gone]);
  }

  #join(near: Socket, upstream: { readonly host: string; readonly port: number }): void {
    if (this.refuses) return void near.on("error", () => {}).resetAndDestroy();
    this.connections++;
    const far = connect({ ...upstream, allowHalfOpen: true, noDelay: true });
    const relays = [new Relay(near, far, this), new Relay(far, near, this)];
    for (const relay of relays) this.#relays.add(relay);
    const sockets = [near, far];
    for (const socket of sockets) {
      this.#sockets.add(socket);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        if (sockets.some((each) => this.#sockets.has(each))) return;
        for (const relay of relays) this.#relays.delete(relay);
      });
    }
  }
}
