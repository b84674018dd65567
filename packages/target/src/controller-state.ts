// The life of a controller as a table: which event leads where, and what has to be done on the way.
// Read first: Base 2.0 §3.5 "Controller Initialization", §3.6 "Shutdown Processing", §3.7 "Resets".

/** Where a controller stands. */
export type ControllerState =
  | "disabled" // connected, CC.EN 0: properties can be read and written, and that is all
  | "ready" // CC.EN 1, CSTS.RDY 1
  | "shutdown" // CC.SHN was set: no command but Fabrics, until CC.EN goes to 0
  | "failed" // CSTS.CFS 1: the host was silent for too long
  | "gone"; // nothing refers to it any more

/** What happens to a controller. */
export type ControllerEvent =
  | "enable" // CC.EN goes from 0 to 1
  | "disable" // CC.EN goes from 1 to 0: Controller Level Reset
  | "shutDown" // CC.SHN goes from 0 to something else
  | "fail"
  | "remove"; // its admin queue is gone, or its owner wants it to go

/** What is done on a transition; the functions are in controller.ts. */
export type ControllerEffect =
  | "stopEnableTimer"
  | "beginIncarnation" // CIU and CIRN are new; those who drop I/O queues end it
  | "dropIoQueues"
  | "resetFeatures" // with asynchronous events, whose requests are answered
  | "dropAllQueues"
  | "release"; // CNTLID, timers, counts

/** A transition. */
export interface Transition {
  readonly to: ControllerState;
  readonly run: readonly ControllerEffect[];
}

/** What an event means in a state. */
export type Cell = Transition | "ignore";

const go = (to: ControllerState, ...run: ControllerEffect[]): Transition => ({ to, run });

/** Every event in every state. A host may write CC as it likes, so no cell is impossible. */
export const controllerTable: Record<ControllerState, Record<ControllerEvent, Cell>> = {
  disabled: {
    enable: go("ready", "stopEnableTimer", "beginIncarnation"),
    disable: "ignore",
    // Allowed by §3.6.1: a host that gives up before it enables.
    shutDown: go("shutdown", "stopEnableTimer"),
    fail: go("failed", "dropAllQueues"),
    remove: go("gone", "dropAllQueues", "release"),
  },
  ready: {
    enable: "ignore",
    disable: go("disabled", "dropIoQueues", "resetFeatures"),
    shutDown: go("shutdown"),
    fail: go("failed", "dropAllQueues"),
    remove: go("gone", "dropAllQueues", "release"),
  },
  shutdown: {
    enable: "ignore",
    disable: go("disabled", "dropIoQueues", "resetFeatures"),
    shutDown: "ignore",
    fail: go("failed", "dropAllQueues"),
    remove: go("gone", "dropAllQueues", "release"),
  },
  failed: {
    enable: "ignore",
    disable: "ignore",
    shutDown: "ignore",
    fail: "ignore",
    remove: go("gone", "dropAllQueues", "release"),
  },
  gone: {
    enable: "ignore",
    disable: "ignore",
    shutDown: "ignore",
    fail: "ignore",
    remove: "ignore",
  },
};
