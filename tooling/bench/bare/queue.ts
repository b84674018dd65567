// A connection with nothing of a host in it but what a controller insists on: ICReq, Connect, CC.EN.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment"; Base 2.0 §3.5 "Controller Initialization".

import { once } from "node:events";
import { type Socket, connect } from "node:net";
import {
  AdminOpcode,
  CAPSULE_OFFSET,
  CNTLID_DYNAMIC,
  Cc,
  ConnectCommand,
  ConnectData,
  Cqe,
  Fctype,
  Fid,
  NumberOfQueues,
  PduType,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  SetFeaturesCommand,
  SglId,
  cqeStatus,
  encodeDword,
  encoded,
  uuidBytes,
} from "@nvmeof/codec";
import { RawPdus, type ReceivedPdu, firstPdu, joined } from "@nvmeof/transport/testing";
import { NQN } from "../meter.ts";

const HOST_ID = "3e1f0c8a-52a4-4c7b-9a5f-7d0f2a6f1b03";
/** Of a queue that is loaded; one that idles needs next to none. */
const RECEIVE_BYTES = 512 * 1024;
const IDLE_RECEIVE_BYTES = 4 * 1024;
/** No digests. */
const pdus = new RawPdus();

/** A connection whose bytes arrive in one buffer. */
export class BareQueue {
  readonly socket: Socket;
  readonly buffer: Uint8Array;
  /** So many bytes lie in the buffer. */
  received: (count: number) => void = (count) => this.#answered(count);
  #pending: Uint8Array = new Uint8Array(0);
  #taken: ((pdu: ReceivedPdu) => void) | undefined;

  constructor(port: number, receiveBytes: number) {
    this.buffer = new Uint8Array(receiveBytes);
    const callback = (count: number): boolean => {
      this.received(count);
      return true;
    };
    const onread = { buffer: this.buffer, callback };
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true, onread });
  }

  /** ICReq and ICResp. */
  async initialize(): Promise<void> {
    await once(this.socket, "connect");
    await this.#ask(pdus.icReq());
  }

  /** Connect. @returns CNTLID */
  async connect(qid: number, entries: number, cntlid: number): Promise<number> {
    const data = encoded(ConnectData, {
      hostid: uuidBytes(HOST_ID),
      cntlid,
      subnqn: NQN,
      hostnqn: `nqn.2014-08.org.nvmexpress:uuid:${HOST_ID}`,
    });
    const sqe = encoded(ConnectCommand, {
      opc: AdminOpcode.Fabrics,
      fctype: Fctype.Connect,
      qid,
      sqsize: entries,
      dsqfc: qid > 0 ? 1 : 0,
    });
    return (await this.command(sqe, data)) & 0xffff;
  }

  /** Sends a command of the bring-up. @returns Dword 0 of its completion */
  async command(sqe: Uint8Array, data?: Uint8Array): Promise<number> {
    const view = new DataView(sqe.buffer, sqe.byteOffset, sqe.length);
    view.setUint8(1, 0x40); // PSDT: SGL
    view.setUint32(32, data?.length ?? 0, true);
    view.setUint8(39, data === undefined ? SglId.Transport : SglId.InCapsule);
    const capsule = new Uint8Array(CAPSULE_OFFSET + sqe.length);
    capsule.set(sqe, CAPSULE_OFFSET);
    const answer = await this.#ask(pdus.pdu(PduType.CapsuleCmd, capsule, { data }));
    const status = cqeStatus.get(answer.view, CAPSULE_OFFSET);
    if (status !== 0) throw new Error(`a command of the bring-up ended with ${status}`);
    return Cqe.dw0.get(answer.view, CAPSULE_OFFSET);
  }

  #ask(pdu: Uint8Array): Promise<ReceivedPdu> {
    const answer = new Promise<ReceivedPdu>((resolve) => (this.#taken = resolve));
    this.socket.write(pdu);
    return answer;
  }

  #answered(count: number): void {
    this.#pending = joined(this.#pending, this.buffer.subarray(0, count));
    const pdu = firstPdu(this.#pending);
    if (pdu === undefined) return;
    this.#pending = this.#pending.slice(pdu.bytes.length);
    this.#taken?.(pdu);
  }
}

const fabrics = { opc: AdminOpcode.Fabrics };

/** What is connected. */
export interface Bare {
  readonly port: number;
  readonly queues: number;
  readonly entries: number;
  /** Default `loaded`. */
  readonly use?: "loaded" | "idle";
}

/** Connects a controller without keep-alive, and gives its I/O queues. The admin queue stays. */
export async function bareController({ port, queues, entries, use }: Bare): Promise<BareQueue[]> {
  const admin = new BareQueue(port, IDLE_RECEIVE_BYTES);
  await admin.initialize();
  const cntlid = await admin.connect(0, 32, CNTLID_DYNAMIC);
  const cc = { ...fabrics, fctype: Fctype.PropertySet, ofst: Property.Cc };
  const value = encodeDword(Cc, { en: 1, iosqes: 6, iocqes: 4 });
  await admin.command(encoded(PropertySetCommand, { ...cc, value }));
  const csts = { ...fabrics, fctype: Fctype.PropertyGet, ofst: Property.Csts };
  for (let rdy = 0; rdy === 0;) rdy = (await admin.command(encoded(PropertyGetCommand, csts))) & 1;
  const cdw11 = encodeDword(NumberOfQueues, { nsq: queues, ncq: queues });
  const asked = { opc: AdminOpcode.SetFeatures, fid: Fid.NumberOfQueues, cdw11 };
  await admin.command(encoded(SetFeaturesCommand, asked));
  const io: BareQueue[] = [];
  for (let qid = 1; qid <= queues; qid++) {
    const queue = new BareQueue(port, use === "idle" ? IDLE_RECEIVE_BYTES : RECEIVE_BYTES);
    await queue.initialize();
    await queue.connect(qid, entries, cntlid);
    io.push(queue);
  }
  return io;
}
