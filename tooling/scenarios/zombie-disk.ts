// A disk that takes its time: what it was asked to do is done later, whether anybody still waits or not.
// Read first: reliability-anchors.md §1.3 (why fencing), F65; @nvmeof/bdev block-device.ts.

import { type BlockRequest, type BlockSettle, type LocalChannel, LocalDevice } from "@nvmeof/bdev";
import { type BlockChannel, memoryDevice } from "@nvmeof/bdev";
import type { Random } from "@nvmeof/core";
import type { VirtualClock } from "@nvmeof/transport/testing";
import { BLOCK_BYTES } from "./world.ts";

/** Memory behind a queue that nobody can take a request out of again. */
export class ZombieDisk extends LocalDevice {
  readonly #memory: BlockChannel;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  /** Longest time that a request takes, ms; most take less than one. */
  delayMaxMs = 0;

  constructor(clock: VirtualClock, name: string, blockCount: number, random: Random) {
    const memory = memoryDevice({ name, clock, blockBytes: BLOCK_BYTES, blockCount });
    const { limits, features } = memory;
    super({ name, clock, blockBytes: BLOCK_BYTES, blockCount, limits, features });
    this.#memory = memory.openChannel();
    this.#clock = clock;
    this.#random = random;
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    // Its own copy: the buffer is the target's again when the connection is gone.
    const own: BlockRequest = { ...request, data: request.data?.slice() };
    const delayMs =
      this.#random.next32() % 8 === 0 ? this.#random.next32() % (this.delayMaxMs + 1) : 0;
    this.#clock.at(this.#clock.nowMs() + delayMs, () =>
      this.#memory.submit(own, (error) => {
        if (own.data !== undefined && request.op === 0) request.data?.set(own.data);
        channel.finish(settle, error);
      }),
    );
  }
}
