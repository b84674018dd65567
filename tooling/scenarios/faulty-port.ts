// A port whose network can be cut, made silent, or refused: the faults of §3 of the fault matrix.
// Read first: @nvmeof/transport byte-stream.ts for the contract that it keeps on both sides.

import type { NvmeofError } from "@nvmeof/codec";
import {
  type ByteStream,
  type ByteStreamHandler,
  type Clock,
  type Connector,
  type Listener,
  MemoryPort,
  type Region,
  type StreamOptions,
  TransportError,
} from "@nvmeof/transport";

/** What the network does with bytes, by direction. */
export interface Silence {
  /** Bytes from the host are lost. */
  readonly toController: boolean;
  /** Bytes from the controller are lost. */
  readonly toHost: boolean;
}

const NONE: Silence = { toController: false, toHost: false };

/** Bytes pass through here on their way to a handler. */
class Gate implements ByteStreamHandler {
  readonly #inner: ByteStreamHandler;
  readonly #drops: () => boolean;
  readonly #ended: () => void;
  constructor(inner: ByteStreamHandler, drops: () => boolean, ended: () => void) {
    this.#inner = inner;
    this.#drops = drops;
    this.#ended = ended;
  }
  opened(): void {
    this.#inner.opened();
  }
  received(buffer: Region, start: number, end: number): void {
    if (!this.#drops()) this.#inner.received(buffer, start, end);
  }
  drained(): void {
    this.#inner.drained();
  }
  ended(error: NvmeofError | undefined): void {
    // The news of an end travels as bytes do: over a silent network it does not arrive.
    if (this.#drops()) return;
    this.#ended();
    this.#inner.ended(error);
  }
}

/** A memory port with a network that fails on demand. */
export class FaultyPort implements Connector, Listener {
  readonly local: string;
  readonly remote: string;
  readonly #port: MemoryPort;
  readonly #clock: Clock;
  #silence: Silence = NONE;
  #admission: "open" | "refused" | "unanswered" = "open";
  readonly #hosts = new Map<ByteStream, ByteStreamHandler>();

  constructor(name: string, clock: Clock) {
    this.#port = new MemoryPort(name, { clock });
    this.#clock = clock;
    this.local = this.#port.local;
    this.remote = this.#port.remote;
  }

  /** Connections that hosts have open. */
  get connections(): number {
    return this.#hosts.size;
  }

  /** No FIN, no RST, no bytes: in both directions, or in one. */
  blackhole(silence: Silence = { toController: true, toHost: true }): void {
    this.#silence = silence;
    if (silence.toController && silence.toHost) this.#admission = "unanswered";
  }

  /** Connections are refused from now on; those that exist go on. */
  refuse(): void {
    this.#admission = "refused";
  }

  /** As it was: bytes that were lost stay lost. */
  heal(): void {
    this.#silence = NONE;
    this.#admission = "open";
  }

  /** All connections end with a reset, seen by both ends. */
  reset(): void {
    const error = new TransportError("connection-lost", `${this.remote} reset the connection`);
    const hosts = [...this.#hosts];
    this.#hosts.clear();
    for (const [stream, handler] of hosts) {
      stream.reset();
      this.#clock.defer(() => handler.ended(error));
    }
  }

  listen(accept: (stream: ByteStream) => ByteStreamHandler | undefined): void {
    this.#port.listen((stream) => {
      const handler = accept(stream);
      return (
        handler &&
        new Gate(
          handler,
          () => this.#silence.toController,
          () => {},
        )
      );
    });
  }

  close(): void {
    this.#port.close();
  }

  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    if (this.#admission !== "open") return this.#turnedAway(options, handler);
    let stream: ByteStream | undefined;
    const gate = new Gate(
      handler,
      () => this.#silence.toHost,
      () => this.#hosts.delete(stream!),
    );
    const inner = this.#port.connect(options, gate);
    // Ending is the host's own deed, so it is known here whatever the network does.
    const over = (end: () => void) => (): void => {
      this.#hosts.delete(stream!);
      end();
    };
    stream = {
      remote: inner.remote,
      write: (pieces) => inner.write(pieces),
      pause: () => inner.pause(),
      resume: () => inner.resume(),
      close: over(() => inner.close()),
      reset: over(() => inner.reset()),
    };
    this.#hosts.set(stream, handler);
    return stream;
  }

  #turnedAway(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const refused = this.#admission === "refused";
    const error = refused
      ? new TransportError("unreachable", `cannot reach ${this.remote}: connection refused`)
      : new TransportError("connect-timeout", `no connection to ${this.remote}`);
    const delayMs = refused ? 0 : options.connectTimeoutMs;
    const timer = this.#clock.at(this.#clock.nowMs() + delayMs, () => handler.ended(error));
    const end = (): void => timer.cancel();
    return {
      remote: this.remote,
      write: () => {},
      pause: () => {},
      resume: () => {},
      close: end,
      reset: end,
    };
  }
}
