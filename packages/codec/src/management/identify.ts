// Identify structures and lists beyond those of controllers and namespaces themselves.
// Read first: Base 2.0 §5.17.2 "Identify Data Structures"; NVM Command Set 1.0 §4.1.5.3.

import { ParseError } from "../errors.ts";
import { bits, bytes, u128, u16, u32, u64, u8 } from "../field.ts";
import { IDENTIFY_BYTES } from "../identify.ts";
import { decode, viewOf, type Decoded } from "../layout.ts";

/**
 * Identify Namespace of the NVM Command Set (CNS 05h, CSI 0), 4096 bytes; 64 extended LBA formats
 * follow from byte 12. NVM Command Set 1.0 §4.1.5.3.
 */
export const IdentifyNamespaceNvm = {
  size: IDENTIFY_BYTES,
  lbstm: u64(0), // Logical Block Storage Tag Mask
  pic: u8(8), // Protection Information Capabilities
} as const;

const elbaf = u32(0);

/** One extended LBA format, 4 bytes. NVM Command Set 1.0 §4.1.5.3. */
export const ExtendedLbaFormat = {
  size: 4,
  sts: bits(elbaf, 0, 7), // Storage Tag Size, in bits
  pif: bits(elbaf, 7, 2), // Protection Information Format: 0 16b, 1 32b, 2 64b guard
} as const;

/** Offset of extended LBA format `index` in {@link IdentifyNamespaceNvm}. */
export const extendedLbaFormatOffset = (index: number): number =>
  12 + ExtendedLbaFormat.size * index;

/** Primary Controller Capabilities (CNS 14h), 4096 bytes. Base 2.0 §5.17.2.11. */
export const PrimaryControllerCapabilities = {
  size: IDENTIFY_BYTES,
  cntlid: u16(0), // Controller ID
  portid: u16(2), // Port ID
  crt: u8(4), // Controller Resource Types: bit 0 VQ, bit 1 VI
  vqfrt: u32(32), // VQ Resources Flexible Total
  vqrfa: u32(36), // VQ Resources Flexible Assigned
  vqrfap: u16(40), // VQ Resources Flexible Allocated to Primary
  vqprt: u16(42), // VQ Resources Private Total
  vqfrsm: u16(44), // VQ Resources Flexible Secondary Maximum
  vqgran: u16(46), // VQ Flexible Resource Preferred Granularity
  vifrt: u32(64), // VI Resources Flexible Total
  virfa: u32(68), // VI Resources Flexible Assigned
  virfap: u16(72), // VI Resources Flexible Allocated to Primary
  viprt: u16(74), // VI Resources Private Total
  vifrsm: u16(76), // VI Resources Flexible Secondary Maximum
  vigran: u16(78), // VI Flexible Resource Preferred Granularity
} as const;

/** Secondary Controller Entry, 32 bytes, of the list of CNS 15h. Base 2.0 §5.17.2.12. */
export const SecondaryController = {
  size: 32,
  scid: u16(0), // Secondary Controller ID
  pcid: u16(2), // Primary Controller ID
  scs: bits(u8(4), 0, 1), // Secondary Controller State: 1 online
  vfn: u16(8), // Virtual Function Number
  nvq: u16(10), // Number of VQ Flexible Resources Assigned
  nvi: u16(12), // Number of VI Flexible Resources Assigned
} as const;

/** NVM Set Attributes Entry, 128 bytes, of the list of CNS 04h. Base 2.0 §5.17.2.4. */
export const NvmSet = {
  size: 128,
  nvmsetid: u16(0), // NVM Set Identifier
  endgid: u16(2), // Endurance Group Identifier
  r4krt: u32(8), // Random 4 KiB Read Typical, in 100 ns
  ows: u32(12), // Optimal Write Size, in bytes
  tnvmsetcap: u128(16), // Total NVM Set Capacity, in bytes
  unvmsetcap: u128(32), // Unallocated NVM Set Capacity, in bytes
} as const;

/** Domain Attributes Entry, 128 bytes, of the list of CNS 18h. Base 2.0 §5.17.2.15. */
export const Domain = {
  size: 128,
  domainid: u16(0), // Domain Identifier
  tdc: u128(16), // Total Domain Capacity, in bytes
  udc: u128(32), // Unallocated Domain Capacity, in bytes
  megdc: u128(48), // Max Endurance Group Domain Capacity, in bytes
} as const;

