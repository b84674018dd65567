// A pair of connected byte streams in this process: the transport of tests, demos and embedders.
// Read first: byte-stream.ts for the contract; conformance/ runs over it.

import type { ByteStream, ByteStreamHandler, Connector, Listener } from "./byte-stream.ts";
import type { Clock } from "./clock.ts";
import { Region } from "./copy.ts";
import { TransportError } from "./errors.ts";

/** How bytes travel between the two ends. */
export interface MemoryLinkOptions {
  readonly clock: Clock;
  /** Time that bytes are under way, ms. Default 0: they arrive after the current callback. */
  readonly latencyMs?: number;
  /**
   * Most bytes that arrive together; asked for each piece. Default: as much as was written. Any
   * positive whole number is right for a stream, and a test that gives 1 finds out who assumes more.
   */
  readonly chunkBytes?: () => number;
  /**
   * Bytes that an end takes in without its user reading them, as the buffers of a kernel do. Beyond
   * it, the writer is not told that it is drained. Default 256 KiB.
   */
  readonly windowBytes?: number;
}

const WINDOW_BYTES = 256 * 1024;

/** `closed`: we have said our last, and hear nothing any more; what we wrote still arrives. */
type State = "connecting" | "open" | "closed" | "over";

class MemoryStream implements ByteStream {
  readonly remote: string;
  peer!: MemoryStream;
  state: State = "connecting";
  #handler: ByteStreamHandler | undefined;
  readonly #options: MemoryLinkOptions;
  /** Bytes that arrived here and were not given out, oldest first. */
  #unread: { readonly region: Region; end: number }[] = [];
  #unreadFrom = 0;
  #unreadBytes = 0;
  /** Writes of ours that are under way to the peer. */
  #underWay = 0;
  #drain: "none" | "owed" | "coming" = "none";
  #delivery: "none" | "coming" = "none";
  #paused = false;
  /** The peer will send no more; told to the handler when all that arrived was given out. */
  #peerDone: { error: TransportError | undefined } | undefined;

  constructor(remote: string, options: MemoryLinkOptions) {
    this.remote = remote;
    this.#options = options;
  }

