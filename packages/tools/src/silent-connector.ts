// A connector whose connections can fall silent: no bytes, no end, in neither direction.
// Read first: @nvmeof/transport byte-stream.ts for the contract that it keeps until then.

import type { ByteStream, ByteStreamHandler, Connector, StreamOptions } from "@nvmeof/transport";

export class SilentConnector implements Connector {
  readonly #inner: Connector;
  #weather: "clear" | "silent" = "clear";
  /** Connections that our side has ended, and that the far side still takes for alive. */
  readonly #halfOpen = new Set<ByteStream>();

  constructor(inner: Connector) {
    this.#inner = inner;
  }

  get remote(): string {
    return this.#inner.remote;
  }

  /** From now on nothing arrives, on connections that exist and on those to come. */
  silence(): void {
    this.#weather = "silent";
  }

  /** Ends what the far side still takes for alive. */
  release(): void {
    for (const stream of this.#halfOpen) stream.reset();
    this.#halfOpen.clear();
  }

  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const passes = (): boolean => this.#weather === "clear";
    const stream = this.#inner.connect(options, {
      opened: () => passes() && handler.opened(),
      received: (buffer, start, end) => passes() && handler.received(buffer, start, end),
      drained: () => handler.drained(),
      // A connection that nobody hears of any more does not end either.
      ended: (error) => passes() && handler.ended(error),
    });
    return {
      remote: stream.remote,
      write: (pieces) => passes() && stream.write(pieces),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      close: () => (passes() ? stream.close() : this.#halfOpen.add(stream)),
      // The news of an end is lost as well: the far side has to find out by itself.
      reset: () => (passes() ? stream.reset() : this.#halfOpen.add(stream)),
    };
  }
}
