// One connection of a host: a link, what it serves (connect.ts, then admin.ts or io.ts), and its end.
// Read first: @nvmeof/transport queue-link.ts for the contract; gate.ts for who may pass.

import type { NvmeofError } from "@nvmeof/codec";
import type { CloseHow, ControllerEvents, ControllerLink, TlsFailure } from "@nvmeof/transport";
import type { AuthRole } from "./auth/auth-role.ts";
import { BufferAccount, type Loan } from "./buffer-pool.ts";
import type { TargetContext } from "./context.ts";
import type { MetLimit } from "./counters.ts";
import { Deadline, GateMode } from "./gate.ts";

/** What a queue is to its commands: that of Connect first, and authentication now and then. */
export interface QueueRole {
  /** A command arrived in slot `tag`. */
  command(tag: number): void;
  /** The data that the role asked the link for is there, or is not (an NVMe status). */
  fetched(tag: number, status: number): void;
  /** The queue is gone; nothing is answered any more. Comes last, once. */
  ended(): void;
  /** Commands that were taken and not answered; requests for asynchronous events do not count. */
  readonly inflight: number;
}

/** Where a queue came in. */
export interface QueuePort {
  readonly portId: number;
  /** Transport type of the Error Information log and of discovery entries. */
  readonly trtype: number;
  /** The queue's Connect has succeeded. */
  queueConnected(queue: Queue): void;
  /** The queue has ended. */
  queueEnded(queue: Queue): void;
}

/** One queue's connection. */
export class Queue implements ControllerEvents {
  readonly context: TargetContext;
  readonly port: QueuePort;
  readonly link: ControllerLink;
  readonly account: BufferAccount;
  /** Of a queue whose host has to prove who it is; it need not be the role that serves the queue. */
  auth: AuthRole | undefined;
  readonly #connectDeadline: Deadline;
  #role: QueueRole;
  #state: "open" | "ended" = "open";
  /** What came, and what would have been answered, while the target was frozen; oldest first. */
  #held: (() => unknown)[] = [];

  constructor(
    context: TargetContext,
    port: QueuePort,
    link: ControllerLink,
    firstRole: (queue: Queue) => QueueRole,
  ) {
    this.context = context;
    this.port = port;
    this.link = link;
    this.account = new BufferAccount(context.limits.connectionBufferBytesMax);
    const { clock, gate } = context;
    this.#connectDeadline = new Deadline(clock, gate, () =>
      this.end("reset", "no Connect in time", "connectTimeoutMs"),
    );
    this.#role = firstRole(this);
  }

  /** The role that serves the queue from now on. */
  become(role: QueueRole): void {
    this.#connectDeadline.clear();
    this.port.queueConnected(this);
    this.#role = role;
  }

  /** Another role serves the queue from now on, whose Connect has succeeded long ago. */
  handOver(role: QueueRole): void {
    this.#role = role;
  }

  get inflight(): number {
    return this.#role.inflight;
  }

  opened(): void {
    this.#connectDeadline.set(this.context.limits.connectTimeoutMs);
  }

  command(tag: number): void {
    if (this.context.gate.mode === GateMode.Open) this.#role.command(tag);
    else this.#holdCommand(tag);
  }

  fetched(tag: number, status: number): void {
    if (this.context.gate.mode !== GateMode.Frozen) this.#role.fetched(tag, status);
    else this.#holdFetched(tag, status);
  }

  /** Completes a command without data. Nothing happens when the queue is gone. */
  answer(tag: number, status: number, dw0 = 0, dw1 = 0): void {
    if (this.#state === "ended") return;
    if (this.context.gate.mode === GateMode.Frozen) this.#holdAnswer(tag, status, dw0, dw1);
    else this.link.respond(tag, status, dw0, dw1);
  }

  /** Completes a command with data that nobody changes any more. */
  answerBytes(tag: number, data: Uint8Array): void {
    if (this.#state === "ended") return;
    if (this.context.gate.mode === GateMode.Frozen) this.#hold(() => this.answerBytes(tag, data));
    else this.link.respond(tag, 0, 0, 0, data);
  }

  /** Completes a command with the first `bytes` of a loan, which goes back when they are sent. */
  answerLoan(tag: number, loan: Loan, bytes: number): void {
    const { gate, pool } = this.context;
    if (this.#state === "ended") {
      pool.giveBack(loan);
    } else if (gate.mode === GateMode.Frozen) {
      this.#holdLoan(tag, loan, bytes);
    } else {
      pool.sending(loan);
      this.link.respond(tag, 0, 0, 0, loan.first(bytes), loan.release);
    }
  }

  /**
   * Ends the connection from our side, at once. `by-load`: one with nothing under way gets its last
   * bytes, any other is cut. `limit`: the bound that the host met.
   */
  end(how: CloseHow | "by-load", why: string, limit?: MetLimit): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    const isOrderly = how === "orderly" || (how === "by-load" && this.inflight === 0);
    this.link.close(isOrderly ? "orderly" : "reset", this.context.limits.lingerMs);
    if (limit !== undefined) this.context.counting.count(limit);
    this.#finish(why, limit);
  }

  lost(error: NvmeofError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    const { counting } = this.context;
    const { failure, identity } = counting.tlsRefused(error) ?? {};
    this.#finish(error.message, counting.lost(error), failure, identity);
  }

  #finish(
    message: string,
    limit: MetLimit | undefined,
    tlsFailure?: TlsFailure,
    tlsIdentity?: string,
  ): void {
    const { observers, pool, usage } = this.context;
    this.#connectDeadline.clear();
    const held = this.#held;
    this.#held = [];
    // Nothing is answered now, but the buffers in it go back.
    for (const step of held) step();
    this.#role.ended();
    pool.writeOff(this.account);
    usage.connections--;
    const { remote } = this.link;
    const why = { limit, tlsFailure, tlsIdentity };
    observers.tell({ type: "connection-ended", remote, message, ...why });
    this.port.queueEnded(this);
  }

  // Functions of their own: one that makes a closure allocates on every call, taken or not.

  #holdCommand(tag: number): void {
    this.#hold(() => this.#state === "open" && this.command(tag));
  }

  #holdFetched(tag: number, status: number): void {
    this.#hold(() => this.#state === "open" && this.fetched(tag, status));
  }

  #holdAnswer(tag: number, status: number, dw0: number, dw1: number): void {
    this.#hold(() => this.answer(tag, status, dw0, dw1));
  }

  #holdLoan(tag: number, loan: Loan, bytes: number): void {
    this.#hold(() => this.answerLoan(tag, loan, bytes));
  }

  #hold(step: () => unknown): void {
    if (this.#state === "ended") return;
    if (this.#held.length === 0) this.context.gate.whenThawed(this.#thawed);
    this.#held.push(step);
  }

  readonly #thawed = (): void => {
    const held = this.#held;
    this.#held = [];
    for (const step of held) step();
  };
}
