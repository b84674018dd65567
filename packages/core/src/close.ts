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
import { propertyGetCommand, propertySetCommand, sendAdmin } from "./admin.ts";
import type { Association } from "./association.ts";
import { AbortedError } from "./errors.ts";
import type { QueuePair } from "./queue-pair.ts";
import { type Sequence, pause, step } from "./sequence.ts";

/** Options of a close. */
export interface CloseOptions {
  /** The whole close is over by then, ms. Default 2 s. */
  readonly boundMs?: number;
  /** Another path leads to the same data: what is ended here may be tried there (no DNR). */
  readonly pathsRemain?: boolean;
}

/** The steps of a close that take time, in their order. */
export type ClosePhase = "cancel" | "announce" | "drain" | "abort" | "shutdown" | "sockets";

/** What a close did. */
export interface CloseReport {
  /** What the controller was closed for: undefined when somebody asked for it. */
  readonly reason: NvmeofError | undefined;
  /** Time of each phase, ms; those that were not needed are not there. */
  readonly phasesMs: Partial<Record<ClosePhase, number>>;
  /** From the call to the end, ms. */
  readonly totalMs: number;
  /** Commands that were ended without an answer. */
  readonly abortedCommands: number;
  /** The controller was told, and said that it has shut down. */
  readonly shutdown: "complete" | "not-told" | "unanswered";
  /** Handles that somebody still holds; they are dead and pin nothing. */
  readonly openHandles: readonly string[];
}

/** Shares of the bound: the rest is for what takes no time but may have to wait for its turn. */
const DRAIN_SHARE = 0.25;
const SHUTDOWN_SHARE = 0.5;
const SHUTDOWN_POLL_MS = 10;

/** What a close works on. */
export interface Closing {
  readonly clock: Clock;
  /** What is connected now; undefined where nothing is. */
  readonly association: Association | undefined;
  readonly boundMs: number;
  readonly pathsRemain: boolean;
  /** Tells the layers above: they move work to other paths, or announce the removal. */
  announce(): void;
}

/** What the sequence found; the controller makes the report of it. */
export type CloseResult = Pick<CloseReport, "phasesMs" | "abortedCommands" | "shutdown">;

/** Steps 3 to 7 of a close; gate, cancel, release and report are the controller's. */
export function* closeSequence(closing: Closing): Sequence<CloseResult> {
  const { clock, association } = closing;
  const phasesMs: Partial<Record<ClosePhase, number>> = {};
  let sinceMs = clock.nowMs();
  const phase = (name: ClosePhase): void => {
    const nowMs = clock.nowMs();
    phasesMs[name] = nowMs - sinceMs;
    sinceMs = nowMs;
  };
  closing.announce();
  phase("announce");
  if (association === undefined) return { phasesMs, abortedCommands: 0, shutdown: "not-told" };

  const ended = (): NvmeofError =>
    new AbortedError("controller-closed", "unknown", !closing.pathsRemain);
  const answers = yield* drain(closing, association);
  phase("drain");
  const abortedCommands = association.io.reduce((sum, queue) => sum + queue.inflight, 0);
  const { admin } = association;
  if (!answers || admin === undefined || !association.enabled) {
    association.close("reset", ended);
    phase("abort");
    return { phasesMs, abortedCommands, shutdown: "not-told" };
  }
  admin.abandonAll(ended);
  phase("abort");
  const told = yield* shutDown(closing, admin);
  phase("shutdown");
  association.close(told ? "orderly" : "reset", ended);
  phase("sockets");
  return { phasesMs, abortedCommands, shutdown: told ? "complete" : "unanswered" };
}

/** Waits for what is in flight, if it ends soon. Says whether the peer is worth talking to. */
function* drain({ clock, boundMs }: Closing, association: Association): Sequence<boolean> {
  const busy = association.io.filter((queue) => queue.inflight > 0);
  if (busy.length === 0) return true;
  const limitMs = boundMs * DRAIN_SHARE;
  return yield* step<boolean>("drain", Infinity, (done) => {
    const timer = clock.at(clock.nowMs() + limitMs, () => done(undefined, false));
    for (const queue of busy) {
      queue.gate(() => {
        if (busy.some((other) => other.inflight > 0)) return;
        timer.cancel();
        done(undefined, true);
      });
    }
  });
}

/** CC.SHN, and the wait for CSTS.SHST. Any failure means that the peer is not worth waiting for. */
function* shutDown({ clock, boundMs }: Closing, admin: QueuePair): Sequence<boolean> {
  const byMs = clock.nowMs() + boundMs * SHUTDOWN_SHARE;
  const ask = (command: ReturnType<typeof propertyGetCommand>): Sequence<number | undefined> =>
    step<number | undefined>("shutdown", Infinity, (done) => {
      const timer = clock.at(byMs, () => done(undefined, undefined));
      const sent = sendAdmin(admin, command, Infinity, (error, dw0) => {
        timer.cancel();
        done(undefined, error === undefined ? dw0 : undefined);
      });
      if (!sent) done(undefined, undefined);
    });
  const cc = encodeDword(Cc, { en: 1, shn: Shn.Normal, iosqes: 6, iocqes: 4 });
  if ((yield* ask(propertySetCommand(Property.Cc, cc))) === undefined) return false;
  for (;;) {
    const csts = yield* ask(propertyGetCommand(Property.Csts));
    if (csts === undefined) return false;
    if (decodeDwords(Csts, csts).shst === Shst.Complete) return true;
    if (clock.nowMs() + SHUTDOWN_POLL_MS >= byMs) return false;
    yield* pause(clock, SHUTDOWN_POLL_MS);
  }
}
