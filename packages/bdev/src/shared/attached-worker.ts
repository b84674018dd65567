// One worker as the main side has it: what it was asked, what it said, and how it ends within a bound.
// Read first: worker-states.ts (the table), messages.ts.

import type { NvmeofError } from "@nvmeof/codec";
import type { CloseReport, RequestDone } from "@nvmeof/core";
import type { Clock, Timer } from "@nvmeof/transport";
import type { PathPolicy } from "../nvme/path-policy.ts";
import { runGuarded } from "../observers.ts";
import { errorOf } from "./error-data.ts";
import { WorkerError } from "./errors.ts";
import type { MessageLink } from "./message-link.ts";
import type { CloseData, ToMain, ToWorker, Wish, WorkerStatus } from "./messages.ts";
import {
  type WorkerEffect,
  type WorkerEnd,
  type WorkerEvent,
  type WorkerState,
  workerLife,
} from "./worker-states.ts";

/** What a close came to for one worker. */
export interface WorkerCloseReport {
  readonly id: number;
  readonly name: string;
  readonly end: WorkerEnd;
  /** From the call to the end, ms. */
  readonly totalMs: number;
  /** What its own close did; undefined unless it said so. */
  readonly close: CloseReport | undefined;
}

/** A worker, to look at. */
export interface WorkerView {
  /** Counts from 1; never used again. */
  readonly id: number;
  readonly name: string;
  readonly state: WorkerState;
  /** Of `ended`: how. */
  readonly end: WorkerEnd | undefined;
  /** As it last said. */
  readonly status: WorkerStatus | undefined;
  /** Why it could not open the device, or is stuck or gone. */
  readonly error: NvmeofError | undefined;
  /** Requests that it has not answered, those that nobody waits for any more included. */
  readonly asked: number;
}

/** What a worker is made with. */
export interface AttachedOptions {
  readonly id: number;
  readonly name: string;
  readonly link: MessageLink;
  readonly clock: Clock;
  /** The policy that its handle has. */
  readonly policy: PathPolicy;
  /** Most requests that are not answered. */
  readonly asksMax: number;
  /** Ends its thread by force; undefined where that is not allowed. Its failure is not waited for. */
  readonly terminate: (() => unknown) | undefined;
  /** It has the device now. */
  readonly opened: (worker: AttachedWorker) => void;
  /** Its state or its status has changed. */
  readonly changed: (worker: AttachedWorker) => void;
}

/** A request on its way. It keeps its place until it is answered, whether somebody waits or not. */
interface Ask {
  done: RequestDone | undefined;
  readonly timer: Timer;
}

/** The share of the bound that the worker's own close has, and after which its thread is terminated. */
const WORKER_SHARE = 0.7;
const OVERDUE_SHARE = 0.85;

