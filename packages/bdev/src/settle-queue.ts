// Settling later: all requests that finish in one turn are settled together after it.
// Read first: block-device.ts, BlockSettle ("never inside submit").

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import type { BlockSettle } from "./block-device.ts";
import { rethrow } from "./observers.ts";

/** Requests that are finished and wait for their turn to settle. Kept and reused, never shrunk. */
interface Batch {
  readonly settles: (BlockSettle | undefined)[];
  readonly errors: (NvmeofError | undefined)[];
  count: number;
}

const emptyBatch = (): Batch => ({ settles: [], errors: [], count: 0 });

/**
 * Settles requests after the current callback, in the order they came, with one deferred task for all
 * of a turn and nothing allocated per request. What is added while a batch settles forms the next.
 */
export class SettleQueue {
  readonly #clock: Pick<Clock, "defer">;
  /** Called right before each settle, so that a count is right when the caller submits again. */
  readonly #released: () => void;
  #filling = emptyBatch();
  #resting = emptyBatch();
  readonly #run = (): void => this.#settleAll();

  constructor(clock: Pick<Clock, "defer">, released: () => void) {
    this.#clock = clock;
    this.#released = released;
  }

  /** Will call `settle(error)`, once. */
  add(settle: BlockSettle, error: NvmeofError | undefined): void {
    const batch = this.#filling;
    if (batch.count === 0) this.#clock.defer(this.#run);
    batch.settles[batch.count] = settle;
    batch.errors[batch.count] = error;
    batch.count++;
  }

  #settleAll(): void {
    const batch = this.#filling;
    this.#filling = this.#resting;
    for (let i = 0; i < batch.count; i++) {
      const settle = batch.settles[i]!;
      const error = batch.errors[i];
      batch.settles[i] = undefined;
      batch.errors[i] = undefined;
      this.#released();
      try {
        settle(error);
      } catch (thrown) {
        rethrow(this.#clock, thrown);
      }
    }
    batch.count = 0;
    this.#resting = batch;
  }
}
