// A way to a target that tells when it is connected, and holds back what is sent or arrives at a moment
// that a test chooses. Read first: packages/transport/src/byte-stream.ts.
import { Region, hostTransport } from "../../packages/transport/dist/index.js";
import { systemClock, tcpConnector } from "../../packages/transport/dist/node/index.js";

/** Passes everything on, until `holdAt` is reached and before `letGo`. */
export class Gate {
  #connector;
  #address;
  #opened = () => {};
  /** What is counted down to, and what happens then. */
  #holdAt;
  #held;

  constructor(port) {
    this.#connector = tcpConnector({ host: "127.0.0.1", port });
    this.#address = { trtype: "tcp", traddr: "127.0.0.1", trsvcid: String(port) };
  }

  transport() {
    return hostTransport({ address: this.#address, connector: this, clock: systemClock });
  }

  get remote() {
    return this.#connector.remote;
  }

  /** Resolves when the next connection is there, and what the host says first is sent. */
  opened() {
    return new Promise((resolve) => (this.#opened = resolve));
  }

  /** Resolves when the `count`th write ("sent") or chunk ("arrived") from now on has come, and is held. */
  holdAt(what, count) {
    return new Promise((resolve) => (this.#holdAt = { what, count, resolve }));
  }

  letGo() {
    const held = this.#held;
    this.#held = undefined;
    for (const task of held) task();
  }

  connect(options, handler) {
    const stream = this.#connector.connect(options, {
      opened: () => {
        handler.opened();
        setImmediate(this.#opened);
      },
      received: (region, start, end) => {
        if (!this.#holds("arrived")) {
          handler.received(region, start, end);
          return;
        }
        const copy = new Region(region.bytes.slice(start, end));
        this.#held.push(() => handler.received(copy, 0, copy.bytes.length));
      },
      drained: () => handler.drained(),
      ended: (error) => handler.ended(error),
    });
    return {
      remote: stream.remote,
      write: (pieces) => {
        if (this.#holds("sent")) this.#held.push(() => stream.write(pieces));
        else stream.write(pieces);
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      close: (lingerMs) => stream.close(lingerMs),
      reset: () => stream.reset(),
    };
  }

  /** Whether this one is held: from the one that was waited for on, all are, in both directions. */
  #holds(what) {
    const due = this.#holdAt;
    if (due?.what === what && --due.count === 0) {
      this.#holdAt = undefined;
      this.#held = [];
      due.resolve();
    }
    return this.#held !== undefined;
  }
}
