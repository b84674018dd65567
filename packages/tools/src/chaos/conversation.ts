// What the proxy knows of a connection from having listened: digests, the queue, the commands in flight.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment"; Base 2.0 §6.3 "Connect Command and Response".

import {
  CAPSULE_OFFSET,
  ConnectCommand,
  Cqe,
  type Digests,
  Fctype,
  IcReq,
  IcResp,
  OPC_FABRICS,
  PduType,
  Sqe,
  alignmentBytes,
  viewOf,
} from "@nvmeof/codec";
import { type CapturedCommand, type QueueKind, commandOf } from "../capture/nvme/command.ts";
import type { ChaosPdu } from "./pdu.ts";

/** What ICReq and ICResp have settled. */
export interface Terms {
  readonly digests: Digests;
  /** Of data to the host, and to the controller, in bytes. */
  readonly hostAlignment: number;
  readonly controllerAlignment: number;
}

export class Conversation {
  /** Until both have spoken: no digests, no alignment beyond the least. */
  terms: Terms = {
    digests: { header: false, data: false },
    hostAlignment: 4,
    controllerAlignment: 4,
  };
  /** From the Connect command on. */
  qid: number | undefined;
  /** SQ head as the controller told it last. */
  sqhd = 0;
  readonly #commands = new Map<number, CapturedCommand>();

  get queue(): QueueKind {
    return this.qid === undefined ? "unknown" : this.qid === 0 ? "admin" : "io";
  }

  /** Commands without an answer so far; CIDs have 16 bits, which bounds them. */
  get commands(): ReadonlyMap<number, CapturedCommand> {
    return this.#commands;
  }

  /** Hears a PDU, before anything is done to it, and says what command it is of. */
  hear(pdu: ChaosPdu): void {
    switch (pdu.type) {
      case PduType.ICReq: {
        const hostAlignment = alignmentBytes(IcReq.hpda.get(pdu.view));
        this.terms = { ...this.terms, hostAlignment };
        break;
      }
      case PduType.ICResp:
        this.#agree(pdu.view);
        break;
      case PduType.CapsuleCmd:
        this.#command(pdu);
        break;
      case PduType.CapsuleResp:
        this.sqhd = Cqe.sqhd.get(pdu.view, CAPSULE_OFFSET);
        pdu.command = this.#commands.get(pdu.cid);
        break;
      default:
        if (pdu.cid >= 0) pdu.command = this.#commands.get(pdu.cid);
    }
    if (pdu.isAnswer) this.#commands.delete(pdu.cid);
  }

  /** The command was answered by somebody else. */
  forget(cid: number): void {
    this.#commands.delete(cid);
  }

  #agree(view: DataView): void {
    const header = IcResp.hdgst.get(view) === 1;
    const data = IcResp.ddgst.get(view) === 1;
    const controllerAlignment = alignmentBytes(IcResp.cpda.get(view));
    this.terms = { ...this.terms, digests: { header, data }, controllerAlignment };
  }

  #command(pdu: ChaosPdu): void {
    // The command outlives its PDU, and must not keep the data of that.
    const header = viewOf(pdu.bytes.slice(0, CAPSULE_OFFSET + Sqe.size));
    const opcode = Sqe.opc.get(header, CAPSULE_OFFSET);
    if (opcode === OPC_FABRICS && header.getUint8(CAPSULE_OFFSET + 4) === Fctype.Connect) {
      this.qid ??= ConnectCommand.qid.get(header, CAPSULE_OFFSET);
    }
    pdu.command = commandOf({ header, frame: 0, timeMs: 0 }, this.queue);
    this.#commands.set(pdu.cid, pdu.command);
  }
}
