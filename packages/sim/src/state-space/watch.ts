// What must hold of a controller at every step and after its end, whatever was asked of it.
// Read first: ARCHITECTURE.md, "What always holds". The numbers are those of docs/invariants.md.

import { NvmeofError } from "@nvmeof/codec";
import {
  type CloseReport,
  type ControllerEvent,
  type Event,
  type State,
  lifecycle,
} from "@nvmeof/core";
import type { Subject } from "./subject.ts";

/** A close without options is over by then, ms. */
const CLOSE_BOUND_MS = 2_000;
/** After the end nothing may happen any more; this long it is looked at, ms. */
const AFTERWARDS_MS = 600_000;

type News = Extract<ControllerEvent, { type: "state" }>;

interface Asked {
  readonly what: string;
  /** Times that it was settled. */
  count: number;
  /** Of the controller when it was asked. */
  readonly askedIn: State;
}

/** The record of one controller, and the complaints about it. */
export class Watch {
  /** What did not hold, in the order in which it was seen. */
  readonly complaints: string[] = [];
  readonly outsideLoss = new NvmeofError("NVME_ERR_CONNECTION_LOST", "a monitor found it gone");
  readonly #subject: Subject;
  readonly #asked: Asked[] = [];
  #state: State;
  /** When the way out began: by the first request, or by itself. */
  #outMs: number | undefined;
  #closedMs: number | undefined;
  /** The event that led to closing. */
  #outBy: Event | undefined;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#state = subject.controller.state;
    subject.peer.onOpen = (qid) => this.#opening(qid);
    subject.fence.onBegin = () => this.#fencing();
  }

  /** Requests that were not answered, and commands that were not settled. */
  get pending(): number {
    return this.#asked.filter(({ count }) => count === 0).length;
  }

  /** Whether a request waits that a state will answer: a second one changes nothing. */
  get isJoined(): boolean {
    return this.#asked.some(
      ({ what, count }) => count === 0 && what !== "read" && what !== "admin",
    );
  }

  /** Somebody asked for something; the returned function is to be called once. */
  asked(what: string): () => void {
    const asked: Asked = { what, count: 0, askedIn: this.#state };
    this.#asked.push(asked);
    return () => {
      asked.count++;
      if (asked.count > 1) this.#complain(`I1: ${what} was settled ${asked.count} times`);
      if (this.#closedMs !== undefined && asked.askedIn !== "closed" && !this.#isLast(asked)) {
        this.#complain(`I2: ${what}, asked for while ${asked.askedIn}, settled after closed`);
      }
    };
  }

  /** A request to the controller; its answer has to agree with the state that it is given in. */
  requested(what: "start" | "reset" | "disable" | "enable"): (error?: NvmeofError) => void {
    const settled = this.asked(what);
    return (error) => {
      settled();
      const { state } = this.#subject.controller;
      const isAsWanted = state === (what === "disable" ? "disabled" : "live");
      if (isAsWanted === (error === undefined)) return;
      this.#complain(`I17: ${what} is answered with ${error?.code ?? "success"} while ${state}`);
    };
  }

  askedClose(): (report: CloseReport) => void {
    this.#outMs ??= this.#subject.clock.nowMs();
    const told = this.asked("close");
    return ({ totalMs, reason }) => {
      told();
      const wasAsked = this.#outBy === "close";
      if (wasAsked !== (reason === undefined)) {
        this.#complain(`closed by ${this.#outBy}, and the report gives ${reason?.code} as reason`);
      }
      if (totalMs > CLOSE_BOUND_MS) this.#complain(`I12: a close reports ${totalMs} ms`);
    };
  }

  /** The controller tells of a change of its state. */
  moved({ from, to, cause }: News): void {
    const { clock, controller } = this.#subject;
    const cell = lifecycle[from][cause];
    if (from !== this.#state) this.#complain(`I13: leaves ${from}, but was ${this.#state}`);
    if (controller.state !== to) this.#complain(`I13: told of ${to}, but is ${controller.state}`);
    if (typeof cell !== "object" || cell.to !== to) {
      this.#complain(`I13: ${from} by ${cause} to ${to} is no edge of the table`);
    }
    this.#state = to;
    if (to === "closing") {
      this.#outMs ??= clock.nowMs();
      this.#outBy = cause;
    }
    if (to === "closed") this.#closedMs = clock.nowMs();
  }

  /** Runs `task`; what it throws is an assertion of ours that has failed. */
  attempt(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#complain(`assertion: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Closes with the peer as silent as it is, and looks at what is left. The last call. */
  end(): void {
    const { clock, controller, peer, fence } = this.#subject;
    this.attempt(() => {
      if (this.#outMs === undefined) this.#subject.ask("close");
      clock.advance(Math.max(0, this.#outMs! + CLOSE_BOUND_MS - clock.nowMs()));
    });
    const tookMs = (this.#closedMs ?? Infinity) - this.#outMs!;
    if (tookMs > CLOSE_BOUND_MS) this.#complain(`I12: closed after ${tookMs} ms`);
    if (controller.state !== "closed") this.#complain(`I12: it is ${controller.state}`);
    if (clock.armed > 0) this.#complain(`I11: ${clock.armed} timers are armed after closed`);
    if (peer.links.size > 0) this.#complain(`I11: ${peer.links.size} links are open after closed`);
    if (fence.isOpen) this.#complain("I11: a fence is not called off after closed");
    const { inflight } = this.#subject;
    if (inflight > 0) this.#complain(`I11: ${inflight} commands are in flight after closed`);
    this.attempt(() => clock.advance(AFTERWARDS_MS));
    for (const { what, count } of this.#asked) {
      if (count !== 1) this.#complain(`I1: ${what} was settled ${count} times`);
    }
  }

  /** The waiters of the close itself, and of what it refuses, are told as `closed` is entered. */
  #isLast({ what }: Asked): boolean {
    return what !== "read" && what !== "admin";
  }

  #opening(qid: number): void {
    const { controller, peer } = this.#subject;
    const { state } = controller;
    if (qid > 0) return;
    if (state === "closing" || state === "closed") this.#complain(`I14: connects while ${state}`);
    if (state !== "connecting" && state !== "recovering") {
      this.#complain(`I13: connects while ${state}`);
    }
    if (peer.links.size > 0) {
      this.#complain(`I13: connects while ${peer.links.size} earlier queues are there`);
    }
  }

  /** What is in doubt is known: nothing of the controller is left, and nobody else waits for a fence. */
  #fencing(): void {
    const { controller, peer, fence, inflight } = this.#subject;
    const { state } = controller;
    if (state !== "fencing") this.#complain(`I13: fences while ${state}`);
    if (fence.isOpen) this.#complain("I13: fences while an earlier fence is open");
    if (peer.links.size > 0) this.#complain(`I13: fences while ${peer.links.size} queues are open`);
    if (inflight > 0) this.#complain(`I13: fences while ${inflight} commands are in flight`);
  }

  #complain(what: string): void {
    this.complaints.push(`${what} (at ${this.#subject.clock.nowMs()} ms)`);
  }
}
