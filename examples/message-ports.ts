// A transport of one's own: byte streams over the two ends of a MessageChannel, as threads have them.
// Read first: own-transport.ts, which uses it; `ByteStream` of @nvmeof/transport for what to promise.
import { MessageChannel, type MessagePort } from "node:worker_threads";
import {
  type ByteStream,
  type ByteStreamHandler,
  type Connector,
  type Listener,
  Region,
  type StreamOptions,
  TransportError,
} from "@nvmeof/transport";

/** Bytes, how many of them were read over there, or how the stream ends. */
type Message = Uint8Array | number | "close" | "reset";

class PortStream implements ByteStream {
  readonly remote = "the other end of the channel";
  readonly #port: MessagePort;
  #phase: "connecting" | "open" | "over" = "connecting";
  #handler: ByteStreamHandler | undefined;
  #unread: Exclude<Message, number>[] = [];
  #paused = false;
  #underWayBytes = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  open(handler: ByteStreamHandler): void {
    if (this.#phase === "over") return; // its user has left before
    this.#phase = "open";
    this.#handler = handler;
    this.#port.on("message", (message: Message) => this.#arrived(message));
    handler.opened(); // first of all; messages wait for the next turn
  }

  /** Nobody listens: the only event is the last one. */
  refused(handler: ByteStreamHandler): void {
    if (this.#phase === "connecting")
      handler.ended(new TransportError("unreachable", "no listener"));
    this.#phase = "over";
  }

  write(pieces: readonly Uint8Array[]): void {
    for (const piece of this.#phase === "open" ? pieces : []) {
      this.#underWayBytes += piece.length;
      const copy = piece.slice(); // a port takes away the buffers that it is given
      this.#port.postMessage(copy, [copy.buffer]);
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    setImmediate(() => this.#deliver()); // no event comes inside a call
  }

  close(): void {
    this.#leave("close");
  }

  reset(): void {
    this.#leave("reset");
  }

  #leave(how: "close" | "reset"): void {
    this.#phase = "over"; // who leaves hears nothing any more
    this.#port.postMessage(how);
    this.#port.unref();
  }

  #arrived(message: Message): void {
    if (this.#phase === "over") return;
    if (typeof message === "number") {
      this.#underWayBytes -= message;
      if (this.#underWayBytes === 0) this.#handler?.drained(); // it may send more
      return;
    }
    if (message === "reset") this.#unread = []; // what was not read yet is dropped
    this.#unread.push(message);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#phase === "open" && !this.#paused) {
      const next = this.#unread.shift();
      if (next === undefined) return;
      if (typeof next !== "string") {
        this.#port.postMessage(next.length);
        this.#handler?.received(new Region(next), 0, next.length);
        continue;
      }
      this.#phase = "over";
      const lost = new TransportError("connection-lost", "the other end reset the stream");
      this.#handler?.ended(next === "reset" ? lost : undefined);
      this.#port.close();
    }
  }
}

/** Where hosts meet a target. With a worker there, the second port would be posted to it. */
export class MessagePorts implements Connector, Listener {
  readonly local = "message ports";
  readonly remote = "message ports";
  #accept: Parameters<Listener["listen"]>[0] | undefined;

  listen(accept: Parameters<Listener["listen"]>[0]): void {
    this.#accept = accept;
  }

  close(): void {
    this.#accept = undefined;
  }

  connect(_options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const { port1, port2 } = new MessageChannel();
    const [host, controller] = [new PortStream(port1), new PortStream(port2)];
    setImmediate(() => {
      const accepted = this.#accept?.(controller);
      if (accepted === undefined) host.refused(handler);
      else {
        controller.open(accepted);
        host.open(handler);
      }
    });
    return host;
  }
}
