// The admin queue of a controller: its commands, and the Fabrics commands that come on it.
// Read first: Base 2.0 §5 "Admin Command Set", §6 "Fabrics Command Set".

import {
  AbortCommand,
  AdminOpcode,
  Fctype,
  IDENTIFY_BYTES,
  OPC_FABRICS,
  SetFeaturesCommand,
  Sqe,
  Status,
} from "@nvmeof/codec";
import type { Controller } from "./controller.ts";
import { crossControllerReset } from "./cross-controller-reset.ts";
import { DataIn } from "./data-in.ts";
import { final } from "./errors.ts";
import { type FeatureAnswer, featureDataBytes, getFeatures, setFeatures } from "./features.ts";
import { identify } from "./identify.ts";
import { getLogPage } from "./log.ts";
import { attachNamespace } from "./namespace-management.ts";
import { adminOpcodesOf } from "./opcodes.ts";
import { getProperty, setProperty } from "./property.ts";
import type { Queue, QueueRole } from "./queue.ts";

/** Data up to this many bytes is not worth a loan: the transport copies it at once. */
const COPIED_BYTES_MAX = 8 * 1024;

/** Result of Abort: the command was not aborted. */
const NOT_ABORTED = 1;

const sequenceError = final(Status.CommandSequenceError);
const invalidOpcode = final(Status.InvalidOpcode);

/** Serves an admin queue. */
export class AdminRole implements QueueRole {
  readonly #queue: Queue;
  readonly #controller: Controller;
  readonly #dataIn: DataIn;
  /** Commands that are answered when something is done that takes its time. */
  #late = 0;

  constructor(queue: Queue, controller: Controller) {
    this.#queue = queue;
    this.#controller = controller;
    this.#dataIn = new DataIn(queue.link);
  }

  /** All others are answered before the next one is looked at. */
  get inflight(): number {
    return this.#dataIn.count + this.#late;
  }

  command(tag: number): void {
    const sqe = this.#queue.link.sqe(tag);
    const opcode = Sqe.opc.get(sqe);
    const controller = this.#controller;
    controller.commandsSeen++;
    if (opcode === OPC_FABRICS) {
      this.#fabrics(tag, sqe);
      return;
    }
    if (!adminOpcodesOf(controller).includes(opcode)) this.#refuse(tag, invalidOpcode);
    else if (!controller.isReady) this.#refuse(tag, sequenceError);
    else this.#admin(tag, sqe, opcode);
  }

  fetched(tag: number, status: number): void {
    const refusal = this.#dataIn.fetched(tag, status);
    if (refusal !== 0) this.#refuse(tag, refusal);
  }

  ended(): void {
    this.#controller.remove("host-left");
  }

