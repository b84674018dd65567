// A port whose network can be cut, made silent, slow, or refused: the faults of the fault matrix.
// Read first: lane.ts; @nvmeof/transport byte-stream.ts for the contract that it keeps on both sides.

import {
  type ByteStream,
  type ByteStreamHandler,
  type Clock,
  type Connector,
  type Listener,
  MemoryPort,
  type StreamOptions,
  type Transport,
  TransportError,
  hostTransport,
} from "@nvmeof/transport";
import { Lane } from "./lane.ts";
import type { Climate, ScenarioLink, ScenarioPort } from "./network.ts";
import { OpenLinks } from "./open-links.ts";

const nothing = (): void => {};

/** One connection. Links are numbered from 0: the first is the admin queue, if all went well. */
export class Link implements ScenarioLink {
  readonly number: number;
  toHost!: Lane;
  toController: Lane | undefined;
  /** The host's end, and the controller's once it was accepted. */
  host!: ByteStream;
  controller: ByteStream | undefined;

  constructor(number: number) {
    this.number = number;
  }

  set climate({ toHost, toController }: Climate) {
    if (toHost !== undefined) this.toHost.weather = toHost;
    if (toController !== undefined && this.toController !== undefined) {
      this.toController.weather = toController;
    }
  }

  /** No FIN, no RST, no bytes, in both directions. */
  blackhole(): void {
    this.climate = { toHost: "silent", toController: "silent" };
  }

  /** A reset that both ends see. */
  reset(): void {
    const error = new TransportError("connection-lost", "the network reset the connection");
    this.toHost.breaks(error);
    this.host.reset();
  }

  /** The controller's end says that it sends no more; it still listens. */
  fin(): void {
    this.toHost.ended(undefined);
  }
}

/** A memory port with a network that fails on demand. */
export class FaultyPort extends OpenLinks<Link> implements ScenarioPort, Connector, Listener {
  /** ICResp and CapsuleResp. */
  readonly connectAnswerBytes = 128 + 24;
  readonly local: string;
  readonly remote: string;
  readonly #name: string;
  readonly #port: MemoryPort;
  readonly #clock: Clock;
  /** The link that the controller is asked to accept next. */
  #accepting: Link | undefined;
  #window: "open" | "shut" = "open";
  #chunkBytes = Infinity;

  constructor(name: string, clock: Clock) {
    super();
    this.#name = name;
    this.#port = new MemoryPort(name, { clock, chunkBytes: () => this.#chunkBytes });
    this.#clock = clock;
    this.local = this.#port.local;
    this.remote = this.#port.remote;
  }

  get listener(): Listener {
    return this;
  }

  transport(clock: Clock): Transport {
    const address = { trtype: "loop", traddr: this.#name, trsvcid: "" };
    return hostTransport({ address, connector: this, clock });
  }

  /** As it was: bytes that were lost stay lost, those that were held arrive. */
  override heal(): void {
    super.heal();
    this.#window = "open";
    for (const link of this.opened) link.controller?.resume();
  }

  /** The controller stops reading: a window of zero. */
  stopReading(): void {
    this.#window = "shut";
    for (const link of this.opened) link.controller?.pause();
  }

  /** From now on no more than so many bytes arrive together. */
  rechunk(chunkBytes: number): void {
    this.#chunkBytes = chunkBytes;
  }

  /** All connections end with a reset, seen by both ends. */
  reset(): void {
    for (const link of this.links) link.reset();
  }

  listen(accept: (stream: ByteStream) => ByteStreamHandler | undefined): void {
    this.#port.listen((stream) => {
      const link = this.#accepting!;
      const guarded: ByteStream = {
        remote: stream.remote,
        write: (pieces) => stream.write(pieces),
        pause: () => stream.pause(),
        resume: () => this.#window === "open" && stream.resume(),
        close: () => stream.close(),
        reset: () => stream.reset(),
      };
      const handler = accept(guarded);
      if (handler === undefined) return undefined;
      link.controller = stream;
      const { toController } = this.weather;
      link.toController = new Lane(handler, this.#clock, toController, nothing, nothing);
      if (this.#window === "shut") stream.pause();
      return link.toController;
    });
  }

  close(): void {
    this.#port.close();
  }

  connect(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const number = this.attempt();
    if (this.admission !== "open") return this.#turnedAway(options, handler);
    const link = new Link(number);
    const over = (): void => void this.opened.delete(link);
    link.toHost = new Lane(handler, this.#clock, this.weather.toHost, over, () => this.answered());
    // Runs right before the memory port asks to accept this very link.
    this.#clock.defer(() => (this.#accepting = link));
    const inner = this.#port.connect(options, link.toHost);
    // Ending is the host's own deed, so it is known here whatever the network does. Bytes that its
    // peer has not read are lost then, as with a real reset.
    const end = (how: "close" | "reset") => (): void => {
      link.toHost.stop();
      this.opened.delete(link);
      if (how === "close") inner.close();
      else inner.reset();
    };
    link.host = {
      remote: inner.remote,
      write: (pieces) => inner.write(pieces),
      pause: () => inner.pause(),
      resume: () => inner.resume(),
      close: end("close"),
      reset: end("reset"),
    };
    this.opened.add(link);
    this.show(link);
    return link.host;
  }

  #turnedAway(options: StreamOptions, handler: ByteStreamHandler): ByteStream {
    const refused = this.admission === "refused";
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
