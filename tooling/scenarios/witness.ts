// Stands between a controller and its transport, and notes what must never happen there.
// Read first: linux-nvme-recovery.md §1.7, R1, R2, R11 and R15; @nvmeof/transport queue-link.ts.

import { OPC_FABRICS, Sqe, viewOf } from "@nvmeof/codec";
import type { QueueEvents, QueueLink, QueueOptions, Transport } from "@nvmeof/transport";
import type { World, WorldOptions } from "./world.ts";

/** What a host did from where it must not, and what it sent when it must not. */
export class Witness {
  /** One line for each fault. */
  readonly faults: string[] = [];
  /** Queues that were closed. */
  closed = 0;
  /** Queues that were lost. */
  lost = 0;
  /** I/O commands that were sent. */
  ioCommands = 0;
  /** Whether I/O may be sent now; asked for each command. */
  ioMayBeSent: () => boolean = () => true;
  #callback: "none" | "running" = "none";

  /** Options for a world that is watched. */
  get options(): Pick<WorldOptions, "watch"> {
    return { watch: (transport, world) => this.#watch(transport, world) };
  }

  #watch(inner: Transport, world: World): Transport {
    return { ...inner, openQueue: (options, events) => this.#open(inner, options, events, world) };
  }

  #open(inner: Transport, options: QueueOptions, events: QueueEvents, world: World): QueueLink {
    this.#mustBeFree("a queue is opened", world);
    let phase: "open" | "closed" = "open";
    const link = inner.openQueue(options, {
      opened: () => this.#inCallback(() => events.opened()),
      completed: (cid, view, base) => this.#inCallback(() => events.completed(cid, view, base)),
      lost: (error) => {
        phase = "closed";
        this.lost++;
        this.#inCallback(() => events.lost(error));
      },
    });
    return {
      submit: (cid, sqe, direction, data) => {
        if (phase === "closed") this.faults.push(`a command on queue ${options.qid} after its end`);
        const isFabrics = Sqe.opc.get(viewOf(sqe)) === OPC_FABRICS;
        if (options.qid > 0 && !isFabrics) {
          this.ioCommands++;
          if (!this.ioMayBeSent()) this.faults.push(`I/O on queue ${options.qid} too early`);
        }
        link.submit(cid, sqe, direction, data);
      },
      detach: (cid) => link.detach(cid),
      close: (how) => {
        this.closed++;
        phase = "closed";
        this.#mustBeFree("a queue is closed", world);
        link.close(how);
      },
    };
  }

  /** Recovery has an executor of its own: neither a timer nor a driver waits for it. */
  #mustBeFree(what: string, world: World): void {
    if (world.hostClock.isInTimer) this.faults.push(`${what} inside a timer`);
    if (this.#callback === "running")
      this.faults.push(`${what} inside a callback of its transport`);
  }

  #inCallback(task: () => void): void {
    this.#callback = "running";
    try {
      task();
    } finally {
      this.#callback = "none";
    }
  }
}
