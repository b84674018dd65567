// A controller: one owner, one mailbox, one state. Everybody posts events; only the table moves it.
// Read first: lifecycle.ts (the table), DESIGN.md §4. What the effects do in detail is in bring-up.ts,
// live-services.ts and close.ts.

import {
  AsyncErrorInfo,
  type AsyncEvent,
  AsyncEventType,
  type Decoded,
  type NvmeofError,
} from "@nvmeof/codec";
import { ClosedError } from "@nvmeof/transport";
import { type AdminCommand, abortCommand, sendAdmin } from "./admin.ts";
import { AdminWaitingList } from "./admin-waiting-list.ts";
import { Association, type ControllerFacts } from "./association.ts";
import { bringUp } from "./bring-up.ts";
import { type CloseOptions, type CloseReport, closeSequence } from "./close.ts";
import type { CommandSettle } from "./command-table.ts";
import {
  AbortedError,
  ConnectRejectedError,
  StateError,
  TimeoutError,
  UnsupportedError,
} from "./errors.ts";
import { type Effect, type Event, type State, lifecycle } from "./lifecycle.ts";
import { LiveServices } from "./live-services.ts";
import { type ControllerOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { Outage } from "./outage.ts";
import type { QueuePair } from "./queue-pair.ts";
import { type RunningSequence, runSequence } from "./sequence.ts";

/** What a controller tells those who observe it. */
export type ControllerEvent =
  | {
      readonly type: "state";
      readonly from: State;
      readonly to: State;
      readonly cause: Event;
      readonly reason: NvmeofError | undefined;
    }
  /** Step 3 of a close: work moves to other paths, or the removal is announced. */
  | { readonly type: "closing"; readonly reason: NvmeofError | undefined }
  | { readonly type: "async-event"; readonly event: Decoded<typeof AsyncEvent> }
  /** A command has passed its deadline; what follows is decided by `onTimeout`. */
  | {
      readonly type: "timeout";
      readonly qid: number;
      readonly cid: number;
      readonly command: string;
    }
  /** Fast-fail: from now on commands fail instead of waiting for the controller to come back. */
  | { readonly type: "fast-fail" }
  /** Attempt number `attempt` failed; the next one follows after `delayMs`. */
  | { readonly type: "retry"; readonly attempt: number; readonly delayMs: number };

/** How a request that was posted ends. */
export type RequestDone = (error: NvmeofError | undefined) => void;

interface Mail {
  readonly event: Event;
  readonly reason: NvmeofError | undefined;
  readonly done: RequestDone | undefined;
  /** Whether the event still concerns the controller when its turn comes: see `#postIf`. */
  readonly holds: (() => boolean) | undefined;
}

const DEFAULT_CLOSE_BOUND_MS = 2_000;

export class Controller {
  readonly options: ResolvedOptions;
  #state: State = "connecting";
  readonly #mail: Mail[] = [];
  readonly #observers = new Set<(event: ControllerEvent) => void>();
  readonly #admin: AdminWaitingList;
  /** What is connected, or being connected. */
  #association: Association | undefined;
  #attempt: RunningSequence | undefined;
  #services: LiveServices | undefined;
  /** Requests that get the result of the attempt under way. */
  #joined: RequestDone[] = [];
  #facts: ControllerFacts | undefined;
  readonly #outage: Outage;
  #transportIndex = 0;
  #closeRequest: { readonly options: CloseOptions; readonly atMs: number } | undefined;
  #reason: NvmeofError | undefined;
  #report: CloseReport | undefined;
  #closeWaiters: ((report: CloseReport) => void)[] = [];
  readonly #holders = new Map<object, string>();

  /** Checks the options; does no I/O until `start`. @throws RangeError, TypeError or NqnError. */
  constructor(options: ControllerOptions) {
    this.options = resolveOptions(options);
    this.#admin = new AdminWaitingList(this.options.adminWaitingMax);
    this.#outage = new Outage(this.options, {
      delayElapsed: (holds) => this.#postIf(holds, "delayElapsed"),
      lossElapsed: (holds, error) => this.#postIf(holds, "lossElapsed", error),
      fastFail: () => this.#tell({ type: "fast-fail" }),
    });
  }

  get state(): State {
    return this.#state;
  }

  /** What the controller said of itself; undefined before it was first live. */
  get facts(): ControllerFacts | undefined {
    return this.#facts;
  }

  /** I/O queues that take commands: none unless live, and none once a close was asked for. */
  get ioQueues(): readonly QueuePair[] {
    const open = this.#state === "live" && this.#closeRequest === undefined;
    return open ? this.#association!.io : [];
  }

  /** Address of the current, or next, connection. */
  get address(): ResolvedOptions["transports"][number]["address"] {
    return this.#transport.address;
  }

  /** Whether a command that finds no queue may wait for the controller to come back. */
  get mayComeBack(): boolean {
    if (this.#closeRequest !== undefined || this.#outage.patience === "fail-fast") return false;
    return (
      this.#state === "recovering" || this.#state === "waiting" || this.#state === "connecting"
    );
  }

  /** A close was asked for, or has begun: nothing new is taken any more. */
  get closeRequested(): boolean {
    return this.#closeRequest !== undefined;
  }

  /** Why the controller is not live, or was closed: the last error that moved it. */
  get reason(): NvmeofError | undefined {
    return this.#reason;
  }

  /** Tells `observer` of everything from now on, until the returned function is called. */
  observe(observer: (event: ControllerEvent) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** A handle that is in use: named in the report of a close, pinning nothing. */
  hold(what: string): () => void {
    const key = {};
    this.#holders.set(key, what);
    return () => this.#holders.delete(key);
  }

  /** Begins to connect; `done` tells how the first attempt ended. Once. */
  start(done: RequestDone): void {
    this.#joined.push(done);
    this.options.clock.defer(() => {
      if (this.#state === "connecting" && this.#attempt === undefined) this.#run("attempt");
    });
  }

  /** Sends an admin command, or queues it while the admin queue is full. */
  admin(command: AdminCommand, settle: CommandSettle): void {
    const queue = this.#association?.admin;
    if (this.#state !== "live" || this.#closeRequest !== undefined || queue === undefined) {
      const error = new AbortedError("not-connected", "not-sent", this.#state === "closed");
      this.options.clock.defer(() => settle(error, 0, 0));
      return;
    }
    this.#admin.send(queue, command, this.options, settle);
  }

  /** Tears down and connects again. Joins a recovery that is under way. */
  reset(done: RequestDone): void {
    this.#post("reset", undefined, done);
  }

  /** Tears down and stays so. */
  disable(done: RequestDone): void {
    this.#post("disable", undefined, done);
  }

  /** Connects again after `disable`. */
  enable(done: RequestDone): void {
    this.#post("enable", undefined, done);
  }

  /** Something outside found the controller to be gone: a path monitor, a discovery log. */
  lost(reason: NvmeofError): void {
    this.#post("lost", reason);
  }

  /**
   * Ends the controller, from any state, within the bound. Callers share one close; the options of
   * the first count. From this call on nothing new is taken.
   */
  close(options: CloseOptions, done: (report: CloseReport) => void): void {
    if (this.#report !== undefined) {
      const report = this.#report;
      this.options.clock.defer(() => done(report));
      return;
    }
    this.#closeWaiters.push(done);
    if (this.#closeRequest !== undefined) return;
    this.#gate(options);
    this.#post("close");
  }

  #gate(options: CloseOptions): void {
    this.#closeRequest ??= { options, atMs: this.options.clock.nowMs() };
    for (const queue of this.#association?.io ?? []) queue.gate(() => {});
    this.#admin.clear(new AbortedError("controller-closed", "not-sent", true));
  }

  get #transport(): ResolvedOptions["transports"][number] {
    return this.options.transports[this.#transportIndex]!;
  }

  /** Nothing happens inside the caller's call: he may be anywhere, a completion included. */
  #post(event: Event, reason?: NvmeofError, done?: RequestDone): void {
    this.#mailed({ event, reason, done, holds: undefined });
  }

  /**
   * For what attempts and timers report: when its turn comes, mail before it may have cancelled the
   * attempt or stopped the timer, and then it says nothing any more.
   */
  #postIf(holds: () => boolean, event: Event, reason?: NvmeofError): void {
    this.#mailed({ event, reason, done: undefined, holds });
  }

  #mailed(mail: Mail): void {
    this.#mail.push(mail);
    if (this.#mail.length === 1) this.options.clock.defer(this.#drainMail);
  }

  readonly #drainMail = (): void => {
    // Handled where they stand: an event that is posted meanwhile must not start a second drain.
    for (let at = 0; at < this.#mail.length; at++) this.#handle(this.#mail[at]!);
    this.#mail.length = 0;
  };

  #handle({ event, reason, done, holds }: Mail): void {
    if (holds?.() === false) return;
    const from = this.#state;
    const cell = lifecycle[from][event];
    if (cell === "impossible") throw new Error(`${event} cannot happen while ${from}`);
    if (cell === "ignore") {
      done?.(undefined);
    } else if (cell === "join") {
      if (done !== undefined) this.#joined.push(done);
    } else if (cell === "refuse") {
      const cause = this.#reason;
      done?.(new StateError(event, from, cause === undefined ? {} : { cause }));
    } else {
      this.#state = cell.to;
      if (reason !== undefined || cell.to === "live") this.#reason = reason;
      if (done !== undefined) this.#joined.push(done);
      if (cell.to === "closing") this.#gate({});
      for (const effect of cell.run) this.#run(effect);
      this.#tell({ type: "state", from, to: cell.to, cause: event, reason });
      this.#answer(cell.to, event, reason);
    }
  }

  /** Requests that joined an attempt are answered when the state settles it. */
  #answer(to: State, event: Event, reason: NvmeofError | undefined): void {
    if (to === "recovering" || to === "connecting") return;
    const wanted = to === "live" || (to === "disabled" && event === "disable");
    const error = wanted ? undefined : (reason ?? new StateError("connecting", to));
    const joined = this.#joined;
    this.#joined = [];
    for (const done of joined) done(error);
  }

  #run(effect: Effect): void {
    const effects: Record<Effect, () => void> = {
      tearDown: () => this.#tearDown(),
      attempt: () => this.#startAttempt(),
      cancelAttempt: () => this.#cancelAttempt(),
      nextAddress: () => this.#nextAddress(),
      startLossTimers: () => this.#outage.start(),
      stopLossTimers: () => this.#outage.stop(),
      armDelay: () => this.#armDelay(),
      disarmDelay: () => this.#outage.disarmDelay(),
      goLive: () => this.#goLive(),
      runClose: () => this.#runClose(),
      finish: () => this.#finish(),
    };
    effects[effect]();
  }

  /** The one teardown: whatever the reason, whatever follows. */
  #tearDown(): void {
    this.#services?.stop();
    this.#services = undefined;
    const association = this.#association;
    this.#association = undefined;
    const cause = this.#reason;
    this.#admin.clear(new AbortedError("controller-reset", "not-sent", false, { cause }));
    association?.close(
      "reset",
      () => new AbortedError("controller-reset", "unknown", false, { cause }),
    );
  }

  #startAttempt(): void {
    const association = new Association();
    this.#association = association;
    const context = {
      options: this.options,
      transport: this.#transport,
      association,
      events: () => ({
        expired: (qid: number, cid: number) => this.#expired(association, qid, cid),
        lost: (error: NvmeofError) => {
          if (this.#association === association) this.#post("lost", error);
        },
      }),
    };
    this.#attempt = runSequence(this.options.clock, bringUp(context), (error, facts) => {
      this.#attempt = undefined;
      if (error === undefined) {
        this.#facts = facts;
        this.#postIf(() => this.#association === association, "connected");
      } else {
        this.#attemptFailed(association, error);
      }
    });
  }

  #attemptFailed(association: Association, failure: NvmeofError): void {
    // A command that the loss of its queue ended says so; the loss itself says more.
    const error = failure instanceof AbortedError ? (failure.cause as NvmeofError) : failure;
    association.close("reset", () => error);
    this.#outage.failed();
    this.#nextAddress();
    const exhausted = this.options.reconnect.delayMs === 0;
    const event = isPermanent(error) ? "refused" : exhausted ? "exhausted" : "failed";
    // Kept until then: it says that this attempt, and no later one, is the current one.
    const holds = (): boolean => this.#association === association;
    this.#postIf(holds, event, error);
  }

  #cancelAttempt(): void {
    this.#attempt?.cancel();
    this.#attempt = undefined;
    const association = this.#association;
    this.#association = undefined;
    association?.close("reset", () => new ClosedError("the controller"));
  }

  #goLive(): void {
    const { options } = this;
    this.#services = new LiveServices(
      options.clock,
      this.#association!.admin!,
      this.#facts!.keepAliveTimeoutMs,
      {
        asyncEvent: (event) => this.#asyncEvent(event),
        silent: (error) => this.#post("lost", error),
      },
    );
  }

  #asyncEvent(event: Decoded<typeof AsyncEvent>): void {
    this.#tell({ type: "async-event", event });
    // A persistent internal error: the controller asks to be reset.
    const { PersistentInternalError } = AsyncErrorInfo;
    if (event.aet === AsyncEventType.Error && event.aei === PersistentInternalError) {
      this.#post("lost", new UnsupportedError("the controller reports an internal error"));
    }
  }

  /** The deadline of a command has passed. Detectors only report; what follows is posted. */
  #expired(association: Association, qid: number, cid: number): void {
    if (this.#association !== association || this.#state !== "live") return;
    const queue = association.queues.find((candidate) => candidate.qid === qid);
    if (queue === undefined) return;
    const command = queue.nameOf(cid);
    this.#tell({ type: "timeout", qid, cid, command });
    const { onTimeout, ioTimeoutMs, adminTimeoutMs } = this.options;
    if (onTimeout === "none") return;
    const error = new TimeoutError(command, qid === 0 ? adminTimeoutMs : ioTimeoutMs);
    if (onTimeout === "reset" || qid === 0) {
      this.#post("lost", error);
      return;
    }
    const sent = sendAdmin(
      association.admin!,
      abortCommand(qid, cid),
      adminTimeoutMs,
      (failure, dw0) => {
        // DW0 bit 0: the controller did not find it, or could not stop it.
        if (this.#association !== association) return;
        if (failure !== undefined || (dw0 & 1) === 1) this.#post("lost", error);
      },
    );
    if (!sent) this.#post("lost", error);
  }

  #nextAddress(): void {
    this.#transportIndex = (this.#transportIndex + 1) % this.options.transports.length;
  }

  #armDelay(): void {
    const { attempt, delayMs } = this.#outage.armDelay();
    this.#tell({ type: "retry", attempt, delayMs });
  }

  #runClose(): void {
    this.#services?.stop();
    this.#services = undefined;
    const { clock } = this.options;
    const { options, atMs } = this.#closeRequest!;
    const boundMs = options.boundMs ?? DEFAULT_CLOSE_BOUND_MS;
    const startedMs = clock.nowMs();
    const closing = {
      clock,
      association: this.#association,
      boundMs,
      pathsRemain: options.pathsRemain ?? false,
      announce: () => this.#tell({ type: "closing", reason: this.#reason }),
    };
    runSequence(clock, closeSequence(closing), (error, result) => {
      if (error !== undefined) throw error;
      this.#association = undefined;
      this.#report = {
        reason: this.#reason,
        ...result!,
        phasesMs: { cancel: startedMs - atMs, ...result!.phasesMs },
        totalMs: clock.nowMs() - atMs,
        openHandles: [...this.#holders.values()],
      };
      this.#post("ended");
    });
  }

  #finish(): void {
    const waiters = this.#closeWaiters;
    this.#closeWaiters = [];
    for (const done of waiters) done(this.#report!);
  }

  #tell(event: ControllerEvent): void {
    // A set visits neither who leaves during the walk, nor anybody twice.
    for (const observer of this.#observers) observer(event);
  }
}

/** Whether another attempt would be refused just the same. */
function isPermanent(error: NvmeofError): boolean {
  if (error instanceof ConnectRejectedError) return error.permanent;
  return error instanceof UnsupportedError && error.phase !== "enable";
}
