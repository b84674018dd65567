// The owner of what a lost controller leaves behind, for the state-space walk: its fence ends when the
// walk says so. Read first: `FencePort` in @nvmeof/core options.ts; fences.ts in @nvmeof/bdev is the real
// one.

import type { FencePort } from "@nvmeof/core";
import type { Clock } from "@nvmeof/transport";

interface Fence {
  readonly done: () => void;
  state: "held" | "ending" | "over";
}

export class WalkFence implements FencePort {
  /** Told when a fence begins. */
  onBegin: () => void = () => {};
  /** Told when the owner has said that a fence is over. */
  onDelivered: () => void = () => {};
  readonly #clock: Clock;
  readonly #wanted: () => boolean;
  #fence: Fence | undefined;

  /** @param wanted whether anything would be in doubt if the controller were lost now. */
  constructor(clock: Clock, wanted: () => boolean) {
    this.#clock = clock;
    this.#wanted = wanted;
  }

  /** Whether the controller waits for a fence whose end is not under way. */
  get isHeld(): boolean {
    return this.#fence?.state === "held";
  }

  /** Whether a fence was begun, and neither has it ended nor was it called off. */
  get isOpen(): boolean {
    return this.#fence !== undefined && this.#fence.state !== "over";
  }

  wanted(): boolean {
    return this.#wanted();
  }

  begin(done: () => void): () => void {
    this.onBegin();
    const fence: Fence = { done, state: "held" };
    this.#fence = fence;
    return () => void (fence.state = "over");
  }

  /** Nothing can do harm any more: the controller is told in a task of its own, as by a command's end. */
  end(): void {
    const fence = this.#fence;
    if (fence?.state !== "held") return;
    fence.state = "ending";
    this.#clock.defer(() => {
      // Also one that was called off meanwhile: the news of its end may be under way already.
      fence.state = "over";
      fence.done();
      this.onDelivered();
    });
  }
}
