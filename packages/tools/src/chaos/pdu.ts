// A PDU on its way through the proxy: whole, changeable, and with digests that are made right again.
// Read first: NVMe/TCP 1.0 §3.3.1 "PDU Structure", §3.6 "PDU Definitions".

import {
  CAPSULE_OFFSET,
  Cqe,
  DIGEST_BYTES,
  DataPdu,
  type Digests,
  PduFlag,
  PduHeader,
  PduType,
  R2t,
  Sqe,
  TermReq,
  cqeStatus,
  crc32c,
  pduBytesOf,
  pduName,
  setPduHeader,
  viewOf,
} from "@nvmeof/codec";
import type { CapturedCommand } from "../capture/nvme/command.ts";
import type { ChaosDirection } from "./plan.ts";

/** A whole PDU. Its bytes are the proxy's own. */
export class ChaosPdu {
  readonly direction: ChaosDirection;
  readonly digests: Digests;
  /** Bytes of data, digest and padding not counted. */
  dataBytes: number;
  // As they were when it came: a fault may change what it says of itself.
  readonly type: number;
  readonly hlen: number;
  readonly dataAt: number;
  bytes: Uint8Array;
  view: DataView;
  /** The command that it is of, where there is one. */
  command: CapturedCommand | undefined;
  #cid: number;

  constructor(direction: ChaosDirection, bytes: Uint8Array, dataBytes: number, digests: Digests) {
    this.direction = direction;
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.dataBytes = dataBytes;
    this.hlen = PduHeader.hlen.get(this.view);
    this.dataAt = PduHeader.pdo.get(this.view);
    this.type = PduHeader.type.get(this.view);
    const place = cidPlace(this.type);
    this.#cid = place < 0 ? -1 : this.view.getUint16(place, true);
    // Connection set-up and termination carry none, whatever was agreed.
    this.digests = this.type < PduType.CapsuleCmd ? NO_DIGESTS : digests;
  }

  get name(): string {
    return pduName(this.type);
  }

  get flags(): number {
    return PduHeader.flags.get(this.view);
  }

  /** CID, or CCCID, that it names; -1 where it names none. */
  get cid(): number {
    return this.#cid;
  }
  set cid(cid: number) {
    this.#cid = cid;
    this.view.setUint16(cidPlace(this.type), cid, true);
  }

  /** Whether it completes its command: a CapsuleResp, or the last data with SUCCESS. */
  get isAnswer(): boolean {
    if (this.type === PduType.CapsuleResp) return true;
    return this.type === PduType.C2HData && (this.flags & PduFlag.Success) !== 0;
  }

  setFlags(flags: number): void {
    PduHeader.flags.set(this.view, 0, flags);
  }

  /** Makes both digests right. */
  redigest(): void {
    const { header, data } = this.digests;
    if (header) this.view.setInt32(this.hlen, crc32c(this.view, 0, this.hlen), true);
    if (data && this.dataBytes > 0) this.#digestData();
  }

  #digestData(): void {
    const end = this.bytes.length - DIGEST_BYTES;
    this.view.setInt32(end, crc32c(this.view, this.dataAt, end), true);
  }

  /** Gives it so many bytes of data: cut off, or zeroes more. DATAL, PLEN and digests say so. */
  resize(dataBytes: number): void {
    const { dataAt, digests } = this;
    const whole = new Uint8Array(dataAt + dataBytes + (digests.data ? DIGEST_BYTES : 0));
    whole.set(this.bytes.subarray(0, dataAt + Math.min(dataBytes, this.dataBytes)));
    this.replace(whole);
    this.dataBytes = dataBytes;
    PduHeader.plen.set(this.view, 0, whole.length);
    DataPdu.datal.set(this.view, 0, dataBytes);
    this.redigest();
  }

  /** Flips one bit, counted from the first byte of the PDU. */
  flip(bit: number): void {
    const at = bit >> 3;
    this.bytes[at] = this.bytes[at]! ^ (1 << (bit & 7));
  }

  replace(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}

const NO_DIGESTS: Digests = { header: false, data: false };

/** Where a PDU of this type has its CID; -1 where it has none. */
function cidPlace(type: number): number {
  if (type === PduType.CapsuleCmd) return CAPSULE_OFFSET + Sqe.cid.offset;
  if (type === PduType.CapsuleResp) return CAPSULE_OFFSET + Cqe.cid.offset;
  if (type === PduType.R2T) return R2t.cccid.offset;
  return type === PduType.H2CData || type === PduType.C2HData ? DataPdu.cccid.offset : -1;
}

/** What a CapsuleResp says. `status` is packed as `statusOf` does, with CRD where there is one. */
export interface Completion {
  readonly cid: number;
  readonly sqhd: number;
  readonly qid: number;
  readonly status: number;
}

const CAPSULE_RESP_BYTES = CAPSULE_OFFSET + Cqe.size;

/** A CapsuleResp, as the controller would have sent it. */
export function capsuleResp({ cid, sqhd, qid, status }: Completion, digests: Digests): Uint8Array {
  const bytes = new Uint8Array(pduBytesOf(CAPSULE_RESP_BYTES, 0, digests, 4));
  const view = viewOf(bytes);
  const flags = digests.header ? PduFlag.HeaderDigest : 0;
  setPduHeader(view, 0, PduType.CapsuleResp, flags, CAPSULE_RESP_BYTES, 0, bytes.length);
  Cqe.sqhd.set(view, CAPSULE_OFFSET, sqhd);
  Cqe.sqid.set(view, CAPSULE_OFFSET, qid);
  Cqe.cid.set(view, CAPSULE_OFFSET, cid);
  cqeStatus.set(view, CAPSULE_OFFSET, status);
  new ChaosPdu("downstream", bytes, 0, digests).redigest();
  return bytes;
}

/** A TermReq about a PDU, which it repeats the header of. */
export function termReq(pdu: ChaosPdu, fes: number, fei: number): Uint8Array {
  const header = pdu.bytes.subarray(0, pdu.hlen);
  const bytes = new Uint8Array(TermReq.size + header.length);
  const view = viewOf(bytes);
  const type = pdu.direction === "upstream" ? PduType.H2CTermReq : PduType.C2HTermReq;
  setPduHeader(view, 0, type, 0, TermReq.size, 0, bytes.length);
  TermReq.fes.set(view, 0, fes);
  TermReq.fei.set(view, 0, fei);
  bytes.set(header, TermReq.size);
  return bytes;
}
