// The life of a controller as a table: every state meets every event, and each meeting is decided.
// Read first: DESIGN.md §4. docs/state-machines.md is printed from here; the tests quantify over it.

/**
 * - `connecting`: the first attempt, at each address once; nothing has ever worked.
 * - `live`: commands flow.
 * - `fencing`: torn down, and another controller is being asked to see to it that commands of unknown
 *   outcome can do no more harm.
 * - `recovering`: torn down, and an attempt to connect again is under way.
 * - `waiting`: torn down, and the next attempt is due after a delay.
 * - `disabled`: torn down, and nobody tries until asked to.
 * - `closing`: on the way out, whatever the peer does.
 * - `closed`: gone. Handles that are left are dead.
 */
export const states = [
  "connecting",
  "live",
  "fencing",
  "recovering",
  "waiting",
  "disabled",
  "closing",
  "closed",
] as const;
/** Where a controller is in its life: see {@link states}. */
export type State = (typeof states)[number];

/**
 * - `connected`: the attempt succeeded.
 * - `failed`: the attempt failed, and another one is to follow.
 * - `refused`: the attempt failed for good: unknown subsystem, host not allowed, DNR.
 * - `exhausted`: the attempt failed, and the policy has no further one.
 * - `lost`: a queue is gone, a command or the keep-alive timed out, the controller failed.
 * - `flapped`: `lost`, again, before it had been live for long: coming back at once would not last.
 * - `lostInDoubt`, `resetInDoubt`: `lost`, or `reset`, with commands of unknown outcome that another
 *   controller can put an end to.
 * - `fenced`: it has, or nobody is left to be asked.
 * - `reset`, `disable`, `enable`, `close`: somebody asks for it.
 * - `delayElapsed`, `lossElapsed`: timers.
 * - `ended`: the close procedure has come to its end.
 */
export const events = [
  "connected",
  "failed",
  "refused",
  "exhausted",
  "lost",
  "flapped",
  "lostInDoubt",
  "resetInDoubt",
  "fenced",
  "reset",
  "disable",
  "enable",
  "close",
  "delayElapsed",
  "lossElapsed",
  "ended",
] as const;
/** What happens to a controller: see {@link events}. */
export type Event = (typeof events)[number];

/**
 * - `tearDown`: drop all queues and settle everything in flight. The one teardown.
 * - `nextAddress`: the next attempt goes to another address, where there are several.
 * - `attempt`: start to connect.
 * - `cancelAttempt`: stop connecting, and drop what it has built.
 * - `startLossTimers`, `stopLossTimers`: fast-fail and loss run from the first failure to success.
 * - `armDelay`, `disarmDelay`: the wait before the next attempt.
 * - `fence`, `cancelFence`: begin to have what is in doubt put an end to; wait for it no longer.
 * - `goLive`: keep-alive and asynchronous events begin.
 * - `runClose`: the close procedure, which tears down by itself at the right moment.
 * - `finish`: everything is released; whoever waits is told.
 */
export type Effect =
  | "tearDown"
  | "nextAddress"
  | "attempt"
  | "cancelAttempt"
  | "startLossTimers"
  | "stopLossTimers"
  | "armDelay"
  | "disarmDelay"
  | "fence"
  | "cancelFence"
  | "goLive"
  | "runClose"
  | "finish";

/** What follows an event: the next state, and what is done on the way there, in this order. */
export interface Transition {
  readonly to: State;
  readonly run: readonly Effect[];
}

/**
 * - `ignore`: nothing is to be done, for the reason that the comment gives.
 * - `join`: what is asked for is under way already; the request gets that one's result.
 * - `refuse`: the request gets an error that says why.
 * - `impossible`: a bug of ours; an assertion.
 */
export type Cell = Transition | "ignore" | "join" | "refuse" | "impossible";

/** What a controller does about each event in each state. */
export type Lifecycle = Readonly<Record<State, Readonly<Record<Event, Cell>>>>;

const go = (to: State, ...run: Effect[]): Transition => ({ to, run });