  start(handler: ByteStreamHandler): void {
    if (this.state !== "connecting") return;
    this.#handler = handler;
    this.#options.clock.defer(() => {
      if (this.state !== "connecting") return;
      this.state = "open";
      handler.opened();
      this.#deliverSoon();
    });
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.state !== "open") return;
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    const whole = new Uint8Array(bytes);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#underWay++;
    this.#drain = "owed";
    this.#send(() => {
      this.#underWay--;
      this.peer.#arrive(whole);
      this.#drainSoon();
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliverSoon();
  }

  close(): void {
    if (this.state === "closed" || this.state === "over") return;
    this.state = "closed";
    this.#forget();
    this.#send(() => this.peer.#peerEnded(undefined));
  }

  reset(): void {
    if (this.state === "over") return;
    this.state = "over";
    this.#forget();
    this.peer.#capUnread();
    const error = new TransportError("connection-lost", `${this.peer.remote} reset the connection`);
    this.#send(() => this.peer.#peerEnded(error));
  }

  #send(task: () => void): void {
    const { clock, latencyMs = 0 } = this.#options;
    if (latencyMs === 0) clock.defer(task);
    else clock.at(clock.nowMs() + latencyMs, task);
  }

  /** What has arrived here and was not read is dropped. */
  #forget(): void {
    this.#unread = [];
    this.#unreadBytes = 0;
    this.#unreadFrom = 0;
    this.peer.#drainSoon();
  }

  #arrive(bytes: Uint8Array): void {
    if (this.state === "closed" || this.state === "over" || bytes.length === 0) return;
    this.#unread.push({ region: new Region(bytes), end: bytes.length });
    this.#unreadBytes += bytes.length;
    if (this.peer.state === "over") this.#capUnread();
    this.#deliverSoon();
  }

  /** The peer has reset: what was beyond the window had never left it. */
  #capUnread(): void {
    let surplus = this.#unreadBytes - (this.#options.windowBytes ?? WINDOW_BYTES);
    if (surplus <= 0) return;
    this.#unreadBytes -= surplus;
    for (let last = this.#unread.at(-1); last !== undefined; last = this.#unread.at(-1)) {
      const from = this.#unread.length === 1 ? this.#unreadFrom : 0;
      if (last.end - from > surplus) {
        last.end -= surplus;
        return;
      }
      surplus -= last.end - from;
      this.#unread.pop();
    }
    this.#unreadFrom = 0;
  }

  #peerEnded(error: TransportError | undefined): void {
    if (this.state === "closed" || this.state === "over") return;
    this.#peerDone = { error };
    // A reset overtakes what was not read yet.
    if (error !== undefined) this.#forget();
    this.#deliverSoon();
  }

  /** Once all writes have arrived, and the peer has read what is beyond the window. */
  #drainSoon(): void {
    const { clock, windowBytes = WINDOW_BYTES } = this.#options;
    if (this.#drain !== "owed" || this.#underWay > 0) return;
    if (this.peer.#unreadBytes > windowBytes) return;
    this.#drain = "coming";
    clock.defer(() => {
      // A write since then is told together with this one.
      this.#drain = this.#underWay > 0 ? "owed" : "none";
      if (this.#drain === "none" && this.state === "open") this.#handler?.drained();
    });
  }

  #deliverSoon(): void {
    if (this.#delivery === "coming") return;
    this.#delivery = "coming";
    this.#options.clock.defer(() => this.#deliver());
  }

  /** One chunk a turn, so that whoever shares the clock gets its turn as well. */
  #deliver(): void {
    this.#delivery = "none";
    if (this.state !== "open" || this.#handler === undefined) return;
    const first = this.#unread[0];
    if (first === undefined) {
      if (this.#peerDone === undefined) return;
      this.state = "over";
      this.#handler.ended(this.#peerDone.error);
      return;
    }
    if (this.#paused) return;
    const from = this.#unreadFrom;
    const left = first.end - from;
    const count = Math.min(left, this.#options.chunkBytes?.() ?? left);
    this.#unreadFrom += count;
    this.#unreadBytes -= count;
    if (count === left) {
      this.#unread.shift();
      this.#unreadFrom = 0;
    }
    this.peer.#drainSoon();
    this.#deliverSoon();
    this.#handler.received(first.region, from, from + count);
  }
}

/**
 * An address in this process: what `listen` accepts, `connect` reaches. Until somebody listens, and
 * after `close`, connecting fails as a refused connection does.
 */
export class MemoryPort implements Connector, Listener {
  readonly local: string;
  readonly remote: string;
  readonly #options: MemoryLinkOptions;
  #accept: ((stream: ByteStream) => ByteStreamHandler | undefined) | undefined;

  constructor(name: string, options: MemoryLinkOptions) {
    this.local = `loop:${name}`;
    this.remote = this.local;
    this.#options = options;
  }

  listen(accept: (stream: ByteStream) => ByteStreamHandler | undefined): void {
    this.#accept = accept;
  }

  close(): void {
    this.#accept = undefined;
  }

  connect(_options: unknown, handler: ByteStreamHandler): ByteStream {
    const host = new MemoryStream(this.remote, this.#options);
    const controller = new MemoryStream(`${this.remote} (host)`, this.#options);
    host.peer = controller;
    controller.peer = host;
    this.#options.clock.defer(() => {
      const accepted = this.#accept?.(controller);
      if (accepted === undefined) {
        if (host.state !== "connecting") return;
        host.state = "over";
        controller.state = "over";
        handler.ended(
          new TransportError("unreachable", `nobody listens on ${this.remote}`, { phase: "tcp" }),
        );
        return;
      }
      controller.start(accepted);
      host.start(handler);
    });
    return host;
  }
}
