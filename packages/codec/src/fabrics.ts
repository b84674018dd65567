// Fabrics commands: Connect, Property Get and Set, Disconnect, Authentication Send and Receive.
// Read first: Base 2.0 §6 "Fabrics Command Set", §3.3.2 "Message-based Transport Queue Model".

import { bits, bytes, u16, u32, u64n, u8, zeroBased } from "./field.ts";
import { nqnField } from "./nqn.ts";
import { Sqe } from "./sqe.ts";

/** A Fabrics command's SQE: the fields that all Fabrics commands have, and those of this one. */
/* @__NO_SIDE_EFFECTS__ */
function fabricsCommand<F extends object>(fields: F) {
  const { opc, psdt, cid, sglAddress, sglLength, sglId } = Sqe;
  return {
    size: 64 as const,
    opc, // OPC_FABRICS
    psdt,
    cid,
    fctype: u8(4), // Fabrics Command Type, see `Fctype`
    sglAddress,
    sglLength,
    sglId,
    ...fields,
  };
}

const cattr = u8(46);

/** Connect. Base 2.0 §6.3 "Connect Command and Response". */
export const ConnectCommand = fabricsCommand({
  recfmt: u16(40), // Record Format: 0
  qid: u16(42), // Queue Identifier: 0 makes a controller
  sqsize: zeroBased(u16(44)), // Submission Queue Size, in entries
  prioclass: bits(cattr, 0, 2), // CATTR Priority Class
  dsqfc: bits(cattr, 2, 1), // CATTR Disable SQ Flow Control
  iosqdel: bits(cattr, 3, 1), // CATTR Individual I/O Queue Deletion supported
  kato: u32(48), // Keep Alive Timeout in milliseconds, on the admin queue; 0 disables it
});

/** CNTLID of a Connect that lets the subsystem choose the controller (dynamic controller model). */
export const CNTLID_DYNAMIC = 0xffff;
/** CNTLID of a Connect that asks for any controller (static controller model). */
export const CNTLID_STATIC = 0xfffe;

/** Data of Connect, 1024 bytes. Base 2.0 §6.3 "Connect Command and Response". */
export const ConnectData = {
  size: 1024,
  hostid: bytes(0, 16), // Host Identifier
  cntlid: u16(16), // Controller ID
  subnqn: nqnField(256), // NVM Subsystem NQN
  hostnqn: nqnField(512), // Host NQN
} as const;

const result = u32(0);

/** Result of a Connect that succeeded, Dword 0. Base 2.0 §6.3 "Connect Command and Response". */
export const ConnectResult = {
  size: 4,
  cntlid: bits(result, 0, 16), // Controller ID
  atr: bits(result, 17, 1), // AUTHREQ: Authentication Transaction Required
  ascr: bits(result, 18, 1), // AUTHREQ: Authentication and Secure Channel Required
} as const;

/**
 * Result of a Connect that failed with `Status.ConnectInvalidParameters`, Dword 0. The offset is
 * the peer's word: show it, do not index with it. Base 2.0 §6.3 "Connect Command and Response".
 */
export const ConnectInvalidParameter = {
  size: 4,
  ipo: bits(result, 0, 16), // Invalid Parameter Offset, in bytes
  iattr: bits(result, 16, 1), // Invalid Attributes: 0 the offset is in the SQE, 1 in the data
} as const;

const attrib = bits(u8(40), 0, 3); // Attributes, see `PropertyAttrib`
const ofst = u32(44); // Offset, see `Property`

/** Size of a property in the ATTRIB field. Base 2.0 §6.5 "Property Get Command and Response". */
export const PropertyAttrib = { FourBytes: 0, EightBytes: 1 } as const;
export type PropertyAttrib = (typeof PropertyAttrib)[keyof typeof PropertyAttrib];

/**
 * Property Get; the value is in Dwords 0 and 1. Base 2.0 §6.5 "Property Get Command and Response".
 */
export const PropertyGetCommand = fabricsCommand({ attrib, ofst });

/** Property Set. Base 2.0 §6.6 "Property Set Command and Response". */
export const PropertySetCommand = fabricsCommand({
  attrib,
  ofst,
  value: u64n(48), // of 4-byte properties the low half
});

/** Disconnect, for I/O queues only. Base 2.0 §6.4 "Disconnect Command and Response". */
export const DisconnectCommand = fabricsCommand({
  recfmt: u16(40), // Record Format: 0
});

const spsp0 = u8(41); // SP Specific 0: 01h
const spsp1 = u8(42); // SP Specific 1: 01h
const secp = u8(43); // Security Protocol: SECP_NVME

/** Security Protocol (SECP) of NVMe in-band authentication. Base 2.0 §6.2. */
export const SECP_NVME = 0xe9;

/** Authentication Send. Base 2.0 §6.2 "Authentication Send Command and Response". */
export const AuthSendCommand = fabricsCommand({
  spsp0,
  spsp1,
  secp,
  tl: u32(44), // Transfer Length, in bytes
});

/** Authentication Receive. Base 2.0 §6.1 "Authentication Receive Command and Response". */
export const AuthReceiveCommand = fabricsCommand({
  spsp0,
  spsp1,
  secp,
  al: u32(44), // Allocation Length, in bytes
});
