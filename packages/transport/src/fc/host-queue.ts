// A host's end of one queue over FC: each command is an exchange of its connection.
// Read first: ../queue-link.ts for the contract; FC-NVMe-2 §8 "Information units"; host-association.ts.

import {
  Cqe,
  DataDirection,
  type NvmeofError,
  PSDT_SGL,
  SglId,
  Sqe,
  Status,
  cqeStatus,
} from "@nvmeof/codec";
import {
  CMD_FC_ID,
  CMD_FORMAT_ID,
  CMD_SQE_OFFSET,
  CmdCategory,
  CmdIu,
  ERSP_CQE_OFFSET,
  ErspIu,
  FcProtocolError,
  RSP_IU_BYTES,
  checkErspIu,
  checkRspIu,
} from "@nvmeof/codec/fc";
import type { Timer } from "../clock.ts";
import { TransportError } from "../errors.ts";
import type { CloseHow, QueueEvents, QueueLink, QueueOptions } from "../queue-link.ts";
import type { HostAssociation } from "./host-association.ts";
import { type FcpRequest, FcStatus, type RemotePort } from "./port.ts";

/** Entries that a connection has at least: fewer leave no ERSP ratio that FC-NVMe allows. */
const ENTRIES_MIN = 4;

/** The request of one command slot, used again and again. */
export class QueueRequest implements FcpRequest {
  readonly queue: HostQueue;
  readonly cid: number;
  remote!: RemotePort;
  readonly command = new Uint8Array(CmdIu.size);
  readonly commandView = new DataView(this.command.buffer);
  data: Uint8Array | undefined = undefined;
  transferBytes = 0;
  isWrite = false;
  status: FcStatus = FcStatus.Success;
  error: NvmeofError | undefined = undefined;
  transferredBytes = 0;
  readonly response = new DataView(new ArrayBuffer(ErspIu.size));
  responseBytes = 0;
  exchange: object | undefined = undefined;
  /** `waiting`: the port was busy. `submitted`: the port has it. */
  phase: "idle" | "waiting" | "submitted" = "idle";

  constructor(queue: HostQueue, cid: number) {
    this.queue = queue;
    this.cid = cid;
    const view = this.commandView;
    CmdIu.formatId.set(view, 0, CMD_FORMAT_ID);
    CmdIu.fcId.set(view, 0, CMD_FC_ID);
    CmdIu.iuLength.set(view, 0, CmdIu.size / 4);
    CmdIu.category.set(view, 0, queue.qid === 0 ? CmdCategory.Admin : CmdCategory.Nvm);
  }
}

/**
 * `opening`: its connection is being made. `closed`: by the user; `lost`: not by him. In both it may
 * still have exchanges, until the association has ended them.
 */
type Phase = "opening" | "open" | "closed" | "lost";

/** See `QueueLink`. */
export class HostQueue implements QueueLink {
  readonly qid: number;
  readonly entries: number;
  readonly timeoutMs: number;
  /** Connection Identifier, once the target has given it. */
  connectionId: bigint | undefined = undefined;
  readonly association: HostAssociation;
  readonly #events: QueueEvents;
  readonly #requests: (QueueRequest | undefined)[] = [];
  /** Commands that the port had no room for, oldest first. */
  readonly #waiting: QueueRequest[] = [];
  /** A CQE of our own, for a response that has none. */
  readonly #cqe = new DataView(new ArrayBuffer(Cqe.size));
  #timer: Timer | undefined;
  #phase: Phase = "opening";
  #csn = 0;
  #sqhd = 0xffff;
  /** Requests that the port has. */
  #submitted = 0;

