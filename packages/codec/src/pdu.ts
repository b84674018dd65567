// NVMe/TCP PDUs: types, layouts, and where header, digests, padding and data lie.
// Read first: NVMe/TCP 1.0 §3.3 "Data Transfer Model", §3.6 "PDU Definitions".

import { bits, u16, u32, u8, zeroBased } from "./field.ts";

/** PDU types. NVMe/TCP 1.0 §3.6.1 "Common Header (CH)". */
export const PduType = {
  ICReq: 0x00,
  ICResp: 0x01,
  H2CTermReq: 0x02,
  C2HTermReq: 0x03,
  CapsuleCmd: 0x04,
  CapsuleResp: 0x05,
  H2CData: 0x06,
  C2HData: 0x07,
  R2T: 0x09,
} as const;
export type PduType = (typeof PduType)[keyof typeof PduType];

/** Flag bits of the common header. Which of them a type may carry: `checkPduHeader`. */
export const PduFlag = {
  /** HDGSTF: a header digest follows the header. */
  HeaderDigest: 1,
  /** DDGSTF: a data digest follows the data. */
  DataDigest: 2,
  /** LAST_PDU: the last data PDU of an R2T, or of a command's read data. */
  Last: 4,
  /** SUCCESS: no CapsuleResp follows, the command succeeded. */
  Success: 8,
} as const;

/** Common header (CH), 8 bytes. NVMe/TCP 1.0 §3.6.1 "Common Header (CH)". */
export const PduHeader = {
  size: 8,
  type: u8(0), // PDU-Type
  flags: u8(1), // FLAGS
  hlen: u8(2), // Header Length
  pdo: u8(3), // PDU Data Offset
  plen: u32(4), // PDU Length: header, digests, padding and data
} as const;

const digests = u8(11);

/** ICReq, 128 bytes. NVMe/TCP 1.0 §3.6.2.2 "Initialize Connection Request PDU (ICReq)". */
export const IcReq = {
  size: 128,
  pfv: u16(8), // PDU Format Version: 0
  hpda: u8(10), // Host PDU Data Alignment, see `alignmentBytes`
  hdgst: bits(digests, 0, 1), // HDGST_ENABLE
  ddgst: bits(digests, 1, 1), // DDGST_ENABLE
  maxr2t: zeroBased(u32(12)), // Maximum Number of Outstanding R2T, per command
} as const;

/** ICResp, 128 bytes. NVMe/TCP 1.0 §3.6.2.3 "Initialize Connection Response PDU (ICResp)". */
export const IcResp = {
  size: 128,
  pfv: u16(8), // PDU Format Version: 0
  cpda: u8(10), // Controller PDU Data Alignment, see `alignmentBytes`
  hdgst: bits(digests, 0, 1), // HDGST_ENABLE
  ddgst: bits(digests, 1, 1), // DDGST_ENABLE
  maxh2cdata: u32(12), // Maximum Host to Controller Data length, bytes
} as const;

/** H2CTermReq and C2HTermReq, 24 bytes and a copy of the offending header after them. §3.6.2.4. */
export const TermReq = {
  size: 24,
  fes: u16(8), // Fatal Error Status
  fei: u32(10), // Fatal Error Information
} as const;

/** Most bytes of an offending header that a TermReq carries. */
export const TERM_REQ_DATA_MAX = 128;

/** H2CData and C2HData, 24 bytes before the data. §3.6.2.8 "H2CData", §3.6.2.9 "C2HData". */
export const DataPdu = {
  size: 24,
  cccid: u16(8), // Command Capsule CID
  ttag: u16(10), // Transfer Tag; reserved in C2HData
  datao: u32(12), // Data Offset
  datal: u32(16), // Data Length
} as const;

/** R2T, 24 bytes. NVMe/TCP 1.0 §3.6.2.10 "Ready to Transfer PDU (R2T)". */
export const R2t = {
  size: 24,
  cccid: u16(8), // Command Capsule CID
  ttag: u16(10), // Transfer Tag
  r2to: u32(12), // Requested Data Offset
  r2tl: u32(16), // Requested Data Length
} as const;

/**
 * Writes a whole common header: the fields of {@link PduHeader} in two stores, for those who write one
 * for every command.
 */
export function setPduHeader(
  view: DataView,
  base: number,
  type: PduType,
  flags: number,
  hlen: number,
  pdo: number,
  plen: number,
): void {
  view.setInt32(base, type | (flags << 8) | (hlen << 16) | (pdo << 24), true);
  view.setInt32(base + 4, plen, true);
}

/** Where the SQE of a CapsuleCmd, or the CQE of a CapsuleResp, begins. */
export const CAPSULE_OFFSET = 8;

/** Length of every header, its bytes read before the rest of the PDU is understood. */
export const HeaderBytes = {
  // Literal keys, by PduType: computed ones would keep the table in every bundle.
  0x00: 128, // ICReq
  0x01: 128, // ICResp
  0x02: 24, // H2CTermReq
  0x03: 24, // C2HTermReq
  0x04: 72, // CapsuleCmd
  0x05: 24, // CapsuleResp
  0x06: 24, // H2CData
  0x07: 24, // C2HData
  0x09: 24, // R2T
} as const;

/** Bytes of a digest. */
export const DIGEST_BYTES = 4;

/** Alignment in bytes that an HPDA or CPDA value asks for. NVMe/TCP 1.0 §3.3.1.2 "PDU Data Offset". */
export const alignmentBytes = (pda: number): number => (pda + 1) * 4;

/** Greatest value of HPDA and CPDA: data aligned to 128 bytes. */
export const PDA_MAX = 31;

/** Smallest MAXH2CDATA that a controller may answer. */
export const MAXH2CDATA_MIN = 4096;

/** The digests that a connection has agreed on. */
export interface Digests {
  readonly header: boolean;
  readonly data: boolean;
}

/**
 * PDO of a PDU that carries data: header and its digest, padded up to `alignment` bytes.
 * NVMe/TCP 1.0 §3.3.1.2 "PDU Data Offset".
 */
export function dataOffsetOf(headerBytes: number, digests: Digests, alignment: number): number {
  const end = headerBytes + (digests.header ? DIGEST_BYTES : 0);
  return Math.ceil(end / alignment) * alignment;
}

/** PLEN of a PDU with `dataBytes` of data, or without data when that is 0. */
export function pduBytesOf(
  headerBytes: number,
  dataBytes: number,
  digests: Digests,
  alignment: number,
): number {
  if (dataBytes === 0) return headerBytes + (digests.header ? DIGEST_BYTES : 0);
  const offset = dataOffsetOf(headerBytes, digests, alignment);
  return offset + dataBytes + (digests.data ? DIGEST_BYTES : 0);
}
