// The life of a worker as the main side sees it, as a table: every state meets every event.
// Read first: DESIGN.md §4 "Close"; attached-worker.ts carries it out. The tests quantify over it.

/**
 * - `offered`: there is a handle, and no worker has opened it.
 * - `opening`: a worker connects.
 * - `open`: it has the device.
 * - `closing`: it was asked to end it.
 * - `forcing`: it has not answered, and its thread is being terminated.
 * - `ended`: nobody listens to it any more.
 */
export const workerStates = ["offered", "opening", "open", "closing", "forcing", "ended"] as const;
/** How a worker is doing, from `offered` to `ended`. */
export type WorkerState = (typeof workerStates)[number];

/**
 * - `hello`, `opened`, `failed`, `closed`: the worker says so.
 * - `lost`: the link has ended: the thread is gone, or has let go of the handle.
 * - `close`: the main side wants an end.
 * - `overdue`: the worker has had its time to answer, and may be terminated.
 * - `bound`: the bound of the close is reached.
 */
export const workerEvents = [
  "hello",
  "opened",
  "failed",
  "closed",
  "lost",
  "close",
  "overdue",
  "bound",
] as const;
export type WorkerEvent = (typeof workerEvents)[number];

/**
 * How it ended.
 *
 * - `closed`: the worker has ended the device in order, and said so.
 * - `failed`: it could not open the device.
 * - `unopened`: no worker had said that it opens the handle; one that is about to finds the link closed.
 * - `gone`: the thread ended without a word; its connections ended with it.
 * - `terminated`: it did not answer, and its thread was ended; its connections ended with it.
 * - `stuck`: it did not answer within the bound. Its thread is still there, and so are its connections;
 *   it ends the device as soon as it sees that the link is gone.
 */
export type WorkerEnd = "closed" | "failed" | "unopened" | "gone" | "terminated" | "stuck";

/**
 * - `tell`: the worker is told to close, and both timers are armed.
 * - `terminate`: its thread is ended by force.
 * - `finish`: link and timers end, requests are settled, whoever waits gets the report.
 */
export type WorkerEffect = "tell" | "terminate" | "finish";

export interface WorkerTransition {
  readonly to: WorkerState;
  readonly run: readonly WorkerEffect[];
  /** Of transitions to `ended`. */
  readonly end?: WorkerEnd;
}

/** `ignore`: nothing is to be done. What workers say at the wrong time is no bug of the main side. */
export type WorkerCell = WorkerTransition | "ignore" | "impossible";

const go = (to: WorkerState, ...run: WorkerEffect[]): WorkerTransition => ({ to, run });
const end = (how: WorkerEnd): WorkerTransition => ({ to: "ended", run: ["finish"], end: how });

export const workerLife: Readonly<Record<WorkerState, Readonly<Record<WorkerEvent, WorkerCell>>>> =
  {
    offered: {
      hello: go("opening"),
      opened: "ignore",
      failed: end("failed"),
      closed: end("closed"),
      lost: end("gone"),
      close: end("unopened"), // nothing is connected; who opens it later finds the link closed
      overdue: "impossible",
      bound: "impossible",
    },
    opening: {
      hello: "ignore",
      opened: go("open"),
      failed: end("failed"),
      closed: end("closed"),
      lost: end("gone"),
      close: go("closing", "tell"),
      overdue: "impossible",
      bound: "impossible",
    },
    open: {
      hello: "ignore",
      opened: "ignore",
      failed: "ignore",
      closed: end("closed"), // its user has closed it
      lost: end("gone"),
      close: go("closing", "tell"),
      overdue: "impossible",
      bound: "impossible",
    },
    closing: {
      hello: "ignore",
      opened: "ignore", // said before it was asked
      failed: end("failed"),
      closed: end("closed"),
      lost: end("gone"),
      close: "ignore", // who asks again waits for the same end
      overdue: go("forcing", "terminate"),
      bound: end("stuck"),
    },
    forcing: {
      hello: "ignore",
      opened: "ignore",
      failed: "ignore", // its thread is being ended: that is what is waited for
      closed: "ignore",
      lost: end("terminated"),
      close: "ignore",
      overdue: "impossible",
      bound: end("stuck"), // it is where nobody can end it: in the kernel
    },
    ended: {
      hello: "ignore",
      opened: "ignore",
      failed: "ignore",
      closed: "ignore",
      lost: "ignore",
      close: "ignore",
      overdue: "impossible",
      bound: "impossible",
    },
  };
