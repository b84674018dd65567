// Authentication on one queue of a controller: stands before what serves the queue until the host has
// proven who it is, and again whenever it is to prove it anew.
// Read first: Base 2.0 §6.1 "Authentication Receive command", §6.2 "Authentication Send command";
// @nvmeof/core/auth controller-exchange.ts for the exchange itself. Ids in brackets: table of bad input.

import {
  AdminOpcode,
  AuthReceiveCommand,
  AuthSendCommand,
  Fctype,
  OPC_FABRICS,
  SECP_NVME,
  Sqe,
  Status,
} from "@nvmeof/codec";
import { AUTH_MESSAGE_BYTES_MAX, AuthFailure, authHashName, dhGroupName } from "@nvmeof/codec/auth";
import { type AuthResult, ControllerExchange } from "@nvmeof/core/auth";
import type { CloseHow } from "@nvmeof/transport";
import type { Controller } from "../controller.ts";
import type { MetLimit } from "../counters.ts";
import { DataIn } from "../data-in.ts";
import { final } from "../errors.ts";
import { Deadline } from "../gate.ts";
import type { Queue, QueueRole } from "../queue.ts";
import type { AuthWatch, Unproven } from "./auth-watch.ts";

/** Commands of one exchange: a host needs five. */
const COMMANDS_MAX = 8;
/** SPSP0 and SPSP1. */
const SPSP = 1;

const invalidField = final(Status.InvalidField);
const dataLengthInvalid = final(Status.SglDataLengthInvalid);
const sequenceError = final(Status.CommandSequenceError);

/** Whether a command is one of the two. */
export const isAuthCommand = (sqe: DataView): boolean => {
  if (Sqe.opc.get(sqe) !== OPC_FABRICS) return false;
  const fctype = AuthSendCommand.fctype.get(sqe);
  return fctype === Fctype.AuthenticationSend || fctype === Fctype.AuthenticationReceive;
};

/** What a queue is that has to be authenticated. */
export interface AuthRoleOptions {
  readonly watch: AuthWatch;
  readonly queue: Queue;
  readonly controller: Controller;
  readonly qid: number;
  /** What serves the queue once the host has proven who it is. */
  readonly role: QueueRole;
  /** The host has done so for the first time. Returns why the queue can be of no use any more. */
  readonly admit: () => string | undefined;
}

/**
 * - `unproven`: nothing but authentication is served.
 * - `proven`: what serves the queue does; this stands aside, but for an exchange.
 * - `asking`: as before, and the next command is refused, so that the host authenticates again.
 */
type Standing = "unproven" | "proven" | "asking";

export class AuthRole implements QueueRole, Unproven {
  readonly qid: number;
  readonly #watch: AuthWatch;
  readonly #queue: Queue;
  readonly #controller: Controller;
  readonly #role: QueueRole;
  readonly #admit: () => string | undefined;
  readonly #exchange: ControllerExchange;
  readonly #dataIn: DataIn;
  readonly #deadline: Deadline;
  #standing: Standing = "unproven";
  /** Of the exchange under way. */
  #commands = 0;
  #refusals = 0;
  /** An Authentication Receive that overtook the data of a Send. */
  #held: number | undefined;

