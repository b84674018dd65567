// One call of a promise, from being made to the end of its request; an abort ends the wait earlier.
// Used by disk-channel.ts.

import type { NvmeofError } from "@nvmeof/codec";
import type { BlockRequest } from "./block-device.ts";
import type { SignalListeners } from "./signal-listeners.ts";

/** A call that has not settled: waiting for room, or submitted. */
export class DiskCall {
  readonly request: BlockRequest;
  readonly #stopListening: (() => void) | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;
  /** Told when the request is over, whatever the caller was told. */
  readonly #ended: (() => void)[] = [];

  constructor(
    request: BlockRequest,
    signal: AbortSignal | undefined,
    signals: SignalListeners,
    settle: { resolve: () => void; reject: (reason: unknown) => void },
    aborted: (call: DiskCall) => void,
  ) {
    this.request = request;
    this.#resolve = settle.resolve;
    this.#reject = settle.reject;
    this.#stopListening =
      signal &&
      signals.add(signal, () => {
        this.#settle(signal.reason);
        aborted(this);
      });
  }

  /** The request is over; the caller is told unless it was told of an abort already. */
  end(error: NvmeofError | undefined): void {
    this.#settle(error);
    for (const told of this.#ended) told();
  }

  onEnded(told: () => void): void {
    this.#ended.push(told);
  }

  /** Whether the request's data and `buffer` have a byte in common. */
  uses(buffer: Uint8Array): boolean {
    const { data } = this.request;
    if (data === undefined || data.buffer !== buffer.buffer) return false;
    const end = (view: Uint8Array): number => view.byteOffset + view.byteLength;
    return data.byteOffset < end(buffer) && buffer.byteOffset < end(data);
  }

  #settle(reason: unknown): void {
    const [resolve, reject] = [this.#resolve, this.#reject];
    this.#resolve = undefined;
    this.#reject = undefined;
    this.#stopListening?.();
    if (reason === undefined) resolve?.();
    else reject?.(reason);
  }
}
