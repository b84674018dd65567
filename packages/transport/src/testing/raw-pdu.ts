// PDUs made and taken apart by hand, right or wrong: what a misbehaving peer of a test sends.
// Read first: NVMe/TCP 1.0 §3.6 "PDU Definitions". It shares the declared fields with the sessions
// under test, and nothing else of theirs.

import {
  CAPSULE_OFFSET,
  Cqe,
  DIGEST_BYTES,
  DataPdu,
  type Decoded,
  IcReq,
  IcResp,
  PduFlag,
  PduHeader,
  PduType,
  R2t,
  Sqe,
  TermReq,
  crc32c,
  dataOffsetOf,
  encode,
  encoded,
  pduBytesOf,
  pduName,
  viewOf,
} from "@nvmeof/codec";

/** What a connection has agreed on, as far as it shapes a PDU. */
export interface PduShape {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  /** Alignment of data, bytes. */
  readonly alignment: number;
}

/** What a PDU carries, and how it departs from what would be right. */
export interface PduParts {
  readonly data?: Uint8Array | undefined;
  /** Instead of the right value of each field. */
  readonly flags?: number;
  readonly hlen?: number;
  readonly pdo?: number;
  readonly plen?: number;
  /** A digest that does not match. */
  readonly badHeaderDigest?: boolean;
  readonly badDataDigest?: boolean;
}

type Fields<L extends { readonly size: number }> = Partial<Decoded<L>>;

const isDigested = (type: number): boolean => type > PduType.C2HTermReq;

/** Makes the PDUs of a connection of one shape. */
export class RawPdus {
  readonly shape: PduShape;

  constructor(shape: Partial<PduShape> = {}) {
    this.shape = { headerDigest: false, dataDigest: false, alignment: 4, ...shape };
  }

  icReq(fields: Fields<typeof IcReq> = {}, parts: PduParts = {}): Uint8Array {
    const { headerDigest, dataDigest } = this.shape;
    const asked = { maxr2t: 1, hdgst: Number(headerDigest), ddgst: Number(dataDigest) };
    return this.pdu(PduType.ICReq, encoded(IcReq, { ...asked, ...fields }), parts);
  }

  icResp(fields: Fields<typeof IcResp> = {}, parts: PduParts = {}): Uint8Array {
    const { headerDigest, dataDigest } = this.shape;
    const given = {
      maxh2cdata: 131_072,
      hdgst: Number(headerDigest),
      ddgst: Number(dataDigest),
    };
    return this.pdu(PduType.ICResp, encoded(IcResp, { ...given, ...fields }), parts);
  }

  /** `header`: what the TermReq quotes. */
  termReq(
    type: typeof PduType.H2CTermReq | typeof PduType.C2HTermReq,
    fes: number,
    fei = 0,
    header: Uint8Array = new Uint8Array(0),
    parts: PduParts = {},
  ): Uint8Array {
    const data = header.length === 0 ? undefined : header;
    return this.pdu(type, encoded(TermReq, { fes, fei }), { data, ...parts });
  }

  capsuleCmd(fields: Fields<typeof Sqe>, parts: PduParts = {}): Uint8Array {
    const sqe = encoded(Sqe, { psdt: 1, ...fields });
    return this.pdu(PduType.CapsuleCmd, inCapsule(sqe), parts);
  }

  capsuleResp(fields: Fields<typeof Cqe>, parts: PduParts = {}): Uint8Array {
    return this.pdu(PduType.CapsuleResp, inCapsule(encoded(Cqe, fields)), parts);
  }

  /** DATAL is the length of the data unless it is given; LAST_PDU is set unless flags are. */
  h2cData(fields: Fields<typeof DataPdu>, parts: PduParts): Uint8Array {
    return this.#data(PduType.H2CData, fields, parts);
  }

  c2hData(fields: Fields<typeof DataPdu>, parts: PduParts): Uint8Array {
    return this.#data(PduType.C2HData, fields, parts);
  }

  r2t(fields: Fields<typeof R2t>, parts: PduParts = {}): Uint8Array {
    return this.pdu(PduType.R2T, encoded(R2t, fields), parts);
  }

  /** The flags of digests that a PDU of the running phase carries. */
  digestFlags(withData: boolean): number {
    const { headerDigest, dataDigest } = this.shape;
    return (
      (headerDigest ? PduFlag.HeaderDigest : 0) | (withData && dataDigest ? PduFlag.DataDigest : 0)
    );
  }

