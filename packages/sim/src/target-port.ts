// A port of a simulated target: knows its connections, so that a crash of the process ends them all.
// Read first: sim-target.ts; @nvmeof/transport byte-stream.ts for the contract that it keeps.

import {
  type ByteStream,
  type ByteStreamHandler,
  type LinkListener,
  type Listener,
  type Region,
  TransportError,
} from "@nvmeof/transport";

/** A connection that the target has accepted; after a crash it is a stream of nobody's. */
class TargetStream implements ByteStream {
  readonly remote: string;
  readonly #inner: ByteStream;
  readonly #over: () => void;
  handler: ByteStreamHandler | undefined;

  constructor(inner: ByteStream, over: () => void) {
    this.remote = inner.remote;
    this.#inner = inner;
    this.#over = over;
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.handler !== undefined) this.#inner.write(pieces);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(lingerMs?: number): void {
    if (this.handler === undefined) return;
    this.#forget();
    this.#inner.close(lingerMs);
  }

  reset(): void {
    if (this.handler === undefined) return;
    this.#forget();
    this.#inner.reset();
  }

  /** The kernel ends the connection for a process that is no more. */
  crash(): void {
    const { handler } = this;
    if (handler === undefined) return;
    this.#forget();
    this.#inner.reset();
    handler.ended(new TransportError("connection-lost", "the process has ended"));
  }

  ended(): void {
    this.#forget();
  }

  #forget(): void {
    this.handler = undefined;
    this.#over();
  }
}

/** What a target listens on, so that a crash of its process can end it all. */
export interface PortOfTarget {
  readonly listener: Listener | LinkListener;
  /** Connections that the target has open. */
  readonly streams: number;
  /** The process ends: so do all its connections, and nobody listens. */
  crash(): void;
}

/** A listener whose connections can be ended at once, as at the end of a process. */
export class TargetPort implements Listener, PortOfTarget {
  readonly local: string;
  readonly #inner: Listener;
  readonly #streams = new Set<TargetStream>();

  constructor(inner: Listener) {
    this.local = inner.local;
    this.#inner = inner;
  }

  get listener(): Listener {
    return this;
  }

  get streams(): number {
    return this.#streams.size;
  }

  listen(accept: (stream: ByteStream) => ByteStreamHandler | undefined): void {
    this.#inner.listen((inner) => {
      const stream = new TargetStream(inner, () => this.#streams.delete(stream));
      const handler = accept(stream);
      if (handler === undefined) return undefined;
      stream.handler = handler;
      this.#streams.add(stream);
      return {
        opened: () => stream.handler?.opened(),
        received: (buffer: Region, start: number, end: number) =>
          stream.handler?.received(buffer, start, end),
        drained: () => stream.handler?.drained(),
        ended: (error) => {
          const told = stream.handler;
          stream.ended();
          told?.ended(error);
        },
      };
    });
  }

  close(): void {
    this.#inner.close();
  }

  crash(): void {
    this.#inner.close();
    for (const stream of Array.from(this.#streams)) stream.crash();
  }
}