export class AttachedWorker implements WorkerView {
  readonly id: number;
  readonly name: string;
  readonly policy: PathPolicy;
  readonly #options: AttachedOptions;
  #state: WorkerState = "offered";
  #end: WorkerEnd | undefined;
  #status: WorkerStatus | undefined;
  #error: NvmeofError | undefined;
  #close: CloseReport | undefined;
  readonly #asks = new Map<number, Ask>();
  #lastAsk = 0;
  /** Of the close that was asked for. */
  #request: { readonly boundMs: number; readonly atMs: number } | undefined;
  #waiters: ((report: WorkerCloseReport) => void)[] = [];
  #timers: Timer[] = [];
  readonly #effects: Readonly<Record<WorkerEffect, () => void>> = {
    tell: () => this.#tellToClose(),
    terminate: () => this.#terminate(),
    finish: () => this.#finish(),
  };

  constructor(options: AttachedOptions) {
    this.id = options.id;
    this.name = options.name;
    this.policy = options.policy;
    this.#options = options;
    options.link.receive({
      received: (message) => this.#received(message as ToMain),
      ended: () => this.#meet("lost"),
    });
  }

  get state(): WorkerState {
    return this.#state;
  }

  get end(): WorkerEnd | undefined {
    return this.#end;
  }

  get status(): WorkerStatus | undefined {
    return this.#status;
  }

  get error(): NvmeofError | undefined {
    return this.#error;
  }

  get asked(): number {
    return this.#asks.size;
  }

  /** Asks an open worker for something; `done` is called once, later, within the bound. */
  ask(wish: Wish, boundMs: number, done: RequestDone): void {
    const { clock, link, asksMax } = this.#options;
    const refused = this.#refusal(asksMax);
    if (refused !== undefined) {
      clock.defer(() => runGuarded(clock, () => done(refused)));
      return;
    }
    const id = ++this.#lastAsk;
    const timer = clock.at(clock.nowMs() + boundMs, () => this.#unanswered(id, wish, boundMs));
    this.#asks.set(id, { done, timer });
    link.post({ type: "ask", id, wish } satisfies ToWorker);
  }

  /** Ends it from any state; `done` is called once, later, within the bound. The first bound counts. */
  close(boundMs: number, done: (report: WorkerCloseReport) => void): void {
    const { clock } = this.#options;
    this.#request ??= { boundMs, atMs: clock.nowMs() };
    this.#waiters.push(done);
    if (this.#state === "ended") clock.defer(() => this.#report());
    else this.#meet("close");
  }

  #refusal(asksMax: number): WorkerError | undefined {
    const details = { outcome: "not-sent", cause: this.#error } as const;
    if (this.#state !== "open") {
      return new WorkerError("worker-gone", `${this.name} does not have the device`, details);
    }
    if (this.#asks.size < asksMax) return undefined;
    const message = `${this.name} has not answered ${asksMax} requests`;
    return new WorkerError("limit-reached", message, details);
  }

  #received(message: ToMain): void {
    switch (message.type) {
      case "hello":
        this.#meet("hello");
        break;
      case "opened":
        this.#status = message.status;
        this.#meet("opened");
        break;
      case "failed":
        this.#error = errorOf(message.error);
        this.#meet("failed");
        break;
      case "answer":
        this.#status = message.status;
        this.#answered(message.id, message.error && errorOf(message.error));
        this.#options.changed(this);
        break;
      case "status":
        this.#status = message.status;
        this.#options.link.post({ type: "seen" } satisfies ToWorker);
        this.#options.changed(this);
        break;
      case "closed":
        this.#close = closeReport(message.close);
        this.#meet("closed");
        break;
    }
  }

  #meet(event: WorkerEvent): void {
    const cell = workerLife[this.#state][event];
    if (cell === "ignore") return;
    if (cell === "impossible") throw new Error(`${event} cannot happen while ${this.#state}`);
    this.#state = cell.to;
    this.#end = cell.end;
    for (const effect of cell.run) this.#effects[effect]();
    this.#options.changed(this);
    if (cell.to === "open") this.#options.opened(this);
  }

  #answered(id: number, error: NvmeofError | undefined): void {
    const ask = this.#asks.get(id);
    this.#asks.delete(id);
    ask?.timer.cancel();
    this.#settle(ask, error);
  }

  /** Nobody waits any longer, and its place stays taken: the answer may come yet. */
  #unanswered(id: number, { what }: Wish, boundMs: number): void {
    const message = `${this.name} has not answered ${what} in ${boundMs} ms`;
    const hint = "Its thread is busy or blocked, or the target does not answer.";
    this.#settle(
      this.#asks.get(id),
      new WorkerError("worker-stuck", message, { hint, outcome: "unknown" }),
    );
  }

  #settle(ask: Ask | undefined, error: NvmeofError | undefined): void {
    const done = ask?.done;
    if (ask === undefined || done === undefined) return;
    ask.done = undefined;
    runGuarded(this.#options.clock, () => done(error));
  }

  #tellToClose(): void {
    const { clock, link, terminate } = this.#options;
    const { boundMs, atMs } = this.#request!;
    const at = (share: number, event: WorkerEvent): void => {
      this.#timers.push(clock.at(atMs + boundMs * share, () => this.#meet(event)));
    };
    link.post({ type: "close", boundMs: boundMs * WORKER_SHARE } satisfies ToWorker);
    if (terminate !== undefined) at(OVERDUE_SHARE, "overdue");
    at(1, "bound");
  }

  /** Whether it works shows in the end of the link, and nowhere else. */
  #terminate(): void {
    const { terminate, clock } = this.#options;
    runGuarded(clock, () => {
      const ending = terminate!();
      if (ending instanceof Promise) ending.catch(() => {});
    });
  }

  #finish(): void {
    const { clock, link } = this.#options;
    for (const timer of this.#timers) timer.cancel();
    link.close();
    this.#error ??= this.#errorOfEnd();
    const gone = new WorkerError("worker-gone", `${this.name} has ended`, {
      outcome: "unknown",
      cause: this.#error,
    });
    for (const ask of this.#asks.values()) {
      ask.timer.cancel();
      clock.defer(() => this.#settle(ask, gone));
    }
    this.#asks.clear();
    clock.defer(() => this.#report());
  }

  #errorOfEnd(): WorkerError | undefined {
    if (this.#end === "gone") return new WorkerError("worker-gone", `${this.name} is gone`);
    if (this.#end !== "stuck" && this.#end !== "terminated") return undefined;
    const message = `${this.name} has not closed in time`;
    const hint = "Its thread was busy or blocked; it lets go as soon as it is not.";
    return new WorkerError("worker-stuck", message, this.#end === "stuck" ? { hint } : {});
  }

  #report(): void {
    const { clock } = this.#options;
    const { id, name } = this;
    const totalMs = this.#request === undefined ? 0 : clock.nowMs() - this.#request.atMs;
    const report = { id, name, end: this.#end!, totalMs, close: this.#close };
    for (const done of this.#waiters.splice(0)) runGuarded(clock, () => done(report));
  }
}

const closeReport = ({ reason, ...done }: CloseData): CloseReport => ({
  ...done,
  reason: reason && errorOf(reason),
});
