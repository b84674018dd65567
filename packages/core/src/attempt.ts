// One attempt to connect: runs the bring-up, and fails as a whole with the first thing that fails.
// Read first: bring-up.ts for the steps; DESIGN.md §4, "Any error while connecting fails this attempt".

import { type NvmeofError, ProtocolError } from "@nvmeof/codec";
import type { Transport } from "@nvmeof/transport";
import type { Association, ControllerFacts } from "./association.ts";
import type { AuthContext } from "./auth/authenticate.ts";
import { AuthenticationError } from "./auth/errors.ts";
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
  /** The controller wants to be told anew who the host is, after the attempt has succeeded. */
  authRequired(): void;
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
  auth?: AuthContext,
): RunningSequence {
  let outcome: "pending" | "known" = "pending";
  const queueEvents = {
    expired: (qid: number, cid: number): void => {
      const queue = association.queues.find((candidate) => candidate.qid === qid);
      if (queue !== undefined) events.expired(queue, cid);
    },
    // Before that, the step that was refused fails the attempt.
    authRequired: (): void => {
      if (outcome === "known") events.authRequired();
    },
    // Of any queue: one that was ready long ago is missed as much as the one that is being connected.
    // It comes before the step that it ends has its turn, and says more than that would.
    lost: (error: NvmeofError): void => {
      const why = association.refusal ?? error;
      if (outcome === "known") {
        events.lost(why);
        return;
      }
      outcome = "known";
      running.cancel();
      events.failed(why);
    },
  };
  const sequence = bringUp({ options, transport, association, auth, events: queueEvents });
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
  const says =
    error instanceof ConnectRejectedError ||
    error instanceof UnsupportedError ||
    error instanceof AuthenticationError;
  // [F82] Whoever speaks another protocol, or answers ICReq with what cannot be, will do so again.
  if (error instanceof ProtocolError)
    return error.phase === "initialize" || error.speaks !== undefined;
  return says && error.permanent;
}
