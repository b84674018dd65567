// Discovery log: the subsystems and discovery controllers that a host may connect to.
// Read first: Base 2.0 §5.16.1.23 "Discovery Log Page (Log Identifier 70h)"; NVMe/TCP 1.0 §3.8
// "Transport Specific Address Subtype" (SECTYPE).

import { ParseError } from "./errors.ts";
import { ascii, bits, u16, u64, u8 } from "./field.ts";
import { decode, viewOf, type Decoded } from "./layout.ts";
import { nameIn } from "./name.ts";
import { nqnField } from "./nqn.ts";

/** Transport types (TRTYPE). Base 2.0 §5.16.1.23 "Discovery Log Page (Log Identifier 70h)". */
export const Trtype = { Rdma: 1, Fc: 2, Tcp: 3, Loop: 254 } as const;
export type Trtype = (typeof Trtype)[keyof typeof Trtype];

/** Address families (ADRFAM). Base 2.0 §5.16.1.23. */
export const Adrfam = { Pcie: 0, IPv4: 1, IPv6: 2, Ib: 3, Fc: 4, Loop: 254 } as const;
export type Adrfam = (typeof Adrfam)[keyof typeof Adrfam];

/** What an entry describes (SUBTYPE). Base 2.0 §5.16.1.23. */
export const Subtype = { Referral: 1, Nvm: 2, CurrentDiscovery: 3 } as const;
export type Subtype = (typeof Subtype)[keyof typeof Subtype];

/** Secure channel, bits 1:0 of TREQ. Base 2.0 §5.16.1.23. */
export const SecureChannel = { NotSpecified: 0, Required: 1, NotRequired: 2 } as const;
export type SecureChannel = (typeof SecureChannel)[keyof typeof SecureChannel];

/** Security of TCP (SECTYPE). NVMe/TCP 1.0 §3.8 "Transport Specific Address Subtype". */
export const Sectype = { None: 0, Tls12: 1, Tls13: 2 } as const;
export type Sectype = (typeof Sectype)[keyof typeof Sectype];

/** Bits of EFLAGS. Base 2.0 §5.16.1.23. */
export const Eflag = {
  /** DUPRETINFO: other ports of this discovery subsystem return the same log. */
  Duplicate: 1,
  /** EPCSD: connections to this discovery controller may be persistent. */
  Persistent: 2,
  /** NCC: no connection to a central discovery controller. */
  NoCdc: 4,
} as const;

/** "TCP", "RDMA", "FC"; "unknown (09h)" for a value that is not assigned. */
export const trtypeName = (trtype: number): string => nameIn(Trtype, trtype);
/** "IPv4", "IPv6", "FC" …; "unknown (09h)" for a value that is not assigned. */
export const adrfamName = (adrfam: number): string => nameIn(Adrfam, adrfam);
/** "NVM", "Referral", "Current Discovery"; "unknown (09h)" for a value that is not assigned. */
export const subtypeName = (subtype: number): string => nameIn(Subtype, subtype);
/** "none", "TLS 1.2", "TLS 1.3"; "unknown (09h)" for a value that is not assigned. */
export const sectypeName = (sectype: number): string =>
  ["none", "TLS 1.2", "TLS 1.3"][sectype] ?? nameIn({}, sectype);

/** Header of the discovery log, 1024 bytes. Base 2.0 §5.16.1.23. */
export const DiscoveryLogHeader = {
  size: 1024,
  genctr: u64(0), // Generation Counter: changes with the log
  numrec: u64(8), // Number of Records
  recfmt: u16(16), // Record Format: 0
} as const;

const treq = u8(3);

/** One entry of the discovery log, 1024 bytes. Base 2.0 §5.16.1.23. */
export const DiscoveryLogEntry = {
  size: 1024,
  trtype: u8(0), // Transport Type, see `Trtype`
  adrfam: u8(1), // Address Family, see `Adrfam`
  subtype: u8(2), // Subsystem Type, see `Subtype`
  tsc: bits(treq, 0, 2), // TREQ Secure Channel, see `SecureChannel`
  sqfcd: bits(treq, 2, 1), // TREQ: SQ flow control may be disabled
  portid: u16(4), // Port ID
  cntlid: u16(6), // Controller ID: FFFFh dynamic, FFFEh any static
  asqsz: u16(8), // Admin Max SQ Size, in entries; not 0's based
  eflags: u16(10), // Entry Flags, see `Eflag`
  trsvcid: ascii(32, 32), // Transport Service Identifier: TCP port
  subnqn: nqnField(256), // NVM Subsystem Qualified Name
  traddr: ascii(512, 256), // Transport Address
  sectype: u8(768), // TSAS of TCP: Security Type, see `Sectype`; of RDMA see `RdmaTsas`
} as const;

/** Transport Specific Address Subtype of RDMA, at byte 768 of an entry. NVMe/RDMA 1.0 §3.4. */
export const RdmaTsas = {
  size: 256,
  qptype: u8(0), // Queue Pair Type: 1 reliable connected, 2 datagram
  prtype: u8(1), // Provider Type: 2 InfiniBand, 3 RoCE, 4 RoCE v2, 5 iWARP
  cms: u8(2), // Connection Management Service: 1 RDMA_CM
  pkey: u16(8), // Partition Key
} as const;

/** Offset of TSAS in an entry. */
export const TSAS_OFFSET = 768;

/** A decoded entry. Strings are trimmed; what does not print in them is U+FFFD. */
export interface DiscoveryEntry extends Omit<Decoded<typeof DiscoveryLogEntry>, "sectype"> {
  /** Security of TCP, see `Sectype`; `undefined` for other transports. */
  readonly sectype: number | undefined;
}

/** Reads one entry; values that are not assigned stay as numbers. */
export function decodeDiscoveryEntry(view: DataView, base = 0): DiscoveryEntry {
  const entry = decode(DiscoveryLogEntry, view, base);
  return { ...entry, sectype: entry.trtype === Trtype.Tcp ? entry.sectype : undefined };
}

/** A decoded discovery log. */
export interface DiscoveryLog {
  /**
   * Generation counter: the log must be read again when it differs between two reads of the header.
   */
  readonly genctr: bigint;
  readonly entries: readonly DiscoveryEntry[];
}

/**
 * Reads the header. How many records to believe in is the caller's decision, before it asks for
 * more.
 *
 * @throws ParseError when it is too short, or the records have a format that we do not know.
 */
export function decodeDiscoveryHeader(log: Uint8Array): Decoded<typeof DiscoveryLogHeader> {
  if (log.length < DiscoveryLogHeader.size) {
    throw new ParseError("discovery log", log.length, `the header has ${log.length} bytes`);
  }
  const header = decode(DiscoveryLogHeader, viewOf(log));
  if (header.recfmt !== 0) {
    throw new ParseError("discovery log", 16, `record format ${header.recfmt} is not supported`);
  }
  return header;
}

/**
 * Reads a whole discovery log.
 *
 * @throws ParseError when it holds fewer records than its header claims, or one of another format.
 */
export function decodeDiscoveryLog(log: Uint8Array): DiscoveryLog {
  const { genctr, numrec } = decodeDiscoveryHeader(log);
  const held = Math.floor(log.length / DiscoveryLogEntry.size) - 1;
  if (numrec > held) {
    throw new ParseError("discovery log", 8, `${numrec} records in ${log.length} bytes`);
  }
  const view = viewOf(log);
  const entries = Array.from({ length: Number(numrec) }, (_, i) =>
    decodeDiscoveryEntry(view, (i + 1) * DiscoveryLogEntry.size),
  );
  return { genctr, entries };
}
