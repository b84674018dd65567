// A port as one host sees it: while the host stands still, what the network brings waits.
// Read first: host-clock.ts; @nvmeof/transport byte-stream.ts for the contract that it keeps.

import type { NvmeofError } from "@nvmeof/codec";
import {
  type ByteStream,
  type ByteStreamHandler,
  type Connector,
  Region,
  type StreamOptions,
} from "@nvmeof/transport";
import type { HostClock } from "./host-clock.ts";

/** One connection of the host: both the stream that it uses and the handler that the network tells. */
class HostStream implements ByteStream, ByteStreamHandler {
  readonly #clock: HostClock;
  readonly #handler: ByteStreamHandler;
  readonly #over: () => void;
  #inner: ByteStream | undefined;
  /** What came while the host stood still, oldest first. */
  #held: (() => void)[] = [];
  #phase: "open" | "left" | "over" = "open";

  constructor(clock: HostClock, handler: ByteStreamHandler, over: () => void) {
    this.#clock = clock;
    this.#handler = handler;
    this.#over = over;
  }

  attach(inner: ByteStream): void {
    this.#inner = inner;
  }

  get remote(): string {
    return this.#inner!.remote;
  }

  write(pieces: readonly Uint8Array[]): void {
    this.#inner!.write(pieces);
  }

  pause(): void {
    this.#inner!.pause();
  }

  resume(): void {
    this.#inner!.resume();
  }

  close(lingerMs?: number): void {
    this.#leave();
    this.#inner!.close(lingerMs);
  }

  reset(): void {
    this.#leave();
    this.#inner!.reset();
  }

  opened(): void {
    this.#tell(() => this.#handler.opened());
  }

  received(buffer: Region, start: number, end: number): void {
    if (!this.#waits) {
      this.#handler.received(buffer, start, end);
      return;
    }
    const own = new Region(buffer.bytes.slice(start, end));
    this.#tell(() => this.#handler.received(own, 0, end - start));
  }

  drained(): void {
    this.#tell(() => this.#handler.drained());
  }

  ended(error: NvmeofError | undefined): void {
    this.#tell(() => {
      this.#phase = "over";
      this.#over();
      this.#handler.ended(error);
    });
  }

  /** The host goes on: it hears of what has come. */
  release(): void {
    for (const tell of this.#held.splice(0)) {
      if (this.#phase === "open") tell();
    }
  }

  get #waits(): boolean {
    return this.#clock.isStalled || this.#held.length > 0;
  }

  #tell(task: () => void): void {
    if (this.#waits) this.#held.push(task);
    else task();
  }

  /** Its user has ended the stream: he hears nothing more, but perhaps of the end. */
  #leave(): void {
    if (this.#phase !== "open") return;
    this.#phase = "left";
    this.#held = [];
    this.#over();
  }
}

/** The ports of a target, seen through one host's event loop. */
export class HostPort implements Connector {
  readonly remote: string;
  readonly #clock: HostClock;
  readonly #connector: Connector;
  readonly #streams = new Set<HostStream>();

  constructor(clock: HostClock, connector: Connector) {
    this.#clock = clock;
    this.#connector = connector;
    this.remote = connector.remote;
  }

  /** Connections that the host has open, or tries to open. */
  get streams(): number {
    return this.#streams.size;
  }

  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const stream = new HostStream(this.#clock, handler, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    stream.attach(this.#connector.connect(options, stream));
    return stream;
  }

  /** The host goes on after a stall. After its overdue timers, as event loops have it. */
  release(): void {
    for (const stream of Array.from(this.#streams)) {
      this.#clock.defer(() => stream.release());
    }
  }
}
