// An end of a connection: the stream that its user holds, and what it is told.
// Read first: @nvmeof/transport byte-stream.ts for the contract; pipe.ts for the two directions.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Clock, Timer } from "@nvmeof/transport";
import type { Side } from "./fault.ts";
import type { Pipe } from "./pipe.ts";
import type { Part } from "./slab.ts";

/** What an end tells the connection that it is a part of. */
export interface EndEvents {
  /** The user has written, and nothing has left yet. */
  wrote(side: Side, pieces: readonly Uint8Array[]): void;
  /** The connection has come to the listener: who hears it? */
  accepting(stream: ByteStream): ByteStreamHandler | undefined;
  /** The end has gone: by its user, by its peer, or by the network. */
  gone(side: Side, how: EndHow): void;
}

/** How an end has gone. */
export type EndHow = "closed" | "reset" | "lost" | "vanished";

/** Time that an orderly close may take by default, ms. */
const CLOSE_LINGER_MS = 5_000;

/** What is left in a buffer that is the user's no more. */
const POISON = 0xa5;

export class End implements ByteStream {
  readonly remote: string;
  readonly side: Side;
  readonly #clock: Clock;
  readonly #events: EndEvents;
  readonly #out: Pipe;
  readonly #in: Pipe;
  /** `left`: it sends what is written, then ends; its user hears nothing. */
  #state: "connecting" | "open" | "left" | "gone" = "connecting";
  #handler: ByteStreamHandler | undefined;
  /** Who stops the reading: the user, and a process that does not run. */
  #user: "reads" | "paused" = "reads";
  #process: "runs" | "stopped" = "runs";
  #peer: "sends" | "ended" = "sends";
  #linger: Timer | undefined;

  constructor(side: Side, remote: string, clock: Clock, out: Pipe, into: Pipe, events: EndEvents) {
    this.side = side;
    this.remote = remote;
    this.#clock = clock;
    this.#events = events;
    this.#out = out;
    this.#in = into;
  }

  /** Whether the user of this end has a stream that may still tell him something. */
  get isOpen(): boolean {
    return this.#state === "connecting" || this.#state === "open";
  }

  get isConnecting(): boolean {
    return this.#state === "connecting";
  }

  get isGone(): boolean {
    return this.#state === "gone";
  }

  /** Whether nobody has been asked to take this end. */
  get isUnborn(): boolean {
    return this.#state === "connecting" && this.#handler === undefined;
  }

  /** Whether bytes given now reach the user. */
  get hears(): boolean {
    return this.#state === "open";
  }

  /** Whether what has arrived is taken out of the network. */
  get takes(): boolean {
    if (this.#state !== "open") return true;
    return this.#user === "reads" && this.#process === "runs";
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#state !== "open") return;
    this.#events.wrote(this.side, pieces);
    this.#out.write(pieces);
  }

  pause(): void {
    this.#user = "paused";
  }

  resume(): void {
    this.#user = "reads";
    this.#in.wake();
  }

  close(lingerMs = CLOSE_LINGER_MS): void {
    if (this.#state === "connecting") this.reset();
    else if (this.#state === "open") this.#leave(lingerMs);
  }

  reset(): void {
    if (this.#state === "gone") return;
    // Of a host that is not connected, the other side has not heard.
    if (this.#state === "connecting" && this.side === "host") this.#out.cease();
    else this.#out.abort();
    this.#go("reset");
  }

  /** Says who is told. */
  begin(handler: ByteStreamHandler): void {
    this.#handler = handler;
  }

  /** Only the end at the listener. */
  accept(): void {
    if (this.#state !== "connecting") return;
    const handler = this.#events.accepting(this);
    if (handler === undefined) {
      this.#out.abort();
      this.#go("reset");
      return;
    }
    this.begin(handler);
    this.#in.accepted();
  }

  open(): void {
    if (this.#state !== "connecting") return;
    this.#state = "open";
    this.#handler!.opened();
  }

  /** No connection came to be. */
  fail(error: NvmeofError): void {
    if (this.#state !== "connecting") return;
    this.#out.cease();
    this.#go("lost");
    this.#handler!.ended(error);
  }

  /** The buffer is of no use after the call: whoever keeps it is found out. */
  hear({ region, start, end }: Part): void {
    // Who resets with bytes on their way gets them all the same.
    if (this.#state === "gone") this.#out.resetLast();
    if (this.#state === "open") this.#handler!.received(region, start, end);
    region.bytes.fill(POISON, start, end);
  }

  /** The peer's last word: an end of bytes, or an error. */
  hearEnd(error: NvmeofError | undefined): void {
    if (this.#state === "gone") {
      if (error === undefined) this.#out.resetLast();
      return;
    }
    this.#peer = "ended";
    const told = this.isOpen ? this.#handler : undefined;
    if (error !== undefined) {
      this.#out.cease();
      this.#go("lost");
    } else if (this.#state === "open") this.#leave();
    else this.#settle();
    told?.ended(error);
  }

  drained(): void {
    if (this.#state === "open") this.#handler!.drained();
    this.#settle();
  }

  /** The machine of this end is off. */
  vanish(): void {
    if (this.#state === "gone") return;
    this.#out.cease();
    this.#go("vanished");
  }

  stopProcess(): void {
    this.#process = "stopped";
  }

  continueProcess(): void {
    if (this.#process === "runs") return;
    this.#process = "runs";
    this.#in.wake();
  }

  /** After the last byte of either direction, the end is gone. */
  settle(): void {
    this.#settle();
  }

  #leave(lingerMs = CLOSE_LINGER_MS): void {
    this.#state = "left";
    this.#out.end();
    this.#linger = this.#clock.at(this.#clock.nowMs() + lingerMs, () => this.reset());
    this.#in.wake();
    this.#settle();
  }

  #settle(): void {
    if (this.#state === "left" && this.#peer === "ended" && this.#out.isDone) this.#go("closed");
  }

  #go(how: EndHow): void {
    this.#state = "gone";
    this.#linger?.cancel();
    this.#events.gone(this.side, how);
    this.#in.wake();
  }
}
