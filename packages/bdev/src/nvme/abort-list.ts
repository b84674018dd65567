// Abort commands for requests that nobody wants any more: sent as fast as the controller takes them.
// Read first: Base 2.0 §5.1 "Abort command"; "Abort Command Limit" (ACL) of Identify Controller.

import { type Controller, type QueuePair, abortCommand } from "@nvmeof/core";

interface Unwanted {
  readonly queue: QueuePair;
  readonly cid: number;
}

/** Aborts of one controller. Their callers are settled already: how an Abort ends concerns nobody. */
export class AbortList {
  readonly #controller: Controller;
  #waiting: Unwanted[] = [];
  #underWay = 0;

  constructor(controller: Controller) {
    this.#controller = controller;
  }

  /** Tells the controller to give up a command, once fewer than ACL Aborts are under way. */
  add(queue: QueuePair, cid: number): void {
    this.#waiting.push({ queue, cid });
    this.#send();
  }

  /** The connection is gone, and with it all that there was to abort. */
  clear(): void {
    this.#waiting = [];
  }

  #send(): void {
    const limit = this.#controller.facts?.identify.acl ?? 1;
    while (this.#underWay < limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      // Answered meanwhile: the CID may be another command's by now.
      if (!next.queue.isAbandoned(next.cid)) continue;
      this.#underWay++;
      this.#controller.admin(abortCommand(next.queue.qid, next.cid), () => {
        this.#underWay--;
        this.#send();
      });
    }
  }
}
