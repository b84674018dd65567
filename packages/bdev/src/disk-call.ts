// One call of a promise, from being made to the end of its request; an abort ends the wait earlier.
// Used by disk-channel.ts, again and again: what is made for each call is the promise, and no more.

import type { NvmeofError } from "@nvmeof/codec";
import { BlockOp, type BlockRequest, type BlockSettle } from "./block-device.ts";
import type { SignalListeners } from "./signal-listeners.ts";

/** Where a call stands. Integers, since they are compared for every call. */
export const CallPhase = { Idle: 0, Waiting: 1, Submitted: 2 } as const;
type CallPhase = (typeof CallPhase)[keyof typeof CallPhase];

/** A place for a call: idle, or with one that waits for room or is submitted. */
export class DiskCall {
  readonly request: BlockRequest = {
    op: BlockOp.Read,
    lba: 0,
    blockCount: 0,
    data: undefined,
    fua: false,
  };
  /** For the channel that the request is submitted to. */
  readonly settle: BlockSettle;
  phase: CallPhase = CallPhase.Idle;
  #resolve: ((value: Uint8Array | undefined) => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;
  #stopListening: (() => void) | undefined;
  /** Told when the request is over, whatever the caller was told. */
  #ended: (() => void)[] | undefined;
  readonly #take = (
    resolve: (value: Uint8Array | undefined) => void,
    reject: (reason: unknown) => void,
  ): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };

  constructor(over: (call: DiskCall, error: NvmeofError | undefined) => void) {
    this.settle = (error) => over(this, error);
  }

  /** Begins a call. A read resolves with its data, all others with nothing. */
  begin(
    op: BlockOp,
    lba: number,
    blockCount: number,
    data: Uint8Array | undefined,
    fua: boolean,
  ): Promise<Uint8Array | undefined> {
    const { request } = this;
    request.op = op;
    request.lba = lba;
    request.blockCount = blockCount;
    request.data = data;
    request.fua = fua;
    return new Promise(this.#take);
  }

  /** An abort rejects the call at once, and `aborted` is told. */
  listen(signal: AbortSignal, signals: SignalListeners, aborted: (call: DiskCall) => void): void {
    this.#stopListening = signals.add(signal, () => {
      this.#tell(signal.reason);
      aborted(this);
    });
  }

  /** The request is over; the caller is told unless it was told of an abort already. */
  end(error: NvmeofError | undefined): void {
    this.#tell(error);
    this.phase = CallPhase.Idle;
    this.request.data = undefined;
    const ended = this.#ended;
    if (ended === undefined) return;
    this.#ended = undefined;
    for (const told of ended) told();
  }

  onEnded(told: () => void): void {
    (this.#ended ??= []).push(told);
  }

  /** Whether the request's data and `buffer` have a byte in common. */
  uses(buffer: Uint8Array): boolean {
    const { data } = this.request;
    if (data === undefined || data.buffer !== buffer.buffer) return false;
    const end = (view: Uint8Array): number => view.byteOffset + view.byteLength;
    return data.byteOffset < end(buffer) && buffer.byteOffset < end(data);
  }

  #tell(reason: unknown): void {
    const resolve = this.#resolve;
    if (resolve === undefined) return;
    const reject = this.#reject!;
    this.#resolve = undefined;
    this.#reject = undefined;
    this.#stopListening?.();
    this.#stopListening = undefined;
    const { op, data } = this.request;
    if (reason === undefined) resolve(op === BlockOp.Read ? data : undefined);
    else reject(reason);
  }
}
