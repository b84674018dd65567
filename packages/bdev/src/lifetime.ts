// The life of a device: who observes it, which channels are open, and how it ends, once.
// Read first: block-device.ts; DESIGN.md §4 "Close". Local devices and registry handles live so.

import type { Clock } from "@nvmeof/transport";
import type { BlockChannel, BlockDeviceEvent } from "./block-device.ts";
import { Observers } from "./observers.ts";

/** Observers, channels and the end of one device. */
export class Lifetime {
  readonly #clock: Pick<Clock, "defer">;
  readonly #release: () => Promise<void> | void;
  readonly #observers: Observers<BlockDeviceEvent>;
  readonly #channels = new Set<BlockChannel>();
  #closed: { readonly reason: string; readonly done: Promise<void> } | undefined;
  /** Set while a close waits for the channels. */
  #channelsEnded: (() => void) | undefined;

  /** `release` gives back what the device holds, once, when nothing is in flight any more. */
  constructor(clock: Pick<Clock, "defer">, release: () => Promise<void> | void) {
    this.#clock = clock;
    this.#release = release;
    this.#observers = new Observers(clock);
  }

  /** Why no more requests are taken; `undefined` while they are. */
  get closed(): string | undefined {
    return this.#closed?.reason;
  }

  observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  /** Tells the observers, unless "removed" is told already. */
  tell(event: BlockDeviceEvent): void {
    if (this.#closed === undefined) this.#observers.tell(event);
  }

  /** `channel` was opened, and has to end before the device does. */
  add(channel: BlockChannel): void {
    this.#channels.add(channel);
  }

  /** `channel` is closed and has nothing in flight. */
  ended(channel: BlockChannel): void {
    this.#channels.delete(channel);
    // Deferred: the last request is about to settle, and close resolves after that.
    if (this.#closed !== undefined) this.#clock.defer(() => this.#checkEnded());
  }

  /** Closes the channels, tells "removed", waits for what is in flight, releases. Idempotent. */
  close(reason: string): Promise<void> {
    if (this.#closed === undefined) {
      const ended = new Promise<void>((resolve) => {
        this.#channelsEnded = resolve;
      });
      this.#observers.tell({ type: "removed", reason });
      this.#closed = { reason, done: ended.then(() => this.#release()) };
      for (const channel of this.#channels) channel.close();
      // After the observers were told.
      this.#clock.defer(() => this.#checkEnded());
    }
    return this.#closed.done;
  }

  #checkEnded(): void {
    if (this.#channels.size === 0) this.#channelsEnded?.();
  }
}
