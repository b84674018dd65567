// A link in memory, both ends in one thread: for tests, and where there are no threads to be had.
// Read first: message-link.ts for the contract.

import type { Clock } from "@nvmeof/transport";
import type { MessageHandler, MessageLink } from "./message-link.ts";

/** One end, and what a test may do to it. */
export class MemoryLink implements MessageLink {
  readonly #clock: Pick<Clock, "defer">;
  #peer!: MemoryLink;
  #handler: MessageHandler | undefined;
  #phase: "open" | "closed" = "open";
  /** `stuck`: the thread of this end does not look at what comes. */
  #thread: "running" | "stuck" = "running";
  readonly #inbox: unknown[] = [];
  #peerEnd: "open" | "ended" | "told" = "open";
  /** Everything that was posted at this end. */
  readonly posted: unknown[] = [];

  /** Two ends, each of its own thread by its clock. */
  static pair(one: Pick<Clock, "defer">, other = one): [MemoryLink, MemoryLink] {
    const ends: [MemoryLink, MemoryLink] = [new MemoryLink(one), new MemoryLink(other)];
    [ends[0].#peer, ends[1].#peer] = [ends[1], ends[0]];
    return ends;
  }

  private constructor(clock: Pick<Clock, "defer">) {
    this.#clock = clock;
  }

  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  receive(handler: MessageHandler): void {
    if (this.#handler !== undefined) throw new Error("received twice");
    this.#handler = handler;
    this.#deliverSoon();
  }

  post(message: unknown): void {
    this.posted.push(message);
    const peer = this.#peer;
    if (this.#phase === "closed" || peer.#phase === "closed") return;
    peer.#inbox.push(structuredClone(message));
    peer.#deliverSoon();
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    const peer = this.#peer;
    peer.#peerEnd = "ended";
    peer.#deliverSoon();
  }

  /** The thread of this end does nothing any more. */
  stick(): void {
    this.#thread = "stuck";
  }

  /** It goes on. */
  goOn(): void {
    this.#thread = "running";
    this.#deliverSoon();
  }

  #deliverSoon(): void {
    this.#clock.defer(() => this.#deliver());
  }

  #deliver(): void {
    while (this.#phase === "open" && this.#thread === "running" && this.#handler !== undefined) {
      if (this.#inbox.length > 0) this.#handler.received(this.#inbox.shift());
      else if (this.#peerEnd === "ended") {
        this.#peerEnd = "told";
        this.#handler.ended();
      } else return;
    }
  }
}
