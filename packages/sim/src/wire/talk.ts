// A conversation made by hand, for tests of the wire checker: PDUs built byte by byte.
// Read first: NVMe/TCP 1.0 §3.6 "PDU Definitions"; checker.ts.

import { crc32c } from "@nvmeof/codec";
import type { Direction } from "../network/fault.ts";
import type { SimConnection } from "../network/link.ts";
import { WireChecker } from "./checker.ts";
import type { ProofWays } from "./proof.ts";

const connection: SimConnection = { number: 0, host: "h", port: "p", name: "h>p#0" };

/** Fields that a PDU has in place of the right ones. */
export interface Twist {
  readonly type?: number;
  readonly flags?: number;
  readonly hlen?: number;
  readonly pdo?: number;
  readonly plen?: number;
  /** Bytes at offsets of the header. */
  readonly bytes?: Readonly<Record<number, number>>;
}

export class Talk {
  readonly complaints: string[] = [];
  readonly checker: WireChecker;
  headerDigest = false;
  dataDigest = false;
  alignment = 4;

  constructor(ways?: ProofWays) {
    this.checker = new WireChecker((invariant) => void this.complaints.push(invariant), ways);
  }

  /** Sends bytes, and delivers them if the network is to. */
  send(direction: Direction, bytes: Uint8Array, network: "delivers" | "holds" = "delivers"): void {
    this.checker.bytes(connection, direction, bytes, 0, bytes.length, "sent");
    if (network === "delivers") this.deliver(direction, bytes.length);
  }

  deliver(direction: Direction, bytes: number): void {
    this.checker.bytes(connection, direction, new Uint8Array(bytes), 0, bytes, "delivered");
  }

  close(direction: Direction): void {
    this.checker.gone(connection, direction === "toHost" ? "controller" : "host", "closed");
  }

  /** ICReq and ICResp. */
  initialize(): this {
    this.send("toController", this.icReq());
    this.send("toHost", this.icResp());
    return this;
  }

  /** Initialisation and a Connect for a queue of `entries` entries. */
  connect(entries = 8, flowControl = true, answer = flowControl ? 1 : 0xffff, result = 0): this {
    this.initialize();
    const connect = this.command(0, { opcode: 0x7f, data: 1024, inCapsule: true });
    connect[8 + 4] = 1;
    connect[8 + 44] = entries - 1;
    connect[8 + 46] = flowControl ? 0 : 4;
    this.send("toController", this.redigested(connect));
    this.send("toHost", this.response(0, { head: answer, result }));
    return this;
  }

  icReq(maxR2t = 1, twist: Twist = {}): Uint8Array {
    const pdu = this.#bare(0, 128, twist);
    pdu[11] = (this.headerDigest ? 1 : 0) | (this.dataDigest ? 2 : 0);
    pdu[10] = this.alignment / 4 - 1;
    pdu[12] = maxR2t - 1;
    return twisted(pdu, twist);
  }

  icResp(maxH2cData = 4096, twist: Twist = {}): Uint8Array {
    const pdu = this.#bare(1, 128, twist);
    pdu[11] = (this.headerDigest ? 1 : 0) | (this.dataDigest ? 2 : 0);
    pdu[10] = this.alignment / 4 - 1;
    new DataView(pdu.buffer).setUint32(12, maxH2cData, true);
    return twisted(pdu, twist);
  }

  termReq(direction: Direction): Uint8Array {
    return this.#bare(direction === "toController" ? 2 : 3, 24, {});
  }

  /** A command that reads (2), writes (1), or what its opcode says. */
  command(
    cid: number,
    of: { opcode?: number; data?: number; inCapsule?: boolean; sent?: number } = {},
    twist: Twist = {},
  ): Uint8Array {
    const { opcode = 2, data = 0, inCapsule = false, sent = inCapsule ? data : 0 } = of;
    const header = new Uint8Array(64);
    header[0] = opcode;
    header[1] = 0x40;
    header[2] = cid;
    new DataView(header.buffer).setUint32(32, data, true);
    header[39] = inCapsule ? 0x01 : 0x5a;
    return this.#pdu(4, header, new Uint8Array(sent).fill(0xee), 0, twist);
  }

