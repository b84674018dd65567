// Admin commands of users: those that the admin queue has room for, and those that wait, bounded.
// Read first: controller.ts. The controller's own commands (keep-alive, aborts) never wait here.

import { NvmeofError, Status } from "@nvmeof/codec";
import { type AdminCommand, sendAdmin } from "./admin.ts";
import type { CommandSettle } from "./command-table.ts";
import { AbortedError } from "./errors.ts";
import { guarded } from "./guard.ts";
import type { ResolvedOptions } from "./options.ts";
import type { QueuePair } from "./queue-pair.ts";

/**
 * Slots of the admin queue kept back for the controller's own commands: a keep-alive, an event
 * request, three aborts (see timeouts.ts) and the shutdown; where it authenticates, one more for that.
 */
const RESERVED_SLOTS = 6;

interface Waiting {
  readonly queue: QueuePair;
  readonly command: AdminCommand;
  readonly settle: CommandSettle;
}

export class AdminWaitingList {
  readonly #options: ResolvedOptions;
  #waiting: Waiting[] = [];
  #inflight = 0;
  #idleTasks: (() => void)[] = [];
  /** `gated`: what waits is not sent any more; it waits to be cleared. */
  #phase: "open" | "gated" = "open";

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  /** Commands that were sent and not settled. */
  get inflight(): number {
    return this.#inflight;
  }

  /** Sends `command`, or lets it wait behind those that wait; `settle` is called once, later. */
  send(queue: QueuePair, command: AdminCommand, settle: CommandSettle): void {
    if (this.#waiting.length === 0 && this.#hasRoom(queue)) {
      this.#submit({ queue, command, settle });
    } else if (this.#waiting.length < this.#options.adminWaitingMax) {
      this.#waiting.push({ queue, command, settle });
    } else {
      const error = new NvmeofError(
        "NVME_ERR_QUEUE_FULL",
        `${this.#waiting.length} admin commands wait already`,
        {
          outcome: "not-sent",
          status: Status.CommandInterrupted,
          hint: "Wait for some to end, or raise adminWaitingMax.",
        },
      );
      this.#refuse(settle, error);
    }
  }

  /** From now on nothing that waits is sent. */
  gate(): void {
    this.#phase = "gated";
  }

  /** What waits is settled: the queue that it waited for is gone. */
  clear(error: NvmeofError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { settle } of waiting) guarded(this.#options.clock, () => settle(error, 0, 0));
  }

  /** Calls `task` once nothing is in flight any more, whatever ended it; not inside this call. */
  whenIdle(task: () => void): void {
    this.#idleTasks.push(task);
    this.#tellIdle();
  }

  /** Own count, and not the queue's room: that is shared with the controller's own commands. */
  #hasRoom(queue: QueuePair): boolean {
    const reserved = RESERVED_SLOTS + (this.#options.authentication === undefined ? 0 : 1);
    return this.#inflight < queue.depth - reserved;
  }

  #submit({ queue, command, settle }: Waiting): void {
    // The queue is gone, and the controller has not been told yet.
    let error: NvmeofError = new AbortedError("not-connected", "not-sent", false);
    try {
      const { adminTimeoutMs } = this.#options;
      const sent = sendAdmin(queue, command, adminTimeoutMs, (failure, dw0, dw1) => {
        this.#inflight--;
        // Those who wait go before what the callback may send.
        this.#pump();
        this.#tellIdle();
        settle(failure, dw0, dw1);
      });
      if (sent) {
        this.#inflight++;
        return;
      }
    } catch (thrown) {
      // The caller's own `fill`.
      error = thrown as NvmeofError;
    }
    this.#refuse(settle, error);
  }

  #pump(): void {
    while (this.#phase === "open" && this.#waiting.length > 0) {
      const [next] = this.#waiting;
      if (!next!.queue.hasRoom || !this.#hasRoom(next!.queue)) return;
      this.#waiting.shift();
      this.#submit(next!);
    }
  }

  #refuse(settle: CommandSettle, error: NvmeofError): void {
    const { clock } = this.#options;
    clock.defer(() => guarded(clock, () => settle(error, 0, 0)));
  }

  #tellIdle(): void {
    if (this.#inflight > 0) return;
    for (const task of this.#idleTasks.splice(0)) this.#options.clock.defer(task);
  }
}