  constructor({ watch, queue, controller, qid, role, admit }: AuthRoleOptions) {
    const { clock, gate, limits } = queue.context;
    const { subsystem, host } = controller;
    this.qid = qid;
    this.#watch = watch;
    this.#queue = queue;
    this.#controller = controller;
    this.#role = role;
    this.#admit = admit;
    this.#dataIn = new DataIn(queue.link);
    this.#exchange = new ControllerExchange({
      crypto: watch.crypto,
      numbers: watch.numbers,
      hostNqn: host.nqn,
      subsystemNqn: subsystem.nqn,
      secrets: () => subsystem.hosts.secretsOf(host.nqn),
    });
    this.#deadline = new Deadline(clock, gate, () => {
      this.#end("reset", "it was not authenticated in time", "authenticateTimeoutMs");
    });
    this.#deadline.set(limits.authenticateTimeoutMs);
    watch.begin(this);
  }

  /** The host has proven who it is. */
  get isProven(): boolean {
    return this.#standing !== "unproven";
  }

  get inflight(): number {
    return this.#dataIn.count + (this.#held === undefined ? 0 : 1) + this.#role.inflight;
  }

  command(tag: number): void {
    const sqe = this.#queue.link.sqe(tag);
    if (isAuthCommand(sqe)) {
      this.#controller.commandsSeen++;
      this.#authenticate(tag, sqe);
    } else if (this.#standing === "unproven") {
      this.#refuseOther(tag);
    } else if (this.#standing === "asking" && isOrdinary(sqe)) {
      // Not final: it is welcome as soon as the host has proven itself anew.
      this.#controller.commandsSeen++;
      this.#standing = "proven";
      this.#stepAside();
      this.#queue.answer(tag, Status.AuthRequired);
      this.#controller.demand?.asked();
    } else {
      this.#role.command(tag);
    }
  }

  fetched(tag: number, status: number): void {
    if (!this.#dataIn.awaits(tag)) {
      this.#role.fetched(tag, status);
      return;
    }
    const refusal = this.#dataIn.fetched(tag, status);
    if (refusal !== 0) this.#queue.answer(tag, refusal);
    this.#receiveHeld();
  }

  ended(): void {
    this.#deadline.clear();
    this.#watch.end(this);
    this.#controller.demand?.settled(this.qid);
    // Nobody has heard of an I/O queue that was not admitted.
    if (this.isProven || this.qid === 0) this.#role.ended();
  }

  makeRoom(): void {
    this.#end("reset", "others want to authenticate", "unauthenticatedMax");
  }

  /** For the role that serves the queue: a command of authentication came. */
  begin(tag: number): void {
    this.#queue.handOver(this);
    this.command(tag);
  }

  /** Lets the host authenticate again: the next command that it sends here says so. */
  ask(): void {
    if (this.#standing !== "proven") return;
    this.#standing = "asking";
    this.#queue.handOver(this);
  }

  #authenticate(tag: number, sqe: DataView): void {
    this.#commands++;
    if (this.#commands > COMMANDS_MAX) {
      this.#queue.answer(tag, sequenceError);
      this.#end("orderly", "an exchange of too many commands", "refusedCommandsMax");
      return;
    }
    if (this.#standing !== "unproven" && !this.#exchange.isUnderWay) {
      this.#deadline.set(this.#queue.context.limits.authenticateTimeoutMs);
    }
    const isSend = AuthSendCommand.fctype.get(sqe) === Fctype.AuthenticationSend;
    const refusal = isSend ? this.#checkSend(tag, sqe) : this.#checkReceive(tag, sqe);
    if (refusal !== 0) this.#queue.answer(tag, refusal);
    else if (isSend) this.#dataIn.get(tag, (message) => this.#sent(tag, message));
    else this.#receive(tag);
    this.#stepAside();
  }

  /** [A2] In the order of the fields; nothing is made of what a host only claims. */
  #checkSend(tag: number, sqe: DataView): number {
    if (!isOurProtocol(sqe)) return invalidField;
    const tl = AuthSendCommand.tl.get(sqe);
    if (tl < AuthFailure.size || tl > AUTH_MESSAGE_BYTES_MAX) return invalidField;
    return tl === this.#queue.link.transferBytes(tag) ? 0 : dataLengthInvalid;
  }

  #checkReceive(tag: number, sqe: DataView): number {
    if (!isOurProtocol(sqe)) return invalidField;
    const al = AuthReceiveCommand.al.get(sqe);
    if (al === 0 || al > AUTH_MESSAGE_BYTES_MAX) return invalidField;
    return al === this.#queue.link.transferBytes(tag) ? 0 : dataLengthInvalid;
  }

  #sent(tag: number, message: Uint8Array): void {
    this.#exchange.handle({ type: "message", message });
    this.#queue.answer(tag, 0);
    this.#drain();
    this.#receiveHeld();
  }

  /** [A14] At once, but behind a Send whose data is under way. */
  #receive(tag: number): void {
    if (this.#dataIn.count > 0 && this.#held === undefined) {
      this.#held = tag;
      return;
    }
    const { link } = this.#queue;
    const bytes = link.transferBytes(tag);
    const { pending } = this.#exchange;
    if (pending === undefined) {
      this.#queue.answer(tag, sequenceError);
    } else if (bytes < pending.length) {
      this.#queue.answer(tag, invalidField); // [A13]
    } else {
      const answer = new Uint8Array(bytes);
      answer.set(pending);
      this.#queue.answerBytes(tag, answer);
      this.#exchange.handle({ type: "receive" });
      this.#drain();
    }
  }

  #receiveHeld(): void {
    const tag = this.#held;
    if (tag === undefined || this.#dataIn.count > 0) return;
    this.#held = undefined;
    this.#receive(tag);
    this.#stepAside();
  }

  #drain(): void {
    for (let output = this.#exchange.poll(); output; output = this.#exchange.poll()) {
      if (output.type === "authenticated") this.#proven(output.result);
      else if (output.type === "failed") this.#failed(output.explanation, output.text);
      else if (output.type === "end") this.#end("orderly", "authentication failed");
    }
  }

  #proven({ hash, group, mutual }: AuthResult): void {
    const { context, link } = this.#queue;
    const { subsystem, cntlid, host } = this.#controller;
    const isFirst = this.#standing === "unproven";
    this.#deadline.clear();
    this.#watch.end(this);
    this.#commands = 0;
    this.#standing = "proven";
    context.counting.authenticated();
    context.observers.tell({
      type: "authenticated",
      subsystemNqn: subsystem.nqn,
      cntlid,
      qid: this.qid,
      hostNqn: host.nqn,
      remote: link.remote,
      hash: authHashName(hash),
      group: dhGroupName(group),
      mutual,
    });
    this.#controller.demand?.settled(this.qid);
    const why = isFirst ? this.#admit() : undefined;
    if (why === undefined) return;
    // It was never admitted, so that its role has nothing to end.
    this.#standing = "unproven";
    this.#queue.end("orderly", why);
  }

  #failed(explanation: number, text: string): void {
    const { context, link } = this.#queue;
    const { subsystem, host } = this.#controller;
    const { remote } = link;
    this.#watch.failed(remote);
    context.counting.authenticationFailed();
    context.observers.tell({
      type: "authentication-failed",
      subsystemNqn: subsystem.nqn,
      qid: this.qid,
      hostNqn: host.nqn,
      remote,
      explanation,
      message: text,
    });
  }

  #refuseOther(tag: number): void {
    this.#queue.answer(tag, Status.AuthRequired); // [A1]
    this.#refusals++;
    if (this.#refusals < this.#queue.context.limits.refusedCommandsMax) return;
    this.#end("orderly", "commands before authentication", "refusedCommandsMax");
  }

  /** What serves the queue does so directly, unless this one is needed. */
  #stepAside(): void {
    const isIdle = !this.#exchange.isUnderWay && this.#dataIn.count === 0;
    if (this.#standing === "proven" && isIdle) this.#queue.handOver(this.#role);
  }

  /** Without its admin queue a controller is nothing; an I/O queue goes alone. */
  #end(how: CloseHow, why: string, limit?: MetLimit): void {
    if (this.qid > 0) {
      this.#queue.end(how, why, limit);
      return;
    }
    this.#controller.remove("authentication-failed", how, limit);
  }
}

const isOurProtocol = (sqe: DataView): boolean =>
  AuthSendCommand.spsp0.get(sqe) === SPSP &&
  AuthSendCommand.spsp1.get(sqe) === SPSP &&
  AuthSendCommand.secp.get(sqe) === SECP_NVME;

/** A command that a host repeats when it is told to: not what keeps a controller, or only waits. */
function isOrdinary(sqe: DataView): boolean {
  const opcode = Sqe.opc.get(sqe);
  return (
    opcode !== OPC_FABRICS &&
    opcode !== AdminOpcode.KeepAlive &&
    opcode !== AdminOpcode.AsyncEventRequest
  );
}
