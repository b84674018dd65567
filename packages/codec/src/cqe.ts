// Completion Queue Entry, and the status field as one small integer.
// Read first: Base 2.0 §3.3.3.2 "Common Completion Queue Entry", §3.3.3.2.1 "Status Field Definition".

import { bits, u16, u32 } from "./field.ts";

const status = u16(14);

/** Completion Queue Entry (CQE), 16 bytes. Base 2.0 §3.3.3.2 "Common Completion Queue Entry". */
export const Cqe = {
  size: 16,
  dw0: u32(0), // command specific result, low half
  dw1: u32(4), // command specific result, high half
  sqhd: u16(8), // SQ Head Pointer
  sqid: u16(10), // SQ Identifier
  cid: u16(12), // Command Identifier
  p: bits(status, 0, 1), // Phase Tag; reserved over fabrics
  sc: bits(status, 1, 8), // Status Code
  sct: bits(status, 9, 3), // Status Code Type
  crd: bits(status, 12, 2), // Command Retry Delay: index of CRDT1..3, 0 for none
  m: bits(status, 14, 1), // More
  dnr: bits(status, 15, 1), // Do Not Retry
} as const;

/**
 * SC, SCT, CRD, M and DNR together: bits 15:1 of the status field, as `statusOf` builds them. 0 is
 * success. Not a field of `Cqe`, since those must not overlap.
 */
export const cqeStatus = bits(status, 1, 15);

/** A status as the wire packs it (without the phase tag): 0 is success. */
export const statusOf = (sct: number, sc: number, dnr = false): number =>
  sc | (sct << 8) | (dnr ? 0x4000 : 0);

/** Status Code (SC) of a packed status. */
export const scOf = (packed: number): number => packed & 0xff;
/** Status Code Type (SCT) of a packed status. */
export const sctOf = (packed: number): number => (packed >> 8) & 7;
/** Command Retry Delay (CRD) of a packed status: 0 none, else the index of CRDT1..3. */
export const crdOf = (packed: number): number => (packed >> 11) & 3;
/** More (M) of a packed status: the Error Information log has an entry on it. */
export const moreOf = (packed: number): boolean => (packed & 0x2000) !== 0;
/** Do Not Retry (DNR) of a packed status. */
export const dnrOf = (packed: number): boolean => (packed & 0x4000) !== 0;