  /** Any PDU, of any type: common header, `header` from its byte 8 on, padding, data and digests. */
  pdu(type: number, header: Uint8Array, parts: PduParts = {}): Uint8Array {
    const { data = new Uint8Array(0) } = parts;
    const { alignment } = this.shape;
    const header_ = isDigested(type) && this.shape.headerDigest;
    const digests = { header: header_, data: isDigested(type) && this.shape.dataDigest };
    const align = isDigested(type) ? alignment : 1;
    const size = pduBytesOf(header.length, data.length, digests, align);
    const dataAt = data.length === 0 ? 0 : dataOffsetOf(header.length, digests, align);
    const bytes = new Uint8Array(size);
    const view = viewOf(bytes);
    bytes.set(header);
    PduHeader.type.set(view, 0, type);
    const flags = isDigested(type) ? this.digestFlags(data.length > 0) : 0;
    PduHeader.flags.set(view, 0, parts.flags ?? flags);
    PduHeader.hlen.set(view, 0, parts.hlen ?? header.length);
    PduHeader.pdo.set(view, 0, parts.pdo ?? (isDigested(type) ? dataAt : 0));
    PduHeader.plen.set(view, 0, parts.plen ?? size);
    if (header_) {
      const digest = crc32c(view, 0, header.length) ^ (parts.badHeaderDigest === true ? 1 : 0);
      view.setInt32(header.length, digest, true);
    }
    bytes.set(data, dataAt);
    if (digests.data && data.length > 0) {
      const end = dataAt + data.length;
      const digest = crc32c(view, dataAt, end) ^ (parts.badDataDigest === true ? 1 : 0);
      view.setInt32(end, digest, true);
    }
    return bytes;
  }

  #data(type: number, fields: Fields<typeof DataPdu>, parts: PduParts): Uint8Array {
    const datal = parts.data?.length ?? 0;
    const flags = this.digestFlags(datal > 0) | PduFlag.Last;
    return this.pdu(type, encoded(DataPdu, { datal, ...fields }), { flags, ...parts });
  }
}

/** A structure at the place it has in a capsule, behind 8 bytes of common header. */
function inCapsule(structure: Uint8Array): Uint8Array {
  const header = new Uint8Array(CAPSULE_OFFSET + structure.length);
  header.set(structure, CAPSULE_OFFSET);
  return header;
}

/** Bytes one after the other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A PDU that was received. */
export interface ReceivedPdu {
  readonly type: number;
  /** As the specification writes it: "C2HData". */
  readonly name: string;
  readonly flags: number;
  /** All of it, digests and padding included, from its first byte. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Its data, without padding and digest; of a TermReq, the header that it quotes. */
  readonly data: Uint8Array;
}

/** The PDU that begins `bytes`; `undefined` while it is not whole. */
export function firstPdu(bytes: Uint8Array): ReceivedPdu | undefined {
  if (bytes.length < PduHeader.size) return undefined;
  const plen = PduHeader.plen.get(viewOf(bytes), 0);
  if (plen < PduHeader.size) throw new Error(`a PDU with PLEN ${plen}`);
  if (bytes.length < plen) return undefined;
  const whole = bytes.slice(0, plen);
  const view = viewOf(whole);
  const type = PduHeader.type.get(view, 0);
  const flags = PduHeader.flags.get(view, 0);
  const from = isDigested(type) ? PduHeader.pdo.get(view, 0) || plen : PduHeader.hlen.get(view, 0);
  const to = plen - ((flags & PduFlag.DataDigest) !== 0 ? DIGEST_BYTES : 0);
  const data = whole.subarray(Math.min(from, to), to);
  return { type, name: pduName(type), flags, bytes: whole, view, data };
}

/** All whole PDUs in `bytes`. */
export function pdusIn(bytes: Uint8Array): ReceivedPdu[] {
  const found: ReceivedPdu[] = [];
  for (let at = 0; ;) {
    const pdu = firstPdu(bytes.subarray(at));
    if (pdu === undefined) return found;
    found.push(pdu);
    at += pdu.bytes.length;
  }
}

/** 64 bytes of a submission queue entry, for `QueueLink.submit`. */
export function sqeOf(fields: Fields<typeof Sqe>): Uint8Array {
  const sqe = new Uint8Array(Sqe.size);
  encode(Sqe, viewOf(sqe), 0, fields);
  return sqe;
}
