// Submission Queue Entry: the part common to all commands, and SGL descriptors used over fabrics.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format", §4.1.2 "Scatter Gather List (SGL)".

import { bits, u16, u32, u64, u64n, u8 } from "./field.ts";

const flags = u8(1);

/** Submission Queue Entry (SQE), 64 bytes. Base 2.0 §3.3.3.1 "Common Command Format". */
export const Sqe = {
  size: 64,
  opc: u8(0), // Opcode
  fuse: bits(flags, 0, 2), // Fused Operation
  psdt: bits(flags, 6, 2), // PRP or SGL for Data Transfer: 1 over fabrics
  cid: u16(2), // Command Identifier
  nsid: u32(4), // Namespace Identifier
  cdw2: u32(8),
  cdw3: u32(12),
  mptr: u64(16), // Metadata Pointer
  sglAddress: u64n(24), // SGL1: address, or offset into the capsule
  sglLength: u32(32), // SGL1: bytes
  sglId: u8(39), // SGL1: descriptor type (7:4) and subtype (3:0)
  cdw10: u32(40),
  cdw11: u32(44),
  cdw12: u32(48),
  cdw13: u32(52),
  cdw14: u32(56),
  cdw15: u32(60),
} as const;

/** PSDT of every command over fabrics: SGL, metadata pointer is an address. */
export const PSDT_SGL = 1;

/** SGL identifier bytes that may occur over TCP and FC. Base 2.0 §4.1.2.1 "SGL Descriptor". */
export const SglId = {
  /** Data Block with offset subtype: the data is in the capsule. */
  InCapsule: 0x01,
  /** Transport SGL Data Block, subtype Ah: the transport moves the data. */
  Transport: 0x5a,
} as const;

/** SGL descriptor types, bits 7:4 of the identifier. */
export const SglType = {
  DataBlock: 0,
  BitBucket: 1,
  Segment: 2,
  LastSegment: 3,
  KeyedDataBlock: 4,
  TransportDataBlock: 5,
} as const;

/** Direction of a command's data, as bits 1:0 of its opcode say it. Base 2.0 §3.3.3.1. */
export const DataDirection = { None: 0, ToController: 1, ToHost: 2, Both: 3 } as const;
export type DataDirection = (typeof DataDirection)[keyof typeof DataDirection];

/** Direction of data of an opcode that is not Fabrics; those say it in FCTYPE's bits 1:0. */
export const directionOf = (opcodeOrFctype: number): DataDirection =>
  (opcodeOrFctype & 3) as DataDirection;

/**
 * Makes an SQE one that is sent over TCP: its CID, and SGL1 as one descriptor without an address. What
 * else it says stays. The fields PSDT, CID and those of SGL1, in a few stores.
 */
export function setTransfer(
  view: DataView,
  base: number,
  cid: number,
  bytes: number,
  sglId: number,
): void {
  view.setUint8(base + 1, (view.getUint8(base + 1) & 0x3f) | (PSDT_SGL << 6));
  view.setUint16(base + 2, cid, true);
  view.setInt32(base + 24, 0, true);
  view.setInt32(base + 28, 0, true);
  view.setInt32(base + 32, bytes, true);
  view.setInt32(base + 36, sglId << 24, true);
}
