// Asymmetric Namespace Access log: which groups of namespaces can be reached through a controller.
// Read first: Base 2.0 §5.16.1.13 "Asymmetric Namespace Access (Log Identifier 0Ch)", §8.1
// "Asymmetric Namespace Access Reporting".

import { ParseError } from "./errors.ts";
import { bits, u16, u32, u64, u8 } from "./field.ts";
import { encode, viewOf } from "./layout.ts";
import { nameIn } from "./name.ts";

/** ANA states. Base 2.0 §8.1.1 "Asymmetric Namespace Access Reporting Overview". */
export const AnaState = {
  Optimized: 0x1,
  NonOptimized: 0x2,
  Inaccessible: 0x3,
  PersistentLoss: 0x4,
  Change: 0xf,
} as const;
export type AnaState = (typeof AnaState)[keyof typeof AnaState];

/** The name of an ANA state, for people: "Non Optimized"; "unknown (07h)" for reserved ones. */
export const anaStateName = (state: number): string => nameIn(AnaState, state);

/** LSP of Get Log Page 0Ch that asks for groups without their NSIDs (RGO). Base 2.0 §5.16.1.13. */
export const LSP_ANA_GROUPS_ONLY = 1;

/** Header of the ANA log, 16 bytes. Base 2.0 §5.16.1.13. */
export const AnaLogHeader = {
  size: 16,
  chgcnt: u64(0), // Change Count
  ngrps: u16(8), // Number of ANA Group Descriptors
} as const;

/** ANA Group Descriptor, 32 bytes; its NSIDs follow. Base 2.0 §5.16.1.13. */
export const AnaGroupDescriptor = {
  size: 32,
  anagrpid: u32(0), // ANA Group ID
  nnsids: u32(4), // Number of NSID Values
  chgcnt: u64(8), // Change Count
  state: bits(u8(16), 0, 4), // Asymmetric Namespace Access State, see `AnaState`
} as const;

/** A group of the log. */
export interface AnaGroup {
  /** ANA Group ID (ANAGRPID), from 1. */
  readonly anagrpid: number;
  /** Change count of the group; 0 where it is not reported. */
  readonly chgcnt: bigint;
  /**
   * ANA state; one that {@link AnaState} does not list is reserved, and no reason to use the path.
   */
  readonly state: number;
  /** NSIDs of the group; empty where groups only were asked for. */
  readonly nsids: readonly number[];
}

/** The ANA log. */
export interface AnaLog {
  /** Change count of the log. */
  readonly chgcnt: bigint;
  readonly groups: readonly AnaGroup[];
}

/** Bytes that the largest ANA log of a controller takes, by fields of Identify Controller. */
export const anaLogBytesMax = (nanagrpid: number, namespacesMax: number): number =>
  AnaLogHeader.size + nanagrpid * AnaGroupDescriptor.size + 4 * namespacesMax;

const STRUCTURE = "ANA log";

/** Reads the NSIDs of one group; a namespace is in one group only, of which `seen` keeps track. */
function decodeNsids(view: DataView, at: number, count: number, seen: Set<number>): number[] {
  const nsids: number[] = [];
  for (let i = 0; i < count; i++) {
    const offset = at + 4 * i;
    const nsid = view.getUint32(offset, true);
    if (nsid === 0 || nsid === 0xffff_ffff || seen.has(nsid)) {
      throw new ParseError(STRUCTURE, offset, `NSID ${nsid} is invalid or listed twice`);
    }
    seen.add(nsid);
    nsids.push(nsid);
  }
  return nsids;
}

/**
 * Reads an ANA log. Nothing is allocated by a count that the data does not bear out.
 *
 * @param anagrpmax highest group ID allowed: ANAGRPMAX of Identify Controller.
 * @throws ParseError for counts beyond the data, a group ID that is 0, too high or repeated, an
 * NSID that is invalid or in two groups.
 */
export function decodeAnaLog(log: Uint8Array, anagrpmax = 0xffff_ffff): AnaLog {
  const view = viewOf(log);
  if (log.length < AnaLogHeader.size) {
    throw new ParseError(STRUCTURE, log.length, `the log has ${log.length} bytes`);
  }
  const ngrps = AnaLogHeader.ngrps.get(view);
  const groups = new Map<number, AnaGroup>();
  const seen = new Set<number>();
  let at: number = AnaLogHeader.size;
  for (let i = 0; i < ngrps; i++) {
    if (at + AnaGroupDescriptor.size > log.length) {
      throw new ParseError(STRUCTURE, 8, `${ngrps} groups in ${log.length} bytes`);
    }
    const anagrpid = AnaGroupDescriptor.anagrpid.get(view, at);
    if (anagrpid === 0 || anagrpid > anagrpmax || groups.has(anagrpid)) {
      throw new ParseError(STRUCTURE, at, `group ID ${anagrpid} is invalid or listed twice`);
    }
    const nnsids = AnaGroupDescriptor.nnsids.get(view, at);
    const nsidsAt = at + AnaGroupDescriptor.size;
    if (nnsids > (log.length - nsidsAt) / 4) {
      throw new ParseError(STRUCTURE, at + 4, `${nnsids} NSIDs in ${log.length - nsidsAt} bytes`);
    }
    groups.set(anagrpid, {
      anagrpid,
      chgcnt: AnaGroupDescriptor.chgcnt.get(view, at),
      state: AnaGroupDescriptor.state.get(view, at),
      nsids: decodeNsids(view, nsidsAt, nnsids, seen),
    });
    at = nsidsAt + 4 * nnsids;
  }
  return { chgcnt: AnaLogHeader.chgcnt.get(view), groups: [...groups.values()] };
}

/**
 * Writes an ANA log, of as many bytes as it needs. Groups and NSIDs must be in increasing order.
 */
export function encodeAnaLog(log: AnaLog): Uint8Array {
  const namespaces = log.groups.reduce((sum, group) => sum + group.nsids.length, 0);
  const out = new Uint8Array(anaLogBytesMax(log.groups.length, namespaces));
  const view = viewOf(out);
  encode(AnaLogHeader, view, 0, { chgcnt: log.chgcnt, ngrps: log.groups.length });
  let at: number = AnaLogHeader.size;
  for (const { nsids, ...group } of log.groups) {
    encode(AnaGroupDescriptor, view, at, { ...group, nnsids: nsids.length });
    at += AnaGroupDescriptor.size;
    for (const nsid of nsids) {
      view.setUint32(at, nsid, true);
      at += 4;
    }
  }
  return out;
}
