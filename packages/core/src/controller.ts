// A controller: one owner, one mailbox, one state. Everybody posts events; only the table moves it.
// Read first: lifecycle.ts (the table), DESIGN.md §4. What the effects do in detail is in attempt.ts,
// live-services.ts, outage.ts and close.ts.

import {
  AsyncErrorInfo,
  type AsyncEvent,
  AsyncEventType,
  type Decoded,
  type NvmeofError,
} from "@nvmeof/codec";
import { ClosedError, type Transport, type TransportAddress } from "@nvmeof/transport";
import { type AddressRemoval, Addresses } from "./addresses.ts";
import type { AdminCommand } from "./admin.ts";
import { AdminWaitingList } from "./admin-waiting-list.ts";
import { Association, type ControllerFacts } from "./association.ts";
import { type AttemptEvents, isPermanent, startAttempt } from "./attempt.ts";
import { AuthenticationError } from "./auth/errors.ts";
import type { AuthResult } from "./auth/host-exchange.ts";
import { Authenticator } from "./authenticator.ts";
import type { CloseOptions, CloseReport } from "./close.ts";
import type { CommandSettle } from "./command-table.ts";
import { type CommandWatcher, CommandWatchers } from "./command-watch.ts";
import { ControllerDiagnostics } from "./diagnostics.ts";
import { Ending } from "./ending.ts";
import { AbortedError, StateError, TimeoutError, UnsupportedError } from "./errors.ts";
import { guarded } from "./guard.ts";
import {
  type Effect,
  type Event,
  type Lifecycle,
  type State,
  type Transition,
  lifecycle,
} from "./lifecycle.ts";
import { LiveServices } from "./live-services.ts";
import { Mailbox } from "./mailbox.ts";
import { type ControllerEvent, Observers } from "./observers.ts";
import { type ControllerOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { Outage, type OutageEvents } from "./outage.ts";
import type { QueuePair } from "./queue-pair.ts";
import type { RunningSequence } from "./sequence.ts";
import { Timeouts } from "./timeouts.ts";

/** How a request that was posted ends. */
export type RequestDone = (error: NvmeofError | undefined) => void;

interface Mail {
  readonly event: Event;
  readonly reason?: NvmeofError | undefined;
  readonly done?: RequestDone | undefined;
  /**
   * Whether the event still concerns the controller when its turn comes. What attempts and timers
   * report may be stale by then: mail before it has cancelled the attempt, or stopped the timer.
   */
  readonly holds?: () => boolean;
}

/**
 * One controller of a subsystem, from the first attempt to connect to the end of its close.
 * Callbacks, no promises: see `ControllerHandle` for those.
 */
export class Controller {
  readonly options: ResolvedOptions;
  readonly #table: Lifecycle;
  #state: State = "connecting";
  readonly #mailbox: Mailbox<Mail>;
  readonly #observers: Observers;
  readonly #watchers = new CommandWatchers();
  readonly #diagnostics: ControllerDiagnostics | undefined;
  readonly #admin: AdminWaitingList;
  readonly #outage: Outage;
  readonly #timeouts: Timeouts;
  /** What is connected, or being connected: it says which attempt is the current one. */
  #association: Association | undefined;
  #attempt: RunningSequence | undefined;
  #services: LiveServices | undefined;
  readonly #authenticator: Authenticator | undefined;
  /** Calls off the fence that is waited for. */
  #endFence: (() => void) | undefined;
  /** Requests that get the result of the attempt under way. */
  #joined: RequestDone[] = [];
  #facts: ControllerFacts | undefined;
  readonly #addresses: Addresses;
  #reason: NvmeofError | undefined;
  readonly #ending: Ending;
  /** What the controller is closed for, where nobody asked for it. */
  #closedFor: NvmeofError | undefined;
  readonly #effects: Readonly<Record<Effect, () => void>> = {
    tearDown: () => this.#tearDown(),
    attempt: () => this.#startAttempt(),
    cancelAttempt: () => this.#cancelAttempt(),
    nextAddress: () => this.#addresses.next(),
    startLossTimers: () => this.#outage.start(),
    stopLossTimers: () => this.#outage.stop(),
    armDelay: () => this.#armDelay(),
    disarmDelay: () => this.#outage.disarmDelay(),
    fence: () => this.#beginFence(),
    cancelFence: () => this.#cancelFence(),
    goLive: () => this.#goLive(),
    runClose: () => this.#runClose(),
    finish: () => this.#ending.tell(),
  };

  /**
   * Checks the options; does no I/O until `start`.
   *
   * @param table moves the controller. For tools that watch which cells are met: with another table
   *   than {@link lifecycle}, nothing that is promised of a controller holds.
   * @throws RangeError, TypeError or NqnError.
   */
  constructor(options: ControllerOptions, table: Lifecycle = lifecycle) {
    this.options = resolveOptions(options);
    this.#table = table;
    const { clock, transports } = this.options;
    this.#addresses = new Addresses(transports);
    this.#mailbox = new Mailbox<Mail>(clock, (mail) => this.#handle(mail));
    this.#observers = new Observers(clock);
    this.#diagnostics = this.#publishing();
    this.#admin = new AdminWaitingList(this.options);
    this.#ending = new Ending(clock);
    this.#authenticator = Authenticator.of(this.options, {
      told: (qid, result) => this.#observers.tell({ type: "authenticated", qid, result }),
      failed: (error) => this.lost(error),
    });
    this.#timeouts = new Timeouts(this.options, {
      tell: (event) => this.#observers.tell(event),
      lost: (reason) => this.lost(reason),
    });
    const outageEvents: OutageEvents = {
      delayElapsed: (holds) => this.#mailbox.post({ event: "delayElapsed", holds }),
      lossElapsed: (holds) => {
        const cause = this.#reason;
        const reason = new TimeoutError("reconnecting", this.options.reconnect.lossMs, { cause });
        this.#mailbox.post({ event: "lossElapsed", reason, holds });
      },
      fastFail: () => this.#observers.tell({ type: "fast-fail" }),
    };
    this.#outage = new Outage(this.options, outageEvents, this.#addresses);
  }

  get state(): State {
    return this.#state;
  }

  /** What the controller said of itself; undefined before it was first live. */
  get facts(): ControllerFacts | undefined {
    return this.#facts;
  }

  /** How the admin queue that is connected was authenticated; undefined where it was not. */
  get authenticated(): AuthResult | undefined {
    return this.#association?.authenticated.get(0);
  }

  /** I/O queues that take commands: none unless live, and none once a close was asked for. */
  get ioQueues(): readonly QueuePair[] {
    const takes = this.#state === "live" && !this.#ending.requested;
    return takes ? this.#association!.io : [];
  }

  /** Address of the current, or next, connection. */
  get address(): TransportAddress {
    return this.#addresses.current.address;
  }

  /** The current address, and those that follow when it fails. */
  get addresses(): readonly TransportAddress[] {
    return this.#addresses.all;
  }

  /** The ways to the controller, in the order of {@link addresses}. */
  get transports(): readonly Transport[] {
    return this.#addresses.transports;
  }

  /** Whether a command that finds no queue may wait for the controller to come back. */
  get mayComeBack(): boolean {
    if (this.#ending.requested || this.#outage.patience === "fail-fast") return false;
    return (
      this.#state === "recovering" ||
      this.#state === "fencing" ||
      this.#state === "waiting" ||
      this.#state === "connecting"
    );
  }

  /** A close was asked for, or has begun: nothing new is taken any more. */
  get closeRequested(): boolean {
    return this.#ending.requested;
  }

  /** Why the controller is not live, or was closed: the last error that moved it. */
  get reason(): NvmeofError | undefined {
    return this.#reason;
  }

  /** Tells `observer` of everything from now on, until the returned function is called. */
  observe(observer: (event: ControllerEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  /**
   * Shows `watcher` every command from now on, on this connection and later ones, until the returned
   * function is called. It stands on the hot path: see {@link CommandWatcher}.
   */
  watchCommands(watcher: CommandWatcher): () => void {
    return this.#watchers.add(watcher, () => this.#association?.queues ?? []);
  }

  /** A handle that is in use: named in the report of a close, pinning nothing. */
  hold(what: string): () => void {
    return this.#ending.hold(what);
  }

  /** Begins to connect; `done` tells how it ended. Once. */
  start(done: RequestDone): void {
    this.options.clock.defer(() => {
      if (this.#state === "connecting" && this.#association === undefined) this.#startAttempt();
    });
    // It joins the attempt, or learns what has become of it.
    this.enable(done);
  }

  /** Sends an admin command, or queues it while the admin queue is full. */
  admin(command: AdminCommand, settle: CommandSettle): void {
    const send = (then: CommandSettle): void => this.#sendAdmin(command, then);
    send(this.#authenticator?.repeating(settle, send) ?? settle);
  }

  /** Tells those who listen by name, where there are any such. */
  #publishing(): ControllerDiagnostics | undefined {
    const { diagnostics } = this.options;
    if (diagnostics === undefined) return undefined;
    const publishing = new ControllerDiagnostics(diagnostics, this);
    this.#observers.add((event) => publishing.observed(event));
    this.#watchers.add(publishing, () => []);
    return publishing;
  }

  #sendAdmin(command: AdminCommand, settle: CommandSettle): void {
    const queue = this.#association?.admin;
    if (this.#state === "live" && !this.#ending.requested && queue !== undefined) {
      this.#admin.send(queue, command, settle);
      return;
    }
    const { clock } = this.options;
    const error = this.#ending.requested
      ? this.#ending.errorOf("not-sent")
      : new AbortedError("not-connected", "not-sent", false, { cause: this.#reason });
    clock.defer(() => guarded(clock, () => settle(error, 0, 0)));
  }

  /** Tears down and connects again. Joins a recovery that is under way. */
  reset(done: RequestDone): void {
    this.#mailbox.post({ event: "reset", done });
  }

  /**
   * Authenticates a live controller again, on all queues, while its commands go on. Joins what is under
   * way. What fails ends the connections, as any loss does.
   */
  reauthenticate(done: RequestDone): void {
    const { clock } = this.options;
    const refused =
      this.#authenticator === undefined
        ? new AuthenticationError("keyless", "", { outcome: "not-sent" })
        : new StateError("reauthenticate", this.#state, { cause: this.#reason });
    if (this.#state === "live" && !this.#ending.requested && this.#authenticator !== undefined) {
      this.#authenticator.again(done);
    } else {
      clock.defer(() => guarded(clock, () => done(refused)));
    }
  }

  /** Tears down and stays so. */
  disable(done: RequestDone): void {
    this.#mailbox.post({ event: "disable", done });
  }

  /** Connects again after `disable`. */
  enable(done: RequestDone): void {
    this.#mailbox.post({ event: "enable", done });
  }

  /**
   * One more way to the controller, for when the current one fails.
   *
   * @throws NvmeofError NVME_ERR_DUPLICATE for an address that it has already.
   */
  addTransport(transport: Transport): void {
    this.#addresses.add(transport);
  }

  /**
   * Takes a way out. From the current one the controller moves to the next; without any it is closed.
   *
   * @throws NvmeofError NVME_ERR_ADDRESS for an address that it does not have.
   */
  removeTransport(address: TransportAddress, options: CloseOptions = {}): AddressRemoval {
    const trying = this.#state === "connecting" || this.#state === "recovering";
    const follows = this.#addresses.remove(address, trying);
    if (follows === "last") this.close(options, () => {});
    // An attempt goes on to its end, and what it has reached is left then: see `#goLive`.
    else if (follows === "moves" && this.#state === "live") this.reset(() => {});
    return follows;
  }

  /** Something outside found the controller to be gone: a path monitor, a discovery log. */
  lost(reason: NvmeofError): void {
    this.#mailbox.post({ event: "lost", reason });
  }

  /**
   * Ends the controller, from any state, within the bound. Callers share one close; the options of
   * the first count. From this call on nothing new is taken.
   *
   * @throws RangeError for a bound that is none.
   */
  close(options: CloseOptions, done: (report: CloseReport) => void): void {
    this.#ending.join(options, done);
    if (!this.#gate(options)) return;
    // Before everything that waits for its turn: a recovery that is asked for is not begun.
    this.#mailbox.postFirst({ event: "close" });
  }

  /** Closes the door; says whether it was open. */
  #gate(options: CloseOptions): boolean {
    if (!this.#ending.request(options)) return false;
    this.#admin.gate();
    for (const queue of this.#association?.queues ?? []) {
      // Whatever ends them from now on, they are not to be tried again here.
      queue.lossError = (cause) => this.#ending.errorOf("unknown", cause);
      // The admin queue has to say goodbye yet.
      if (queue.qid > 0) queue.gate();
    }
    return true;
  }

  #handle(mail: Mail): void {
    if (mail.holds?.() === false) return;
    const { clock } = this.options;
    const { done } = mail;
    const from = this.#state;
    const event = this.#eventOf(mail);
    const cell = this.#table[from][event];
    if (cell === "impossible") throw new Error(`${event} cannot happen while ${from}`);
    if (cell === "ignore") {
      if (done !== undefined) guarded(clock, () => done(undefined));
    } else if (cell === "join") {
      if (done !== undefined) this.#joined.push(done);
    } else if (cell === "refuse") {
      const error = new StateError(event, from, { cause: this.#reason });
      if (done !== undefined) guarded(clock, () => done(error));
    } else {
      this.#move(cell, event, mail);
    }
  }

  /** What a loss or a reset of a live controller means: that depends on what it leaves behind. */
  #eventOf({ event }: Mail): Event {
    if (this.#state !== "live" || (event !== "lost" && event !== "reset")) return event;
    if (event === "lost" && this.#outage.flaps) return "flapped";
    if (this.options.fence?.wanted() !== true) return event;
    return event === "lost" ? "lostInDoubt" : "resetInDoubt";
  }

  #move({ to, run }: Transition, event: Event, { reason, done }: Mail): void {
    const from = this.#state;
    this.#state = to;
    if (reason !== undefined || to === "live") this.#reason = reason;
    if (to === "closing") {
      this.#closedFor = reason;
      this.#gate({});
    }
    // First the news, then what follows: who has other paths hears of it before commands fail.
    this.#observers.tell({ type: "state", from, to, cause: event, reason });
    for (const effect of run) this.#effects[effect]();
    if (done !== undefined && event === "disable")
      guarded(this.options.clock, () => done(undefined));
    else if (done !== undefined) this.#joined.push(done);
    this.#answer(to, reason);
  }

  /** Requests that joined an attempt are answered when the state settles it. */
  #answer(to: State, reason: NvmeofError | undefined): void {
    if (to === "recovering" || to === "connecting" || to === "fencing") return;
    const error = to === "live" ? undefined : (reason ?? new StateError("connecting", to));
    const joined = this.#joined;
    this.#joined = [];
    for (const done of joined) guarded(this.options.clock, () => done(error));
  }

  /** The one teardown: whatever the reason, whatever follows. */
  #tearDown(): void {
    this.#stopServices();
    const association = this.#association;
    this.#association = undefined;
    const details = { cause: this.#reason };
    this.#admin.clear(new AbortedError("controller-reset", "not-sent", false, details));
    association?.close(
      "reset",
      () => new AbortedError("controller-reset", "unknown", false, details),
    );
  }

  #stopServices(): void {
    this.#services?.stop();
    this.#services = undefined;
    this.#authenticator?.stop(
      new StateError("reauthenticate", this.#state, { cause: this.#reason }),
    );
  }

  #startAttempt(): void {
    this.#endFence = undefined;
    if (this.#addresses.isCurrentLeaving) this.#addresses.next();
    const association = new Association(this.options.clock.nowMs(), this.#watchers);
    this.#association = association;
    this.#diagnostics?.attempting(this.#state);
    const isCurrent = (): boolean => this.#association === association;
    const events: AttemptEvents = {
      connected: (facts) => {
        this.#attempt = undefined;
        this.#facts = facts;
        this.#mailbox.post({ event: "connected", holds: isCurrent });
      },
      failed: (error) => {
        this.#attempt = undefined;
        const reason = this.#addresses.noteFailure(error);
        const event = this.#outage.failed(this.#state === "connecting", isPermanent(error));
        this.#mailbox.post({ event, reason, holds: isCurrent });
      },
      lost: (reason) => this.#mailbox.post({ event: "lost", reason, holds: isCurrent }),
      expired: (queue, cid) => {
        if (isCurrent() && this.#state === "live") this.#timeouts.expired(association, queue, cid);
      },
      authRequired: () => {
        if (!isCurrent() || this.#state !== "live" || this.#ending.requested) return;
        if (this.#authenticator === undefined) this.lost(new AuthenticationError("keyless"));
        else this.#authenticator.again();
      },
    };
    const { current } = this.#addresses;
    const auth = this.#authenticator?.context;
    this.#attempt = startAttempt(this.options, current, association, events, auth);
  }

  #cancelAttempt(): void {
    this.#attempt?.cancel();
    this.#attempt = undefined;
    const association = this.#association;
    this.#association = undefined;
    association?.close("reset", () => new ClosedError("the controller"));
  }

  #beginFence(): void {
    const end = this.options.fence!.begin(() => {
      this.#mailbox.post({ event: "fenced", holds: () => this.#endFence === end });
    });
    this.#endFence = end;
  }

  #cancelFence(): void {
    this.#endFence?.();
    this.#endFence = undefined;
  }

  #armDelay(): void {
    this.#observers.tell({ type: "retry", ...this.#outage.armDelay() });
  }

  #goLive(): void {
    this.#outage.live();
    if (this.#addresses.isCurrentLeaving) {
      this.#addresses.next();
      this.reset(() => {});
    }
    const { clock, keepAliveTimeoutMs } = this.options;
    const { admin, sinceMs } = this.#association!;
    this.#services = new LiveServices(clock, admin!, keepAliveTimeoutMs, sinceMs, {
      asyncEvent: (event) => this.#asyncEvent(event),
      answered: (roundTripMs) => this.#diagnostics?.answered(roundTripMs),
      silent: (reason) => this.lost(reason),
    });
    this.#authenticator?.live(this.#association!);
  }

  #asyncEvent(event: Decoded<typeof AsyncEvent>): void {
    this.#observers.tell({ type: "async-event", event });
    // A persistent internal error: the controller asks to be reset.
    const { PersistentInternalError } = AsyncErrorInfo;
    if (event.aet === AsyncEventType.Error && event.aei === PersistentInternalError) {
      this.lost(new UnsupportedError("the controller reports an internal error"));
    }
  }

  #runClose(): void {
    this.#stopServices();
    this.#observers.tell({ type: "closing", reason: this.#closedFor });
    this.#admin.clear(this.#ending.errorOf("not-sent"));
    const ended = { association: this.#association, admin: this.#admin, reason: this.#closedFor };
    this.#ending.run(ended, () => {
      this.#association = undefined;
      this.#mailbox.post({ event: "ended" });
    });
  }
}
