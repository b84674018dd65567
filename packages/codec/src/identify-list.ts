// The lists that Identify returns: namespaces, controllers, identifiers, command sets.
// Read first: Base 2.0 §4.4 "Data Layout" (lists), §5.17.2.2 "Active Namespace ID list (CNS 02h)",
// §5.17.2.3 "Namespace Identification Descriptor list (CNS 03h)", §5.17.2.18 "I/O Command Set (CNS
// 1Ch)".

import { ParseError } from "./errors.ts";
import { IDENTIFY_BYTES } from "./identify.ts";
import { viewOf } from "./layout.ts";

/** NSIDs in one Namespace List; a list of fewer is the last. */
export const NSID_LIST_MAX = 1024;

/** Highest NSID a namespace may have; FFFFFFFFh means all of them. */
export const NSID_MAX = 0xffff_fffe;

/**
 * Reads a Namespace List, which ends at the first zero. NSIDs must increase from `after`, so that a
 * controller that repeats itself cannot keep its reader busy for ever.
 *
 * @param after NSID that the Identify command named: the list begins above it.
 * @throws ParseError
 */
export function decodeNsidList(list: Uint8Array, after = 0): number[] {
  const view = viewOf(list);
  const nsids: number[] = [];
  let last = after;
  for (let at = 0; at + 4 <= list.length; at += 4) {
    const nsid = view.getUint32(at, true);
    if (nsid === 0) break;
    if (nsid <= last || nsid > NSID_MAX) {
      throw new ParseError("Namespace List", at, `NSID ${nsid} after ${last} does not increase`);
    }
    nsids.push(nsid);
    last = nsid;
  }
  return nsids;
}

/**
 * Writes a Namespace List, 4096 bytes: the first 1024 of `nsids` above `after`.
 *
 * @param nsids in increasing order.
 */
export function encodeNsidList(nsids: Iterable<number>, after = 0): Uint8Array {
  const list = new Uint8Array(IDENTIFY_BYTES);
  const view = viewOf(list);
  let at = 0;
  for (const nsid of nsids) {
    if (nsid <= after) continue;
    if (at === list.length) break;
    view.setUint32(at, nsid, true);
    at += 4;
  }
  return list;
}

/** Controller IDs in one Controller List. */
export const CNTLID_LIST_MAX = 2047;

/**
 * Reads a Controller List: a count, then that many Controller IDs in increasing order.
 *
 * @throws ParseError
 */
export function decodeControllerList(list: Uint8Array): number[] {
  const view = viewOf(list);
  const count = list.length < 2 ? 0 : view.getUint16(0, true);
  if (list.length < 2 + 2 * count || count > CNTLID_LIST_MAX) {
    throw new ParseError("Controller List", 0, `${count} controllers in ${list.length} bytes`);
  }
  const cntlids: number[] = [];
  for (let at = 2; at < 2 + 2 * count; at += 2) {
    const cntlid = view.getUint16(at, true);
    const last = cntlids.at(-1) ?? -1;
    if (cntlid <= last) {
      throw new ParseError(
        "Controller List",
        at,
        `CNTLID ${cntlid} after ${last} does not increase`,
      );
    }
    cntlids.push(cntlid);
  }
  return cntlids;
}

/**
 * Writes a Controller List, 4096 bytes.
 *
 * @param cntlids in increasing order.
 * @throws RangeError for more than 2047.
 */
export function encodeControllerList(cntlids: readonly number[]): Uint8Array {
  if (cntlids.length > CNTLID_LIST_MAX) throw new RangeError(`${cntlids.length} controllers`);
  const list = new Uint8Array(IDENTIFY_BYTES);
  const view = viewOf(list);
  view.setUint16(0, cntlids.length, true);
  for (const [i, cntlid] of cntlids.entries()) view.setUint16(2 + 2 * i, cntlid, true);
  return list;
}

/** Namespace Identifier Types (NIDT). Base 2.0 §5.17.2.3. */
export const Nidt = { Eui64: 1, Nguid: 2, Uuid: 3, Csi: 4 } as const;
export type Nidt = (typeof Nidt)[keyof typeof Nidt];