  #fabrics(tag: number, sqe: DataView): void {
    const controller = this.#controller;
    switch (sqe.getUint8(4)) {
      case Fctype.PropertyGet: {
        const { status, low, high } = getProperty(controller, sqe);
        if (status !== 0) this.#refuse(tag, status);
        else this.#queue.answer(tag, 0, low, high);
        break;
      }
      case Fctype.PropertySet:
        this.#finish(tag, setProperty(controller, sqe));
        break;
      case Fctype.Connect:
        this.#refuse(tag, sequenceError);
        break;
      case Fctype.Disconnect:
        this.#refuse(tag, final(Status.DisconnectInvalidQueueType));
        break;
      case Fctype.AuthenticationSend:
      case Fctype.AuthenticationReceive: {
        // Again; the first time it does not come here.
        const { auth } = this.#queue;
        if (auth === undefined) this.#refuse(tag, invalidOpcode);
        else auth.begin(tag);
        break;
      }
      default:
        this.#refuse(tag, invalidOpcode);
    }
  }

  #admin(tag: number, sqe: DataView, opcode: number): void {
    const controller = this.#controller;
    const transferBytes = this.#queue.link.transferBytes(tag);
    switch (opcode) {
      case AdminOpcode.Identify:
        this.#page(tag, transferBytes, identify(controller, sqe));
        break;
      case AdminOpcode.GetLogPage:
        this.#page(tag, transferBytes, getLogPage(controller, sqe, transferBytes));
        break;
      case AdminOpcode.SetFeatures:
        this.#setFeatures(tag, sqe, transferBytes);
        break;
      case AdminOpcode.GetFeatures:
        this.#feature(tag, transferBytes, getFeatures(controller, sqe));
        break;
      case AdminOpcode.AsyncEventRequest: {
        const refusal = controller.events.request(tag);
        if (refusal !== 0) this.#refuse(tag, refusal);
        break;
      }
      case AdminOpcode.KeepAlive:
        controller.keepAlive.heard();
        this.#queue.answer(tag, 0);
        break;
      case AdminOpcode.CrossControllerReset:
        this.#resetOther(tag, sqe, transferBytes);
        break;
      case AdminOpcode.NamespaceManagement:
        this.#withData(tag, transferBytes, (data) => this.#manage(tag, sqe, data));
        break;
      case AdminOpcode.NamespaceAttachment:
        this.#withData(tag, transferBytes, (data) => this.#attach(tag, sqe, data));
        break;
      case AdminOpcode.FormatNvm:
        this.#format(tag, sqe);
        break;
      case AdminOpcode.Sanitize:
        this.#finish(tag, controller.subsystem.erasure.sanitize(sqe));
        break;
      case AdminOpcode.DeviceSelfTest:
        this.#finish(tag, controller.subsystem.selfTests.command(controller, sqe));
        break;
      default:
        this.#abort(tag, sqe);
    }
  }

  #resetOther(tag: number, sqe: DataView, transferBytes: number): void {
    if (transferBytes > 0) {
      this.#refuse(tag, final(Status.SglDataLengthInvalid));
      return;
    }
    const { status, dw0 } = crossControllerReset(this.#controller, sqe);
    if (status !== 0) this.#refuse(tag, status);
    else this.#queue.answer(tag, 0, dw0);
  }

  #withData(tag: number, transferBytes: number, take: (data?: Uint8Array) => void): void {
    if (transferBytes === 0) take();
    else if (transferBytes !== IDENTIFY_BYTES)
      this.#refuse(tag, final(Status.SglDataLengthInvalid));
    else this.#dataIn.get(tag, take);
  }

  #manage(tag: number, sqe: DataView, data: Uint8Array | undefined): void {
    this.#late++;
    this.#controller.subsystem.manager!.manage(sqe, data, ({ status, dw0 }) => {
      this.#late--;
      if (status !== 0) this.#refuse(tag, status);
      else this.#queue.answer(tag, 0, dw0);
    });
  }

  #attach(tag: number, sqe: DataView, data: Uint8Array | undefined): void {
    if (data === undefined) this.#refuse(tag, final(Status.SglDataLengthInvalid));
    else this.#finish(tag, attachNamespace(this.#controller.subsystem, sqe, data).status);
  }

  #format(tag: number, sqe: DataView): void {
    this.#late++;
    const controller = this.#controller;
    const answer = (status: number): void => {
      this.#late--;
      this.#finish(tag, status);
    };
    const refusal = controller.subsystem.erasure.format(controller, sqe, answer);
    if (refusal !== 0) answer(refusal);
  }

  #abort(tag: number, sqe: DataView): void {
    const sqid = AbortCommand.sqid.get(sqe);
    const cid = AbortCommand.abortedCid.get(sqe);
    const done = sqid === 0 ? this.#abortRequest(cid) : this.#controller.abort(sqid, cid);
    this.#queue.answer(tag, 0, done ? 0 : NOT_ABORTED);
  }

  /** On this queue nothing waits that could be aborted but requests for asynchronous events. */
  #abortRequest(cid: number): boolean {
    const { events } = this.#controller;
    const { link } = this.#queue;
    const tag = events.requests.find((each) => Sqe.cid.get(link.sqe(each)) === cid);
    if (tag === undefined || !events.cancel(tag)) return false;
    this.#queue.answer(tag, final(Status.AbortRequested));
    return true;
  }

  #setFeatures(tag: number, sqe: DataView, transferBytes: number): void {
    const controller = this.#controller;
    const bytes = featureDataBytes(SetFeaturesCommand.fid.get(sqe));
    if (transferBytes !== bytes) {
      this.#refuse(tag, final(Status.SglDataLengthInvalid));
    } else if (bytes === 0) {
      this.#feature(tag, 0, setFeatures(controller, sqe, undefined));
    } else {
      this.#dataIn.get(tag, (data) => this.#feature(tag, 0, setFeatures(controller, sqe, data)));
    }
  }

  #feature(tag: number, transferBytes: number, { status, dw0, data }: FeatureAnswer): void {
    if (status !== 0) this.#refuse(tag, status);
    else if (data !== undefined) this.#page(tag, transferBytes, data);
    else if (transferBytes > 0) this.#refuse(tag, final(Status.SglDataLengthInvalid));
    else this.#queue.answer(tag, 0, dw0);
  }

  /** Read data: as much of it as the host has room for, and never less than it has room for. */
  #page(tag: number, transferBytes: number, page: Uint8Array | number): void {
    if (typeof page === "number") {
      this.#refuse(tag, page);
    } else if (transferBytes > page.length) {
      this.#refuse(tag, final(Status.SglDataLengthInvalid));
    } else if (transferBytes === 0) {
      this.#queue.answer(tag, 0);
    } else if (transferBytes <= COPIED_BYTES_MAX) {
      this.#queue.answerBytes(tag, page.subarray(0, transferBytes));
    } else {
      this.#large(tag, page);
    }
  }

  /** Large logs count against the budget like any other data. */
  #large(tag: number, page: Uint8Array): void {
    const loan = this.#queue.context.pool.take(page.length, this.#queue.account);
    if (loan === undefined) {
      this.#refuse(tag, Status.CommandInterrupted);
      return;
    }
    loan.bytes.set(page);
    this.#queue.answerLoan(tag, loan, page.length);
  }

  #finish(tag: number, status: number): void {
    if (status === 0) this.#queue.answer(tag, 0);
    else this.#refuse(tag, status);
  }

  #refuse(tag: number, status: number): void {
    const { context, link, port } = this.#queue;
    context.counting.refused(link, tag, status);
    this.#controller.errors.note(0, link.sqe(tag), status, port.trtype);
    this.#queue.answer(tag, status);
  }
}
