// What one connect attempt builds: the queues of an association, and what the controller said.
// Read first: Base 2.0 §3.3.2 "Message-based Transport Queue Model", "Association"; bring-up.ts.

import type { Decoded, IdentifyController, NvmeofError } from "@nvmeof/codec";
import type { CloseHow, QueueOwner } from "@nvmeof/transport";
import type { AuthResult } from "./auth/host-exchange.ts";
import type { CommandWatchers } from "./command-watch.ts";
import type { QueuePair } from "./queue-pair.ts";

/** Facts of a controller, as it gave them during the bring-up that is current. */
export interface ControllerFacts {
  readonly cntlid: number;
  /** CAP, both halves. */
  readonly cap: { readonly low: number; readonly high: number };
  /** VS, as the property has it. */
  readonly version: number;
  readonly identify: Decoded<typeof IdentifyController>;
  /** The 4,096 bytes that `identify` was decoded from. */
  readonly identifyBytes: Uint8Array;
  /** Most bytes of one data transfer: MDTS, or our own limit where that is less. */
  readonly transferBytesMax: number;
  /** KATO in force, ms; 0 where keep-alive is off. */
  readonly keepAliveTimeoutMs: number;
}

/**
 * The queues of one association. Queues come and go as the attempt proceeds, and teardown takes what
 * is there: nothing has to be complete to be closed.
 */
export class Association {
  /** When the attempt began that builds it, ms. */
  readonly sinceMs: number;
  /** What its queues give as their owner: a transport knows by it that they belong together. */
  owner: QueueOwner | undefined;
  admin: QueuePair | undefined;
  readonly io: QueuePair[] = [];
  facts: ControllerFacts | undefined;
  /** How queues were authenticated, by QID; those that were not are not there. */
  readonly authenticated = new Map<number, AuthResult>();
  /** Why it is of no use: what authentication has found tells more than the end of a queue that follows. */
  refusal: NvmeofError | undefined;
  /** CC as the host has set it; undefined before that: then there is nothing to shut down. */
  cc: number | undefined;

  readonly #watchers: CommandWatchers | undefined;

  /** @param watchers see the commands of its queues. */
  constructor(sinceMs = 0, watchers?: CommandWatchers) {
    this.sinceMs = sinceMs;
    this.#watchers = watchers;
  }

  /** A queue was made. The association has it from now on, so that it is closed in any case. */
  add(queue: QueuePair): void {
    if (queue.qid === 0) this.admin = queue;
    else this.io.push(queue);
    this.#watchers?.attach(queue);
  }

  /** Admin queue first, then the I/O queues by QID. */
  get queues(): QueuePair[] {
    return this.admin === undefined ? [...this.io] : [this.admin, ...this.io];
  }

  get inflight(): number {
    return this.queues.reduce((sum, queue) => sum + queue.inflight, 0);
  }

  /**
   * Ends every queue, all at once, settling what is in flight on each. None takes a command that a
   * callback of another one submits.
   */
  close(how: CloseHow, errorOf: (qid: number, cid: number) => NvmeofError): void {
    const { queues } = this;
    for (const queue of queues) queue.gate();
    // I/O queues first, as the specification has it; the admin queue says goodbye last.
    for (const queue of queues.toReversed()) queue.close(how, (cid) => errorOf(queue.qid, cid));
  }
}
