// A disk that does at once what it is asked, and answers when it is told to.
// Read first: @nvmeof/bdev block-device.ts for the contract.

import {
  type BlockChannel,
  type BlockRequest,
  type BlockSettle,
  type LocalChannel,
  LocalDevice,
  type MemoryDeviceOptions,
  memoryDevice,
} from "@nvmeof/bdev";
import type { NvmeofError } from "@nvmeof/codec";
import { BLOCK_BYTES, World, type WorldOptions } from "./world.ts";

/** Memory whose answers can be held back. */
export class HeldDisk extends LocalDevice {
  /** Requests that reached it, oldest first. */
  readonly seen: { readonly op: number; readonly lba: number; readonly blockCount: number }[] = [];
  answers: "at once" | "held" = "at once";
  readonly #memory: BlockChannel;
  #held: (() => void)[] = [];

  constructor(options: MemoryDeviceOptions) {
    const memory = memoryDevice(options);
    super({ ...options, limits: memory.limits, features: memory.features });
    this.#memory = memory.openChannel();
  }

  /** Answers all that it holds, oldest first, and holds nothing more. */
  answerAll(): void {
    this.answers = "at once";
    for (const answer of this.#held.splice(0)) answer();
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const { op, lba, blockCount } = request;
    this.seen.push({ op, lba, blockCount });
    this.#memory.submit(request, (error: NvmeofError | undefined) => {
      const answer = (): void => channel.finish(settle, error);
      if (this.answers === "held") this.#held.push(answer);
      else answer();
    });
  }
}

/** A world whose one namespace is such a disk. */
export function heldWorld(options: WorldOptions = {}, blockCount = 4096) {
  const disks: HeldDisk[] = [];
  const world = new World({
    ...options,
    namespaces: [blockCount],
    disk: (clock, name) => {
      disks.push(new HeldDisk({ name, clock, blockBytes: BLOCK_BYTES, blockCount }));
      return disks[0]!;
    },
  });
  return { world, disk: disks[0]! };
}