/** What every event does in every state: the one table that moves controllers. */
export const lifecycle: Lifecycle = {
  connecting: {
    connected: go("live", "goLive"),
    failed: go("connecting", "cancelAttempt", "nextAddress", "attempt"),
    refused: go("closing", "cancelAttempt", "runClose"),
    exhausted: go("closing", "cancelAttempt", "runClose"), // whoever connects wants to hear of it
    lost: "ignore", // the attempt notices by itself, and fails as a whole
    flapped: "impossible", // these three are said of a live controller
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: "impossible",
    reset: "join",
    disable: go("disabled", "cancelAttempt"),
    enable: "join",
    close: go("closing", "cancelAttempt", "runClose"),
    delayElapsed: "impossible",
    lossElapsed: "impossible", // armed by the first loss of a live controller
    ended: "impossible",
  },
  live: {
    connected: "impossible",
    failed: "impossible",
    refused: "impossible",
    exhausted: "impossible",
    lost: go("recovering", "tearDown", "nextAddress", "startLossTimers", "attempt"),
    flapped: go("waiting", "tearDown", "nextAddress", "startLossTimers", "armDelay"),
    lostInDoubt: go("fencing", "tearDown", "nextAddress", "startLossTimers", "fence"),
    resetInDoubt: go("fencing", "tearDown", "startLossTimers", "fence"),
    fenced: "impossible",
    reset: go("recovering", "tearDown", "startLossTimers", "attempt"),
    disable: go("disabled", "tearDown"),
    enable: "ignore", // it is
    close: go("closing", "runClose"),
    delayElapsed: "impossible",
    lossElapsed: "impossible",
    ended: "impossible",
  },
  fencing: {
    connected: "impossible",
    failed: "impossible",
    refused: "impossible",
    exhausted: "impossible",
    lost: "ignore", // there is nothing left to lose
    flapped: "impossible",
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: go("recovering", "attempt"),
    reset: "join",
    disable: go("disabled", "cancelFence", "stopLossTimers"),
    enable: "join",
    close: go("closing", "cancelFence", "stopLossTimers", "runClose"),
    delayElapsed: "impossible",
    lossElapsed: go("closing", "cancelFence", "stopLossTimers", "runClose"),
    ended: "impossible",
  },
  recovering: {
    connected: go("live", "stopLossTimers", "goLive"),
    failed: go("waiting", "cancelAttempt", "nextAddress", "armDelay"),
    refused: go("closing", "cancelAttempt", "stopLossTimers", "runClose"),
    exhausted: go("disabled", "cancelAttempt", "nextAddress", "stopLossTimers"),
    lost: "ignore", // the attempt notices by itself
    flapped: "impossible",
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: "impossible",
    reset: "join",
    disable: go("disabled", "cancelAttempt", "stopLossTimers"),
    enable: "join",
    close: go("closing", "cancelAttempt", "stopLossTimers", "runClose"),
    delayElapsed: "impossible",
    lossElapsed: go("closing", "cancelAttempt", "stopLossTimers", "runClose"),
    ended: "impossible",
  },
  waiting: {
    connected: "impossible",
    failed: "impossible",
    refused: "impossible",
    exhausted: "impossible",
    lost: "ignore", // there is nothing left to lose
    flapped: "impossible",
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: "impossible",
    reset: go("recovering", "disarmDelay", "attempt"), // somebody cannot wait
    disable: go("disabled", "disarmDelay", "stopLossTimers"),
    enable: go("recovering", "disarmDelay", "attempt"),
    close: go("closing", "disarmDelay", "stopLossTimers", "runClose"),
    delayElapsed: go("recovering", "attempt"),
    lossElapsed: go("closing", "disarmDelay", "stopLossTimers", "runClose"),
    ended: "impossible",
  },
  disabled: {
    connected: "impossible",
    failed: "impossible",
    refused: "impossible",
    exhausted: "impossible",
    lost: "ignore",
    flapped: "impossible",
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: "impossible",
    reset: "refuse",
    disable: "ignore", // it is
    enable: go("recovering", "startLossTimers", "attempt"),
    close: go("closing", "runClose"),
    delayElapsed: "impossible",
    lossElapsed: "impossible",
    ended: "impossible",
  },
  closing: {
    connected: "impossible", // cancelled attempts say nothing
    failed: "impossible",
    refused: "impossible",
    exhausted: "impossible",
    lost: "ignore", // the close procedure looks at the queues itself
    flapped: "impossible",
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: "impossible",
    reset: "refuse",
    disable: "refuse",
    enable: "refuse",
    close: "join",
    delayElapsed: "impossible",
    lossElapsed: "impossible",
    ended: go("closed", "finish"),
  },
  closed: {
    connected: "impossible",
    failed: "impossible",
    refused: "impossible",
    exhausted: "impossible",
    lost: "ignore",
    flapped: "impossible",
    lostInDoubt: "impossible",
    resetInDoubt: "impossible",
    fenced: "impossible",
    reset: "refuse",
    disable: "refuse",
    enable: "refuse",
    close: "join",
    delayElapsed: "impossible",
    lossElapsed: "impossible",
    ended: "impossible",
  },
};