/** What a namespace is called, as its identification descriptors tell. */
export interface NamespaceIdentifiers {
  /** IEEE Extended Unique Identifier, 8 bytes, big-endian. */
  eui64?: Uint8Array;
  /** Namespace Globally Unique Identifier, 16 bytes, big-endian. */
  nguid?: Uint8Array;
  /** UUID, 16 bytes in the order of its text. */
  uuid?: Uint8Array;
  /** Command Set Identifier, see `Csi`. */
  csi?: number;
}

/** Length of an identifier by its type. */
const nidLengths: Readonly<Record<number, number>> = { 1: 8, 2: 16, 3: 16, 4: 1 };

/**
 * Reads a Namespace Identification Descriptor list, which ends at a descriptor of length zero or
 * with the data. Types that are not known are skipped; of two descriptors of one type the first
 * counts.
 *
 * @throws ParseError for a length that its type does not have, or that ends beyond the data.
 */
export function decodeNamespaceDescriptors(list: Uint8Array): NamespaceIdentifiers {
  const out: NamespaceIdentifiers = {};
  let at = 0;
  while (at + 4 <= list.length) {
    const [nidt = 0, nidl = 0] = list.subarray(at);
    if (nidl === 0) break;
    const nid = list.slice(at + 4, at + 4 + nidl);
    if (nid.length < nidl || nidl !== (nidLengths[nidt] ?? nidl)) {
      const message = `${nidl} bytes for an identifier of type ${nidt}`;
      throw new ParseError("Namespace Identification Descriptors", at + 1, message);
    }
    if (nidt === Nidt.Eui64) out.eui64 ??= nid;
    else if (nidt === Nidt.Nguid) out.nguid ??= nid;
    else if (nidt === Nidt.Uuid) out.uuid ??= nid;
    else if (nidt === Nidt.Csi) out.csi ??= nid[0] ?? 0;
    at += 4 + nidl;
  }
  return out;
}

/**
 * Writes a Namespace Identification Descriptor list, 4096 bytes, of the identifiers that are given.
 */
export function encodeNamespaceDescriptors(identifiers: NamespaceIdentifiers): Uint8Array {
  const list = new Uint8Array(IDENTIFY_BYTES);
  const { eui64, nguid, uuid, csi } = identifiers;
  const given: [nidt: number, nid: Uint8Array | undefined][] = [
    [Nidt.Eui64, eui64],
    [Nidt.Nguid, nguid],
    [Nidt.Uuid, uuid],
    [Nidt.Csi, csi === undefined ? undefined : Uint8Array.of(csi)],
  ];
  let at = 0;
  for (const [nidt, nid] of given) {
    if (nid === undefined) continue;
    if (nid.length !== nidLengths[nidt]) {
      throw new RangeError(`${nid.length} bytes for an identifier of type ${nidt}`);
    }
    list.set([nidt, nid.length], at);
    list.set(nid, at + 4);
    at += 4 + nid.length;
  }
  return list;
}

/**
 * Reads the I/O Command Set structure (CNS 1Ch): combinations of command sets that can be enabled
 * together, up to the first empty one. Bit n of a combination is the command set with CSI n.
 */
export function decodeCommandSets(data: Uint8Array): bigint[] {
  const view = viewOf(data);
  const combinations: bigint[] = [];
  for (let at = 0; at + 8 <= data.length; at += 8) {
    const vector = view.getBigUint64(at, true);
    if (vector === 0n) break;
    combinations.push(vector);
  }
  return combinations;
}

/** Writes the I/O Command Set structure (CNS 1Ch), 4096 bytes. */
export function encodeCommandSets(combinations: readonly bigint[]): Uint8Array {
  const data = new Uint8Array(IDENTIFY_BYTES);
  const view = viewOf(data);
  for (const [i, vector] of combinations.entries()) view.setBigUint64(8 * i, vector, true);
  return data;
}
