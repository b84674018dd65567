// Admin commands of users: those that the admin queue has room for, and those that wait, bounded.
// Read first: controller.ts. The controller's own commands (keep-alive, aborts) never wait here.

import { NvmeofError } from "@nvmeof/codec";
import { type AdminCommand, sendAdmin } from "./admin.ts";
import type { CommandSettle } from "./command-table.ts";
import type { ResolvedOptions } from "./options.ts";
import type { QueuePair } from "./queue-pair.ts";

/** Slots of the admin queue kept back: keep-alive, an event request, aborts, shutdown. */
const RESERVED_SLOTS = 6;

interface Waiting {
  readonly command: AdminCommand;
  readonly settle: CommandSettle;
}

export class AdminWaitingList {
  readonly #waitingMax: number;
  #waiting: Waiting[] = [];
  #inflight = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  send(
    queue: QueuePair,
    command: AdminCommand,
    options: ResolvedOptions,
    settle: CommandSettle,
  ): void {
    if (this.#inflight < queue.depth - RESERVED_SLOTS) {
      this.#submit(queue, command, options, settle);
    } else if (this.#waiting.length < this.#waitingMax) {
      this.#waiting.push({ command, settle });
    } else {
      const error = new NvmeofError(
        "NVME_ERR_QUEUE_FULL",
        `${this.#waiting.length} admin commands wait already`,
        { outcome: "not-sent", hint: "Wait for some to end, or raise adminWaitingMax." },
      );
      options.clock.defer(() => settle(error, 0, 0));
    }
  }

  /** What waits is settled: the queue that it waited for is gone. */
  clear(error: NvmeofError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { settle } of waiting) settle(error, 0, 0);
  }

  #submit(
    queue: QueuePair,
    command: AdminCommand,
    options: ResolvedOptions,
    settle: CommandSettle,
  ): void {
    this.#inflight++;
    const sent = sendAdmin(queue, command, options.adminTimeoutMs, (error, dw0, dw1) => {
      this.#inflight--;
      settle(error, dw0, dw1);
      const next = queue.hasRoom ? this.#waiting.shift() : undefined;
      if (next !== undefined) this.#submit(queue, next.command, options, next.settle);
    });
    if (sent) return;
    this.#inflight--;
    const error = new NvmeofError("NVME_ERR_NOT_CONNECTED", "the admin queue is closed", {
      outcome: "not-sent",
    });
    options.clock.defer(() => settle(error, 0, 0));
  }
}