/** Namespace Granularity Descriptor, 16 bytes, of the list of CNS 16h. */
export const NamespaceGranularity = {
  size: 16,
  nszegran: u64(0), // Namespace Size Granularity, in bytes
  ncapgran: u64(8), // Namespace Capacity Granularity, in bytes
} as const;

/** UUID List Entry, 32 bytes, of the list of CNS 17h. Base 2.0 §5.17.2.14. */
export const UuidEntry = {
  size: 32,
  association: bits(u8(0), 0, 2), // Identifier Association: 0 none, 1 vendor, 2 subsystem vendor
  uuid: bytes(16, 16), // UUID
} as const;

/** Where entries begin, and how many there may be, in a list that says in byte 0 how many it has. */
interface CountedList {
  readonly name: string;
  readonly first: number;
  readonly max: number;
}

const counted =
  <L extends { readonly size: number }>(list: CountedList, layout: L) =>
  /** Reads the list. @throws ParseError for a count beyond what it can hold. */
  (data: Uint8Array): Decoded<L>[] => {
    const count = data[0] ?? 0;
    const { name, first, max } = list;
    if (count > max || data.length < first + count * layout.size) {
      throw new ParseError(name, 0, `${count} entries in ${data.length} bytes`);
    }
    const view = viewOf(data);
    return Array.from({ length: count }, (_, i) => decode(layout, view, first + i * layout.size));
  };

/** Reads a Secondary Controller List (CNS 15h). @throws ParseError */
export const decodeSecondaryControllers: (
  data: Uint8Array,
) => Decoded<typeof SecondaryController>[] = counted(
  { name: "Secondary Controller List", first: 32, max: 127 },
  SecondaryController,
);

/** Reads an NVM Set List (CNS 04h). @throws ParseError */
export const decodeNvmSets: (data: Uint8Array) => Decoded<typeof NvmSet>[] = counted(
  { name: "NVM Set List", first: 128, max: 31 },
  NvmSet,
);

/** Reads a Domain List (CNS 18h). @throws ParseError */
export const decodeDomains: (data: Uint8Array) => Decoded<typeof Domain>[] = counted(
  { name: "Domain List", first: 128, max: 31 },
  Domain,
);

/** What the Namespace Granularity List (CNS 16h) says. */
export interface GranularityList {
  /** Each LBA format has a descriptor of its own. */
  readonly perFormat: boolean;
  readonly descriptors: readonly Decoded<typeof NamespaceGranularity>[];
}

/** Reads a Namespace Granularity List. @throws ParseError */
export function decodeGranularity(data: Uint8Array): GranularityList {
  const count = (data[4] ?? 0) + 1; // 0's based
  if (count > 16 || data.length < 32 + count * NamespaceGranularity.size) {
    const message = `${count} descriptors in ${data.length} bytes`;
    throw new ParseError("Namespace Granularity List", 4, message);
  }
  const view = viewOf(data);
  const descriptors = Array.from({ length: count }, (_, i) =>
    decode(NamespaceGranularity, view, 32 + i * NamespaceGranularity.size),
  );
  return { perFormat: (data[0]! & 1) === 1, descriptors };
}

/** Reads a UUID List (CNS 17h), which ends at the first UUID of zeroes. */
export function decodeUuids(data: Uint8Array): Decoded<typeof UuidEntry>[] {
  const view = viewOf(data);
  const entries: Decoded<typeof UuidEntry>[] = [];
  for (let at: number = UuidEntry.size; at + UuidEntry.size <= data.length; at += UuidEntry.size) {
    const entry = decode(UuidEntry, view, at);
    if (entry.uuid.every((byte) => byte === 0)) break;
    entries.push(entry);
  }
  return entries;
}

/** Reads an Endurance Group List (CNS 19h): identifiers in increasing order. @throws ParseError */
export function decodeEnduranceGroups(data: Uint8Array): number[] {
  const view = viewOf(data);
  const count = data.length < 2 ? 0 : view.getUint16(0, true);
  if (data.length < 2 + 2 * count) {
    const message = `${count} groups in ${data.length} bytes`;
    throw new ParseError("Endurance Group List", 0, message);
  }
  return Array.from({ length: count }, (_, i) => view.getUint16(2 + 2 * i, true));
}
