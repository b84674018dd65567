// What follows when a command passes its deadline: nothing, an Abort, or a reset.
// Read first: TimeoutAction in options.ts; Base 2.0 §5.1 "Abort command"; DESIGN.md §4 ("A timed-out
// command keeps its CID until it is answered or its queue is gone").

import type { NvmeofError } from "@nvmeof/codec";
import { abortCommand, sendAdmin } from "./admin.ts";
import type { Association } from "./association.ts";
import { TimeoutError } from "./errors.ts";
import type { ControllerEvent } from "./observers.ts";
import type { ResolvedOptions } from "./options.ts";
import { FOREVER, type QueuePair } from "./queue-pair.ts";

/** Aborts under way at a time, whatever the controller would take: the admin queue has room for them. */
const ABORTS_MAX = 3;

/** Detectors only report: that the controller is to be torn down is posted. */
export interface TimeoutEvents {
  tell(event: ControllerEvent): void;
  lost(error: NvmeofError): void;
}

export class Timeouts {
  readonly #options: ResolvedOptions;
  readonly #events: TimeoutEvents;
  #aborts = 0;

  constructor(options: ResolvedOptions, events: TimeoutEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** The deadline of command `cid` on `queue`, of a live controller, has passed. */
  expired(association: Association, queue: QueuePair, cid: number): void {
    const { qid } = queue;
    const command = queue.nameOf(cid);
    const { onTimeout, ioTimeoutMs } = this.#options;
    const error = new TimeoutError(command, queue.timeoutOf(cid));
    if (queue.isAbandoned(cid)) {
      // Aborted or not, it should have been answered by now.
      this.#events.lost(error);
      return;
    }
    this.#events.tell({ type: "timeout", qid, cid, command });
    if (onTimeout === "none") return;
    const aborts = onTimeout === "abort" && qid > 0;
    queue.abandon(cid, error, aborts ? ioTimeoutMs : FOREVER);
    if (aborts) this.#abort(association, qid, cid);
    else this.#events.lost(error);
  }

  /** Whether it was aborted, or even sent, shows in whether the command is answered in time. */
  #abort(association: Association, qid: number, cid: number): void {
    const limit = Math.min(association.facts?.identify.acl ?? 1, ABORTS_MAX);
    if (this.#aborts >= limit) return;
    const { adminTimeoutMs } = this.#options;
    const sent = sendAdmin(association.admin!, abortCommand(qid, cid), adminTimeoutMs, () => {
      this.#aborts--;
    });
    if (sent) this.#aborts++;
  }
}
