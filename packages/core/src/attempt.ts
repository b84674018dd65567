// One attempt to connect: runs the bring-up, and fails as a whole with the first thing that fails.
// Read first: bring-up.ts for the steps; DESIGN.md §4, "Any error while connecting fails this attempt".

import { type NvmeofError } from "@nvmeof/codec";
import type { Transport } from "@nvmeof/transport";
import type { Association, ControllerFacts } from "./association.ts";
import { bringUp } from "./bring-up.ts";
import { ConnectRejectedError, UnsupportedError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";
import type { QueuePair } from "./queue-pair.ts";
import { type RunningSequence, runSequence } from "./sequence.ts";

/** What an attempt tells: `connected` or `failed`, once; the others while its queues exist. */
export interface AttemptEvents {
  connected(facts: ControllerFacts): void;
  failed(error: NvmeofError): void;
  /** A queue is gone, after the attempt has succeeded. */
  lost(error: NvmeofError): void;
  /** The deadline of a command has passed, after the attempt has succeeded. */
  expired(queue: QueuePair, cid: number): void;
}

/**
 * Begins to connect. What it builds stands in `association`, whose owner closes it: this only says how
 * the attempt ended. No event comes inside this call, and neither outcome after `cancel`.
 */
export function startAttempt(
  options: ResolvedOptions,
  transport: Transport,
  association: Association,
  events: AttemptEvents,
): RunningSequence {
  let outcome: "pending" | "known" = "pending";
  const queueEvents = {
    expired: (qid: number, cid: number): void => {
      const queue = association.queues.find((candidate) => candidate.qid === qid);
      if (queue !== undefined) events.expired(queue, cid);
    },
    // Of any queue: one that was ready long ago is missed as much as the one that is being connected.
    // It comes before the step that it ends has its turn, and says more than that would.
    lost: (error: NvmeofError): void => {
      if (outcome === "known") {
        events.lost(error);
        return;
      }
      outcome = "known";
      running.cancel();
      events.failed(error);
    },
  };
  const sequence = bringUp({ options, transport, association, events: queueEvents });
  const running: RunningSequence = runSequence(options.clock, sequence, (error, facts) => {
    outcome = "known";
    if (error === undefined) events.connected(facts!);
    else events.failed(error);
  });
  return {
    cancel: () => {
      outcome = "known";
      running.cancel();
    },
  };
}

/** Whether another attempt would be refused just the same. */
export function isPermanent(error: NvmeofError): boolean {
  const says = error instanceof ConnectRejectedError || error instanceof UnsupportedError;
  return says && error.permanent;
}
