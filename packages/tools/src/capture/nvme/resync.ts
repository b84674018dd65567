// Finding the beginning of a PDU in the middle of a stream, of which nothing is known.
// Read first: NVMe/TCP 1.0 §3.6 "PDU Definitions"; cutter.ts.

import {
  DIGEST_BYTES,
  DataPdu,
  HeaderBytes,
  PSDT_SGL,
  PduFlag,
  PduHeader,
  PduType,
  SglId,
  Sqe,
  TERM_REQ_DATA_MAX,
  TermReq,
  crc32c,
} from "@nvmeof/codec";
import type { Direction } from "./pdu.ts";

/** `no`: none begins here. `perhaps`: more bytes will tell. */
export type Found = "yes" | "no" | "perhaps";

/** Bytes that are enough to tell. */
export const RESYNC_BYTES_MAX = 128 + DIGEST_BYTES;

/** HLEN of the types that go a way, by type; 0 for all others. */
function headerBytesOf(...types: readonly PduType[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const type of types) table[type] = HeaderBytes[type];
  return table;
}

const headerBytes: Readonly<Record<Direction, Uint8Array>> = {
  toController: headerBytesOf(
    PduType.ICReq,
    PduType.H2CTermReq,
    PduType.CapsuleCmd,
    PduType.H2CData,
  ),
  toHost: headerBytesOf(
    PduType.ICResp,
    PduType.C2HTermReq,
    PduType.CapsuleResp,
    PduType.C2HData,
    PduType.R2T,
  ),
};

/**
 * Where the first PDU begins from `start` on and before `stop`, where every header is whole: `stop`, if
 * there is none.
 */
export function findPdu(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  stop: number,
  end: number,
  direction: Direction,
): number {
  const hlens = headerBytes[direction];
  for (let at = start; at < stop; at++) {
    // Nearly all bytes end here.
    const hlen = hlens[bytes[at]!]!;
    if (hlen === 0 || bytes[at + 2] !== hlen) continue;
    if (pduBegins(view, at, end, direction) === "yes") return at;
  }
  return stop;
}

/**
 * Whether a PDU begins at `at`. Chance is ruled out by what a header says twice: its type has one
 * HLEN, its lengths must agree, and a digest must be right.
 */
export function pduBegins(view: DataView, at: number, end: number, direction: Direction): Found {
  const available = end - at;
  const type = PduHeader.type.get(view, at);
  const hlen = headerBytes[direction][type]!;
  if (hlen === 0) return "no";
  if (available > 2 && PduHeader.hlen.get(view, at) !== hlen) return "no";
  if (available < PduHeader.size) return "perhaps";
  const flags = PduHeader.flags.get(view, at);
  const plen = PduHeader.plen.get(view, at);
  if (flags > 0x0f || plen < hlen) return "no";
  const digest = (flags & PduFlag.HeaderDigest) === 0 ? 0 : DIGEST_BYTES;
  if (!lengthsAgree(type, flags, hlen + digest, PduHeader.pdo.get(view, at), plen)) return "no";
  if (available < hlen + digest) return "perhaps";
  if (!contentAgrees(view, at, type, flags, plen)) return "no";
  const isRight = digest === 0 || crc32c(view, at, at + hlen) === view.getInt32(at + hlen, true);
  return isRight ? "yes" : "no";
}

function lengthsAgree(
  type: number,
  flags: number,
  headerEnd: number,
  pdo: number,
  plen: number,
): boolean {
  switch (type) {
    case PduType.ICReq:
    case PduType.ICResp:
      return flags === 0 && pdo === 0 && plen === headerEnd;
    case PduType.H2CTermReq:
    case PduType.C2HTermReq:
      return flags === 0 && plen <= TermReq.size + TERM_REQ_DATA_MAX;
    case PduType.CapsuleResp:
    case PduType.R2T:
      return pdo === 0 && plen === headerEnd;
    case PduType.CapsuleCmd:
      if (plen === headerEnd) return pdo === 0;
      return hasData(flags, headerEnd, pdo, plen);
    default:
      return hasData(flags, headerEnd, pdo, plen);
  }
}

function hasData(flags: number, headerEnd: number, pdo: number, plen: number): boolean {
  const digest = (flags & PduFlag.DataDigest) === 0 ? 0 : DIGEST_BYTES;
  return pdo >= headerEnd && pdo % 4 === 0 && plen > pdo + digest;
}

function contentAgrees(
  view: DataView,
  at: number,
  type: number,
  flags: number,
  plen: number,
): boolean {
  const digest = (flags & PduFlag.DataDigest) === 0 ? 0 : DIGEST_BYTES;
  const dataBytes = plen - PduHeader.pdo.get(view, at) - digest;
  switch (type) {
    case PduType.C2HData:
    case PduType.H2CData:
      return DataPdu.datal.get(view, at) === dataBytes;
    case PduType.CapsuleCmd: {
      const sqe = at + PduHeader.size;
      if (Sqe.psdt.get(view, sqe) !== PSDT_SGL) return false;
      if (PduHeader.pdo.get(view, at) === 0) return true;
      return Sqe.sglId.get(view, sqe) === SglId.InCapsule;
    }
    case PduType.H2CTermReq:
    case PduType.C2HTermReq:
      return TermReq.fes.get(view, at) <= 6;
    default:
      return true;
  }
}
