// A disk that carries out some writes late, whether anybody still waits for them or not: what a target
// does that was cut off from its host. Read first: @nvmeof/bdev block-device.ts; fencing.ts uses it.

import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
  type LocalChannel,
  LocalDevice,
} from "@nvmeof/bdev";
import type { Clock } from "@nvmeof/transport";

/** A device in front of another one. */
export class LateDevice extends LocalDevice {
  readonly #inner: BlockChannel;
  #late: { left: number; readonly delayMs: number; readonly taken: () => void } | undefined;
  #pending = 0;
  #idle: (() => void)[] = [];

  constructor(clock: Clock, inner: BlockDevice) {
    const { name, blockBytes, blockCount, limits, features, identity } = inner;
    super({ name, clock, blockBytes, blockCount, limits, features, identity });
    this.#inner = inner.openChannel();
  }

  /** The next `count` writes are done `delayMs` after they came. Resolves when all of them have come. */
  late(count: number, delayMs: number): Promise<void> {
    return new Promise((taken) => (this.#late = { left: count, delayMs, taken }));
  }

  /** Resolves when no write is late any more. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#tellIdle();
    });
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const late = this.#late;
    if (late === undefined || request.op !== BlockOp.Write) {
      this.#inner.submit(request, (error) => channel.finish(settle, error));
      return;
    }
    if (--late.left === 0) {
      this.#late = undefined;
      late.taken();
    }
    this.#pending++;
    // Its own copy: when the connection is gone, the buffer is the target's again.
    const own: BlockRequest = { ...request, data: request.data?.slice() };
    this.clock.at(this.clock.nowMs() + late.delayMs, () =>
      this.#inner.submit(own, (error) => {
        channel.finish(settle, error);
        this.#pending--;
        this.#tellIdle();
      }),
    );
  }

  protected override async release(): Promise<void> {
    this.#inner.close();
  }

  #tellIdle(): void {
    if (this.#pending > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