  constructor(association: HostAssociation, options: QueueOptions, events: QueueEvents) {
    this.qid = options.qid;
    this.entries = Math.max(options.slots + 1, ENTRIES_MIN);
    this.timeoutMs = options.timeoutMs;
    this.association = association;
    this.#events = events;
    const { clock } = association;
    this.#timer = clock.at(clock.nowMs() + options.timeoutMs, () => {
      const message = `no connection to ${association.text} in time`;
      association.fail(new TransportError(association.lateness, message));
    });
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Exchanges of the queue that the port has not said to be done. */
  get submitted(): number {
    return this.#submitted;
  }

  submit(cid: number, sqe: Uint8Array, direction: DataDirection, data?: Uint8Array): void {
    // Whoever learns of the end later than us has settled the command already, or will.
    if (this.#phase !== "open") return;
    const request = (this.#requests[cid] ??= this.#newRequest(cid));
    if (request.phase !== "idle") throw new Error(`CID ${cid} is in use`);
    const bytes = data?.length ?? 0;
    request.data = bytes === 0 ? undefined : data;
    request.transferBytes = bytes;
    request.isWrite = bytes > 0 && direction === DataDirection.ToController;
    this.#fill(request, sqe);
    request.phase = "waiting";
    if (this.#waiting.length > 0 || !this.#send(request)) {
      this.#waiting.push(request);
      this.association.portIsBusy(this);
    }
  }

  detach(cid: number): void {
    const request = this.#requests[cid];
    if (request === undefined || request.phase === "idle") return;
    // A target may yet ask for any part of a write.
    request.data = request.isWrite ? request.data?.slice() : undefined;
  }

  close(_how: CloseHow): void {
    // Frames are sent in their order, so what was submitted arrives before the disconnect either way.
    if (this.#phase === "closed" || this.#phase === "lost") return;
    this.#end("closed");
    this.association.queueClosed();
  }

  /** The connection is there. */
  connected(connectionId: bigint): void {
    this.connectionId = connectionId;
    if (this.#phase !== "opening") return;
    this.#phase = "open";
    this.#timer?.cancel();
    this.#events.opened();
  }

  /** The queue is lost: no command moves any more. Whoever calls tells it later, by `tellLost`. */
  lose(): boolean {
    if (this.#phase === "closed" || this.#phase === "lost") return false;
    this.#end("lost");
    return true;
  }

  tellLost(error: NvmeofError): void {
    this.#events.lost(error);
  }

  /** The requests that the port has: to be aborted. */
  *outstanding(): Generator<QueueRequest> {
    for (const request of this.#requests) if (request?.phase === "submitted") yield request;
  }

  /** Tries again what the port had no room for. Returns whether there is room left. */
  sendWaiting(): boolean {
    for (;;) {
      const request = this.#waiting[0];
      if (request === undefined) return true;
      if (!this.#send(request)) return false;
      this.#waiting.shift();
    }
  }

  /** The port is done with a request. */
  done(request: QueueRequest): void {
    request.phase = "idle";
    this.#submitted--;
    const { data } = request;
    request.data = undefined;
    if (this.#phase !== "open") return;
    if (request.status === FcStatus.Success) this.#answered(request, data);
    else if (request.status !== FcStatus.Lost) {
      const message = `${this.association.text} gave up a command of queue ${this.qid}`;
      this.association.fail(request.error ?? new TransportError("connection-lost", message));
    }
  }

  #answered(request: QueueRequest, data: Uint8Array | undefined): void {
    try {
      if (request.responseBytes > RSP_IU_BYTES) this.#checkErsp(request);
      else this.#checkRsp(request);
    } catch (error) {
      // The two ends may disagree on what is in the queue: that ends the association.
      request.data = data;
      this.association.fail(error as NvmeofError);
      return;
    }
    if (request.responseBytes <= RSP_IU_BYTES) {
      this.#complete(request.cid, Status.Success);
      return;
    }
    const { response } = request;
    this.#sqhd = Cqe.sqhd.get(response, ERSP_CQE_OFFSET);
    const isShort = !request.isWrite && request.transferredBytes < request.transferBytes;
    if (isShort && cqeStatus.get(response, ERSP_CQE_OFFSET) === 0) {
      // Success was claimed, but the data is not there: short data is never success.
      this.#complete(request.cid, Status.DataTransferError);
    } else {
      this.#events.completed(request.cid, response, ERSP_CQE_OFFSET);
    }
  }

  #checkErsp({ response, responseBytes, cid, transferredBytes }: QueueRequest): void {
    checkErspIu(response, 0, responseBytes, { cid, transferredBytes });
  }

  #checkRsp({ response, responseBytes, transferredBytes, transferBytes }: QueueRequest): void {
    if (responseBytes !== 0) checkRspIu(response, 0, responseBytes);
    if (transferredBytes === transferBytes) return;
    const message = `success, but ${transferredBytes} of ${transferBytes} bytes have moved`;
    throw new FcProtocolError("RSP IU", "length", responseBytes, message);
  }

  /** What an RSP stands for: success, and nothing new of the queue. */
  #complete(cid: number, status: number): void {
    const cqe = this.#cqe;
    for (let at = 0; at < Cqe.size; at += 4) cqe.setUint32(at, 0);
    Cqe.cid.set(cqe, 0, cid);
    Cqe.sqhd.set(cqe, 0, this.#sqhd);
    cqeStatus.set(cqe, 0, status);
    this.#events.completed(cid, cqe, 0);
  }

  #newRequest(cid: number): QueueRequest {
    const request = new QueueRequest(this, cid);
    CmdIu.connectionId.set(request.commandView, 0, this.connectionId!);
    return request;
  }

  #fill(request: QueueRequest, sqe: Uint8Array): void {
    const view = request.commandView;
    const bytes = request.transferBytes;
    CmdIu.write.set(view, 0, request.isWrite ? 1 : 0);
    CmdIu.read.set(view, 0, bytes > 0 && !request.isWrite ? 1 : 0);
    CmdIu.csn.set(view, 0, (this.#csn = (this.#csn + 1) >>> 0));
    CmdIu.dataLength.set(view, 0, bytes);
    request.command.set(sqe, CMD_SQE_OFFSET);
    Sqe.psdt.set(view, CMD_SQE_OFFSET, PSDT_SGL);
    Sqe.cid.set(view, CMD_SQE_OFFSET, request.cid);
    Sqe.sglAddress.set(view, CMD_SQE_OFFSET, 0);
    Sqe.sglLength.set(view, CMD_SQE_OFFSET, bytes);
    view.setUint32(CMD_SQE_OFFSET + 36, 0);
    Sqe.sglId.set(view, CMD_SQE_OFFSET, SglId.Transport);
  }

  #send(request: QueueRequest): boolean {
    if (!this.association.send(request)) return false;
    request.phase = "submitted";
    this.#submitted++;
    return true;
  }

  /** From here on no byte of a caller's buffer is read or written. */
  #end(phase: "closed" | "lost"): void {
    this.#phase = phase;
    this.#timer?.cancel();
    for (const request of this.#waiting.splice(0)) request.phase = "idle";
    for (const request of this.#requests) if (request !== undefined) request.data = undefined;
  }
}