  /** Authentication Send (5) or Receive (6) of 16 bytes; `opening`: what those in the capsule begin with. */
  authentication(cid: number, fctype: number, opening?: readonly number[]): Uint8Array {
    const header = new Uint8Array(64);
    header.set([0x7f, 0x40, cid, 0, fctype]);
    header[32] = 16;
    header[39] = opening === undefined ? 0x5a : 0x01;
    const data = opening && Uint8Array.from({ length: 16 }, (_, at) => opening[at] ?? 0);
    return this.#pdu(4, header, data, 0, {});
  }

  response(
    cid: number,
    of: { head?: number; status?: number; result?: number } = {},
    twist: Twist = {},
  ): Uint8Array {
    const header = new Uint8Array(16);
    const view = new DataView(header.buffer);
    view.setUint32(0, of.result ?? 0, true);
    view.setUint16(8, of.head ?? 0xffff, true);
    view.setUint16(12, cid, true);
    view.setUint16(14, (of.status ?? 0) << 1, true);
    return this.#pdu(5, header, undefined, 0, twist);
  }

  r2t(cid: number, ttag: number, offset: number, bytes: number): Uint8Array {
    return this.#pdu(9, fields(cid, ttag, offset, bytes), undefined, 0, {});
  }

  /** H2CData with a tag, C2HData without one. */
  data(
    cid: number,
    ttag: number | undefined,
    offset: number,
    bytes: number,
    flags = 4,
    twist: Twist = {},
    opening: readonly number[] = [],
  ): Uint8Array {
    const header = fields(cid, ttag ?? 0, offset, bytes);
    const content = Uint8Array.from({ length: bytes }, (_, at) => opening[at] ?? at + offset);
    return this.#pdu(ttag === undefined ? 7 : 6, header, content, flags, twist);
  }

  /** The PDU with its header digest as it must be. */
  redigested(pdu: Uint8Array): Uint8Array {
    const hlen = pdu[2]!;
    const view = new DataView(pdu.buffer);
    if (this.headerDigest) view.setInt32(hlen, crc32c(view, 0, hlen), true);
    return pdu;
  }

  #bare(type: number, bytes: number, twist: Twist): Uint8Array {
    const pdu = new Uint8Array(bytes);
    pdu.set([type, 0, bytes, 0, bytes]);
    return twisted(pdu, twist);
  }

  #pdu(
    type: number,
    header: Uint8Array,
    data: Uint8Array | undefined,
    ownFlags: number,
    twist: Twist,
  ): Uint8Array {
    const hlen = 8 + header.length;
    const headerEnd = hlen + (this.headerDigest ? 4 : 0);
    const withData = data !== undefined && data.length > 0;
    const pdo = withData ? Math.ceil(headerEnd / this.alignment) * this.alignment : 0;
    const digest = withData && this.dataDigest ? 4 : 0;
    const plen = withData ? pdo + data.length + digest : headerEnd;
    const pdu = new Uint8Array(plen);
    const view = new DataView(pdu.buffer);
    const flags = ownFlags | (this.headerDigest ? 1 : 0) | (digest > 0 ? 2 : 0);
    pdu.set([type, flags, hlen, pdo]);
    view.setUint32(4, plen, true);
    pdu.set(header, 8);
    if (withData) pdu.set(data, pdo);
    if (digest > 0) view.setInt32(plen - 4, crc32c(view, pdo, plen - 4), true);
    return this.redigested(twisted(pdu, twist));
  }
}

function fields(cid: number, ttag: number, offset: number, bytes: number): Uint8Array {
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  view.setUint16(0, cid, true);
  view.setUint16(2, ttag, true);
  view.setUint32(4, offset, true);
  view.setUint32(8, bytes, true);
  return header;
}

function twisted(pdu: Uint8Array, twist: Twist): Uint8Array {
  const view = new DataView(pdu.buffer);
  if (twist.type !== undefined) pdu[0] = twist.type;
  if (twist.flags !== undefined) pdu[1] = twist.flags;
  if (twist.hlen !== undefined) pdu[2] = twist.hlen;
  if (twist.pdo !== undefined) pdu[3] = twist.pdo;
  if (twist.plen !== undefined) view.setUint32(4, twist.plen, true);
  for (const [at, byte] of Object.entries(twist.bytes ?? {})) pdu[Number(at)] = byte;
  return pdu;
}
