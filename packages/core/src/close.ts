// How a controller ends: nine steps, each bounded, whatever the peer does and whoever holds a handle.
// Read first: DESIGN.md §4 "Close"; Base 2.0 §3.6 "Shutdown Processing".

import {
  Cc,
  Csts,
  type NvmeofError,
  Property,
  Shn,
  Shst,
  decodeDwords,
  encodeDword,
} from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import { type AdminCommand, propertyGetCommand, propertySetCommand, sendAdmin } from "./admin.ts";
import type { AdminWaitingList } from "./admin-waiting-list.ts";
import type { Association } from "./association.ts";
import type { QueuePair } from "./queue-pair.ts";
import { type Sequence, pause, step } from "./sequence.ts";

/** Options of a close. */
export interface CloseOptions {
  /** The whole close is over by then, ms. Default 2 s. */
  readonly boundMs?: number;
  /** Another path leads to the same data: what is ended here may be tried there (no DNR). */
  readonly pathsRemain?: boolean;
}

/** The steps of a close that may take time, in their order. */
export type ClosePhase = "cancel" | "drain" | "abort" | "shutdown" | "sockets";

/** What a close did. */
export interface CloseReport {
  /** What the controller was closed for: undefined when somebody asked for it. */
  readonly reason: NvmeofError | undefined;
  /** Time of each phase, ms; those that were not needed are not there. */
  readonly phasesMs: Partial<Record<ClosePhase, number>>;
  /** From the call to the end, ms. */
  readonly totalMs: number;
  /** Commands, of users, that were ended without an answer. */
  readonly abortedCommands: number;
  /** The controller was told, and said that it has shut down. */
  readonly shutdown: "complete" | "not-told" | "unanswered";
  /** Handles that somebody still holds; they are dead and pin nothing. */
  readonly openHandles: readonly string[];
}

/** Shares of the bound: the rest is for what takes no time but may have to wait for its turn. */
const DRAIN_SHARE = 0.25;
const SHUTDOWN_SHARE = 0.5;
/** However long the whole close may take, a controller gets no more than this to shut down. */
const SHUTDOWN_MAX_MS = 1_000;
const SHUTDOWN_POLL_MS = 10;
/** RTD3E is in microseconds. */
const US_PER_MS = 1_000;

/** What a close works on. */
export interface Closing {
  readonly clock: Clock;
  /** What is connected now; undefined where nothing is. */
  readonly association: Association | undefined;
  /** Admin commands of users. */
  readonly admin: Pick<AdminWaitingList, "inflight" | "whenIdle">;
  readonly boundMs: number;
  /** What commands are settled with that are ended without an answer. */
  readonly ended: () => NvmeofError;
}

/** What the sequence found; the controller makes the report of it. */
export type CloseResult = Pick<CloseReport, "phasesMs" | "abortedCommands" | "shutdown">;

/** Steps 4 to 7 of a close; gate, cancel, announcement, release and report are the controller's. */
export function* closeSequence(closing: Closing): Sequence<CloseResult> {
  const { clock, association, ended } = closing;
  const phasesMs: Partial<Record<ClosePhase, number>> = {};
  let sinceMs = clock.nowMs();
  const phase = (name: ClosePhase): void => {
    const nowMs = clock.nowMs();
    phasesMs[name] = nowMs - sinceMs;
    sinceMs = nowMs;
  };
  if (association === undefined) return { phasesMs, abortedCommands: 0, shutdown: "not-told" };

  yield* drain(closing, association.io);
  phase("drain");
  const abortedCommands = inflightOf(closing, association.io);
  const { admin, cc } = association;
  // Who has not answered what was asked of it is not asked anything more.
  if (abortedCommands > 0 || admin === undefined || cc === undefined) {
    association.close("reset", ended);
    phase("abort");
    return { phasesMs, abortedCommands, shutdown: "not-told" };
  }
  admin.abandonAll(ended);
  phase("abort");
  const shutdown = yield* shutDown(closing, { admin, cc, entryMs: entryMsOf(association) });
  phase("shutdown");
  association.close(shutdown === "complete" ? "orderly" : "reset", ended);
  phase("sockets");
  return { phasesMs, abortedCommands, shutdown };
}

const inflightOf = ({ admin }: Closing, io: readonly QueuePair[]): number =>
  io.reduce((sum, queue) => sum + queue.inflight, admin.inflight);

/** Waits for what users have in flight, if it ends soon. */
function* drain(closing: Closing, io: readonly QueuePair[]): Sequence<void> {
  const { clock, admin, boundMs } = closing;
  if (inflightOf(closing, io) === 0) return;
  yield* step<void>("drain", Infinity, (done) => {
    const timer = clock.at(clock.nowMs() + boundMs * DRAIN_SHARE, () => done(undefined));
    const look = (): void => {
      if (inflightOf(closing, io) === 0) done(undefined);
    };
    for (const queue of io) queue.gate(look);
    admin.whenIdle(look);
    return () => timer.cancel();
  });
}

/** Time that the controller says it needs to shut down; `Infinity` where it does not say. */
function entryMsOf({ facts }: Association): number {
  const us = facts?.identify.rtd3e ?? 0;
  return us === 0 ? Infinity : us / US_PER_MS;
}

/** What is shut down, and how long it says that it takes. */
interface ShuttingDown {
  readonly admin: QueuePair;
  readonly cc: number;
  readonly entryMs: number;
}

/**
 * CC.SHN, and the wait for CSTS.SHST. Any failure means that the peer is not worth waiting for. What
 * it needs (RTD3E) counts from its answer to the notice, and it is looked at once more when that has
 * passed: the way there and back is none of the controller's time.
 */
function* shutDown(
  { clock, boundMs }: Closing,
  { admin, cc, entryMs }: ShuttingDown,
): Sequence<CloseReport["shutdown"]> {
  const byMs = clock.nowMs() + Math.min(boundMs * SHUTDOWN_SHARE, SHUTDOWN_MAX_MS);
  const ask = (command: AdminCommand): Sequence<number | undefined> =>
    step<number | undefined>("shutdown", Infinity, (done) => {
      const timer = clock.at(byMs, () => done(undefined, undefined));
      const sent = sendAdmin(admin, command, Infinity, (error, dw0) =>
        done(undefined, error === undefined ? dw0 : undefined),
      );
      if (!sent) done(undefined, undefined);
      return () => timer.cancel();
    });
  if (!admin.hasRoom) return "not-told";
  // The rest of CC stays as it is: it must not change while the controller is enabled.
  const notice = encodeDword(Cc, { ...decodeDwords(Cc, cc), shn: Shn.Normal });
  if ((yield* ask(propertySetCommand(Property.Cc, notice))) === undefined) return "unanswered";
  const readyByMs = Math.min(clock.nowMs() + entryMs, byMs);
  for (;;) {
    const askedMs = clock.nowMs();
    const csts = yield* ask(propertyGetCommand(Property.Csts));
    if (csts === undefined) return "unanswered";
    if (decodeDwords(Csts, csts).shst === Shst.Complete) return "complete";
    if (askedMs >= readyByMs) return "unanswered";
    yield* pause(clock, Math.min(SHUTDOWN_POLL_MS, Math.max(readyByMs - clock.nowMs(), 0)));
  }
}
