// Connection initialisation: ICReq and ICResp, written and checked, and what the two agree on.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment", §3.6.2.2 "ICReq", §3.6.2.3 "ICResp".

import {
  Fes,
  IcReq,
  IcResp,
  MAXH2CDATA_MIN,
  PDA_MAX,
  PduHeader,
  PduType,
  ProtocolError,
  alignmentBytes,
  encode,
} from "@nvmeof/codec";
import type { SendQueue } from "./send-queue.ts";

/** What one side of a connection asks for. */
export interface SessionOptions {
  /** Ask for (host) or allow (controller) a digest of each header. */
  readonly headerDigest: boolean;
  /** Ask for, or allow, a digest of all data. */
  readonly dataDigest: boolean;
  /** HPDA of a host, CPDA of a controller: data aligned to 4 × (pda + 1) bytes, 0 to 31. */
  readonly pda: number;
  /** Time that a peer may take to send the rest of a PDU that it began, ms. Default 10 s. */
  readonly partialPduTimeoutMs?: number;
}

/** What both sides agreed on. */
export interface Agreement {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  /** Alignment in bytes of data sent to the peer. */
  readonly sendAlignment: number;
  /** Host: most bytes in one H2CData. Controller: what it told the host. */
  readonly h2cDataBytesMax: number;
  /** R2Ts that may be outstanding for one command. */
  readonly r2tMax: number;
}

/** More than this in one H2CData is of no use, whatever the controller would take. */
const H2C_DATA_BYTES_USED_MAX = 1024 * 1024;

const writeHeader = (view: DataView, base: number, type: PduType): void => {
  PduHeader.type.set(view, base, type);
  PduHeader.hlen.set(view, base, 128);
  PduHeader.plen.set(view, base, 128);
};

export function sendIcReq(out: SendQueue, options: SessionOptions, r2tMax: number): void {
  const base = out.reserve(IcReq.size);
  encode(IcReq, out.view, base, {
    pfv: 0,
    hpda: options.pda,
    hdgst: options.headerDigest ? 1 : 0,
    ddgst: options.dataDigest ? 1 : 0,
    maxr2t: r2tMax,
  });
  writeHeader(out.view, base, PduType.ICReq);
}

export function sendIcResp(out: SendQueue, agreement: Agreement, cpda: number): void {
  const base = out.reserve(IcResp.size);
  encode(IcResp, out.view, base, {
    pfv: 0,
    cpda,
    hdgst: agreement.headerDigest ? 1 : 0,
    ddgst: agreement.dataDigest ? 1 : 0,
    maxh2cdata: agreement.h2cDataBytesMax,
  });
  writeHeader(out.view, base, PduType.ICResp);
}

const refuse = (fes: number, fei: number, message: string, hint?: string): ProtocolError =>
  new ProtocolError(fes, fei, message, { phase: "initialize", hint });

const digestNames = (header: boolean, data: boolean): string =>
  [header && "header", data && "data"].filter(Boolean).join(" and ") || "no";

/**
 * A host reads the controller's answer. A digest must be as asked: adopting another one silently
 * is how a user ends up without the protection that he asked for.
 *
 * @throws ProtocolError naming the field.
 */
export function readIcResp(
  view: DataView,
  base: number,
  asked: SessionOptions,
  r2tMax: number,
): Agreement {
  const pfv = IcResp.pfv.get(view, base);
  if (pfv !== 0) throw refuse(Fes.UnsupportedParameter, 8, `ICResp: PDU format version ${pfv}`);
  const cpda = IcResp.cpda.get(view, base);
  if (cpda > PDA_MAX) throw refuse(Fes.InvalidHeaderField, 10, `ICResp: CPDA ${cpda}, above 31`);
  const headerDigest = IcResp.hdgst.get(view, base) === 1;
  const dataDigest = IcResp.ddgst.get(view, base) === 1;
  if (headerDigest !== asked.headerDigest || dataDigest !== asked.dataDigest) {
    const wanted = digestNames(asked.headerDigest, asked.dataDigest);
    const got = digestNames(headerDigest, dataDigest);
    throw refuse(
      Fes.InvalidHeaderField,
      11,
      `ICResp: the controller answered with ${got} digest to a request for ${wanted} digest`,
      "Ask for the digests that the controller supports (--hdr-digest, --data-digest).",
    );
  }
  const maxh2cdata = IcResp.maxh2cdata.get(view, base);
  // All ones is no multiple of 4, but what "no limit" looks like.
  const odd = maxh2cdata % 4 !== 0 && maxh2cdata !== 0xffff_ffff;
  if (maxh2cdata < MAXH2CDATA_MIN || odd) {
    const wanted = `a multiple of 4, at least ${MAXH2CDATA_MIN}`;
    throw refuse(Fes.InvalidHeaderField, 12, `ICResp: MAXH2CDATA ${maxh2cdata}, must be ${wanted}`);
  }
  return {
    headerDigest,
    dataDigest,
    sendAlignment: alignmentBytes(cpda),
    h2cDataBytesMax: Math.min(maxh2cdata, H2C_DATA_BYTES_USED_MAX),
    r2tMax,
  };
}

/**
 * A controller reads the host's request, and grants the digests that it allows.
 *
 * @throws ProtocolError naming the field.
 */
export function readIcReq(
  view: DataView,
  base: number,
  allowed: SessionOptions,
  h2cDataBytesMax: number,
): Agreement {
  const pfv = IcReq.pfv.get(view, base);
  if (pfv !== 0) throw refuse(Fes.UnsupportedParameter, 8, `ICReq: PDU format version ${pfv}`);
  const hpda = IcReq.hpda.get(view, base);
  if (hpda > PDA_MAX) throw refuse(Fes.InvalidHeaderField, 10, `ICReq: HPDA ${hpda}, above 31`);
  return {
    headerDigest: allowed.headerDigest && IcReq.hdgst.get(view, base) === 1,
    dataDigest: allowed.dataDigest && IcReq.ddgst.get(view, base) === 1,
    sendAlignment: alignmentBytes(hpda),
    h2cDataBytesMax,
    r2tMax: Math.min(IcReq.maxr2t.get(view, base), 0x10000),
  };
}
