// Identify data structures of controllers and namespaces.
// Read first: Base 2.0 §5.17 "Identify command"; NVM Command Set 1.0 §4.1.5 "Identify Command";
// fields of Base 2.3 for Cross-Controller Reset. Lists are in identify-list.ts.

import { ParseError } from "./errors.ts";
import { ascii, bits, bytes, u128, u16, u32, u64, u8, zeroBased } from "./field.ts";
import { decode, type Decoded } from "./layout.ts";
import { nqnField } from "./nqn.ts";

/** Which structure Identify asks for (CNS). Base 2.0 §5.17 "Identify command". */
export const Cns = {
  Namespace: 0x00,
  Controller: 0x01,
  ActiveNamespaces: 0x02,
  NamespaceDescriptors: 0x03,
  NvmSets: 0x04,
  CommandSetNamespace: 0x05,
  CommandSetController: 0x06,
  CommandSetActiveNamespaces: 0x07,
  IndependentNamespace: 0x08,
  NamespaceFormat: 0x09,
  CommandSetNamespaceFormat: 0x0a,
  AllocatedNamespaces: 0x10,
  AllocatedNamespace: 0x11,
  NamespaceControllers: 0x12,
  Controllers: 0x13,
  PrimaryController: 0x14,
  SecondaryControllers: 0x15,
  NamespaceGranularity: 0x16,
  UuidList: 0x17,
  Domains: 0x18,
  EnduranceGroups: 0x19,
  CommandSetAllocatedNamespaces: 0x1a,
  CommandSetAllocatedNamespace: 0x1b,
  CommandSets: 0x1c,
} as const;
export type Cns = (typeof Cns)[keyof typeof Cns];

/** Command Set Identifiers (CSI). Base 2.0 §5.17 "Identify command". */
export const Csi = { Nvm: 0, KeyValue: 1, Zoned: 2 } as const;
export type Csi = (typeof Csi)[keyof typeof Csi];

/** Bytes of every Identify structure. */
export const IDENTIFY_BYTES = 4096;

/** NSID of a command that means all namespaces. */
export const NSID_ALL = 0xffff_ffff;

/**
 * Identify Controller data structure (CNS 01h), 4096 bytes.
 * Base 2.0 §5.17.2.1 "Identify Controller data structure (CNS 01h)"; ciu, cirn, cqt and ccrl: Base
 * 2.3.
 */
export const IdentifyController = {
  size: IDENTIFY_BYTES,
  vid: u16(0), // PCI Vendor ID
  ssvid: u16(2), // PCI Subsystem Vendor ID
  sn: ascii(4, 20), // Serial Number
  mn: ascii(24, 40), // Model Number
  fr: ascii(64, 8), // Firmware Revision
  rab: u8(72), // Recommended Arbitration Burst, power of two
  ieee: bytes(73, 3), // IEEE OUI Identifier
  cmic: u8(76), // Controller Multi-Path I/O and Namespace Sharing, see `Cmic`
  mdts: u8(77), // Maximum Data Transfer Size, power of two of CAP.MPSMIN pages; 0 for no limit
  cntlid: u16(78), // Controller ID
  ver: u32(80), // Version, see `Vs`
  rtd3r: u32(84), // RTD3 Resume Latency, in microseconds
  rtd3e: u32(88), // RTD3 Entry Latency, in microseconds
  oaes: u32(92), // Optional Asynchronous Events Supported, see `AsyncEventBit`
  ctratt: u32(96), // Controller Attributes, see `Ctratt`
  rrls: u16(100), // Read Recovery Levels Supported
  cntrltype: u8(111), // Controller Type, see `ControllerType`
  fguid: bytes(112, 16), // FRU Globally Unique Identifier
  crdt1: u16(128), // Command Retry Delay Time 1, in 100 ms
  crdt2: u16(130), // Command Retry Delay Time 2, in 100 ms
  crdt3: u16(132), // Command Retry Delay Time 3, in 100 ms
  crcap: u8(134), // Controller Reachability Capabilities
  ciu: u8(135), // Controller Instance Uniquifier
  cirn: u64(136), // Controller Instance Random Number
  oacs: u16(256), // Optional Admin Command Support, see `Oacs`
  acl: zeroBased(u8(258)), // Abort Command Limit
  aerl: zeroBased(u8(259)), // Asynchronous Event Request Limit
  frmw: u8(260), // Firmware Updates
  lpa: u8(261), // Log Page Attributes, see `Lpa`
  elpe: zeroBased(u8(262)), // Error Log Page Entries
  npss: zeroBased(u8(263)), // Number of Power States Support
  avscc: u8(264), // Admin Vendor Specific Command Configuration
  apsta: u8(265), // Autonomous Power State Transition Attributes
  wctemp: u16(266), // Warning Composite Temperature Threshold, in Kelvin
  cctemp: u16(268), // Critical Composite Temperature Threshold, in Kelvin
  tnvmcap: u128(280), // Total NVM Capacity, in bytes
  unvmcap: u128(296), // Unallocated NVM Capacity, in bytes
  dsto: u8(318), // Device Self-test Options: bit 0 one at a time in the subsystem
  kas: u16(320), // Keep Alive Support: granularity of KATO, in 100 ms; 0 for none
  sanicap: u32(328), // Sanitize Capabilities
  nsetidmax: u16(338), // NVM Set Identifier Maximum
  endgidmax: u16(340), // Endurance Group Identifier Maximum
  anatt: u8(342), // ANA Transition Time, in seconds
  anacap: u8(343), // ANA Capabilities, see `Anacap`
  anagrpmax: u32(344), // ANA Group Identifier Maximum
  nanagrpid: u32(348), // Number of ANA Group Identifiers
  domainid: u16(356), // Domain Identifier
  cqt: u16(386), // Command Quiesce Time, in milliseconds; 0 where it is not reported
  sqes: u8(512), // Submission Queue Entry Size, powers of two: 7:4 maximum, 3:0 required
  cqes: u8(513), // Completion Queue Entry Size, powers of two: 7:4 maximum, 3:0 required
  maxcmd: u16(514), // Maximum Outstanding Commands per queue
  nn: u32(516), // Number of Namespaces: the highest NSID
  oncs: u16(520), // Optional NVM Command Support, see `Oncs`
  fuses: u16(522), // Fused Operation Support: bit 0 Compare and Write
  fna: u8(524), // Format NVM Attributes
  vwc: u8(525), // Volatile Write Cache, see `Vwc`
  awun: zeroBased(u16(526)), // Atomic Write Unit Normal, in logical blocks
  awupf: zeroBased(u16(528)), // Atomic Write Unit Power Fail, in logical blocks
  icsvscc: u8(530), // I/O Command Set Vendor Specific Command Configuration
  nwpc: u8(531), // Namespace Write Protection Capabilities
  acwu: zeroBased(u16(532)), // Atomic Compare & Write Unit, in logical blocks
  ocfs: u16(534), // Optional Copy Formats Supported
  sgls: u32(536), // SGL Support, see `Sgls`
  mnan: u32(540), // Maximum Number of Allowed Namespaces; 0 for as many as `nn`
  subnqn: nqnField(768), // NVM Subsystem NVMe Qualified Name
  ioccsz: u32(1792), // I/O Queue Command Capsule Supported Size, in 16 bytes
  iorcsz: u32(1796), // I/O Queue Response Capsule Supported Size, in 16 bytes
  icdoff: u16(1800), // In Capsule Data Offset, in 16 bytes
  fcatt: u8(1802), // Fabrics Controller Attributes: bit 0 static controller model
  msdbd: u8(1803), // Maximum SGL Data Block Descriptors; 0 for no limit
  ofcs: u16(1804), // Optional Fabrics Commands Support: bit 0 Disconnect
  dctype: u8(1806), // Discovery Controller Type: 1 direct, 2 central
  ccrl: u8(1807), // Cross-Controller Reset Limit; 0 where it is not supported
} as const;

/** CNTRLTYPE. Base 2.0 §5.17.2.1 "Identify Controller data structure (CNS 01h)". */
export const ControllerType = { Io: 1, Discovery: 2, Admin: 3 } as const;
export type ControllerType = (typeof ControllerType)[keyof typeof ControllerType];

/** Bits of CMIC. Base 2.0 §5.17.2.1. */
export const Cmic = { Ports: 1, Controllers: 2, SrIov: 4, Ana: 8 } as const;

/** Bits of CTRATT that matter over fabrics. Base 2.0 §5.17.2.1. */
export const Ctratt = {
  /** 128-bit Host Identifier supported. */
  HostId128: 0x1,
  EnduranceGroups: 0x10,
  /** TBKAS: traffic keeps the controller alive, too. */
  TrafficBasedKeepAlive: 0x40,
  UuidList: 0x200,
  MultiDomain: 0x400,
  ExtendedLbaFormats: 0x8000,
} as const;

/** Bits of OACS. Base 2.0 §5.17.2.1. */
export const Oacs = {
  Security: 0x1,
  Format: 0x2,
  Firmware: 0x4,
  NamespaceManagement: 0x8,
  SelfTest: 0x10,
  Directives: 0x20,
} as const;

/** Bits of LPA. Base 2.0 §5.17.2.1. */
export const Lpa = {
  SmartPerNamespace: 0x1,
  CommandEffects: 0x2,
  /** Log pages take offsets and lengths of 32 bits. */
  Extended: 0x4,
  Telemetry: 0x8,
  PersistentEvent: 0x10,
  /** Supported log pages (LID 00h) and the effects logs beside 05h. */
  SupportedLogPages: 0x20,
} as const;

/** Bits of ANACAP: the states a controller may report. Base 2.0 §5.17.2.1. */
export const Anacap = {
  Optimized: 0x1,
  NonOptimized: 0x2,
  Inaccessible: 0x4,
  PersistentLoss: 0x8,
  Change: 0x10,
  /** ANAGRPID of a namespace does not change while it is attached. */
  GroupIdFixed: 0x40,
  /** Namespace Management takes an ANAGRPID. */
  GroupIdSettable: 0x80,
} as const;

/** Bits of ONCS. Base 2.0 §5.17.2.1. */
export const Oncs = {
  Compare: 0x1,
  WriteUncorrectable: 0x2,
  DatasetManagement: 0x4,
  WriteZeroes: 0x8,
  SaveFeatures: 0x10,
  Reservations: 0x20,
  Timestamp: 0x40,
  Verify: 0x80,
  Copy: 0x100,
} as const;

/** Bits of VWC. Base 2.0 §5.17.2.1. */
export const Vwc = {
  Present: 0x1,
  /** Flush does not take {@link NSID_ALL}. */
  NoFlushAll: 0x4,
  /** Flush takes {@link NSID_ALL}. */
  FlushAll: 0x6,
} as const;

/** Bits of SGLS. Base 2.0 §5.17.2.1. */
export const Sgls = {
  /** SGLs are supported, without a rule on alignment. */
  Supported: 0x1,
  DwordAligned: 0x2,
  Keyed: 0x4,
  BitBucket: 0x1_0000,
  /** The address may be an offset into the capsule. */
  Offset: 0x10_0000,
  Transport: 0x20_0000,
} as const;

const flbas = u8(26);

/**
 * Identify Namespace data structure (CNS 00h), 4096 bytes; of its table of LBA formats see
 * {@link lbaFormat}. NVM Command Set 1.0 §4.1.5.1 "NVM Command Set Identify Namespace Data
 * Structure".
 */
export const IdentifyNamespace = {
  size: IDENTIFY_BYTES,
  nsze: u64(0), // Namespace Size, in logical blocks
  ncap: u64(8), // Namespace Capacity, in logical blocks
  nuse: u64(16), // Namespace Utilization, in logical blocks
  nsfeat: u8(24), // Namespace Features, see `Nsfeat`
  nlbaf: zeroBased(u8(25)), // Number of LBA Formats
  fidxl: bits(flbas, 0, 4), // FLBAS Format Index Lower
  mtelba: bits(flbas, 4, 1), // FLBAS Metadata Transferred at End of LBA
  fidxu: bits(flbas, 5, 2), // FLBAS Format Index Upper, with more than 16 formats
  mc: u8(27), // Metadata Capabilities
  dpc: u8(28), // End-to-end Data Protection Capabilities
  dps: u8(29), // End-to-end Data Protection Type Settings
  nmic: u8(30), // Multi-path I/O and Namespace Sharing: bit 0 shared
  rescap: u8(31), // Reservation Capabilities
  fpi: u8(32), // Format Progress Indicator
  dlfeat: u8(33), // Deallocate Logical Block Features: 2:0 read behaviour, 3 DEAC in Write Zeroes
  nawun: zeroBased(u16(34)), // Atomic Write Unit Normal, in logical blocks
  nawupf: zeroBased(u16(36)), // Atomic Write Unit Power Fail, in logical blocks
  nacwu: zeroBased(u16(38)), // Atomic Compare & Write Unit, in logical blocks
  nabsn: u16(40), // Atomic Boundary Size Normal: 0 for none, else 0's based
  nabo: u16(42), // Atomic Boundary Offset, in logical blocks
  nabspf: u16(44), // Atomic Boundary Size Power Fail: 0 for none, else 0's based
  noiob: u16(46), // Optimal I/O Boundary, in logical blocks
  nvmcap: u128(48), // NVM Capacity, in bytes
  npwg: zeroBased(u16(64)), // Preferred Write Granularity, in logical blocks
  npwa: zeroBased(u16(66)), // Preferred Write Alignment, in logical blocks
  npdg: zeroBased(u16(68)), // Preferred Deallocate Granularity, in logical blocks
  npda: zeroBased(u16(70)), // Preferred Deallocate Alignment, in logical blocks
  nows: zeroBased(u16(72)), // Optimal Write Size, in logical blocks
  mssrl: u16(74), // Maximum Single Source Range Length, in logical blocks
  mcl: u32(76), // Maximum Copy Length, in logical blocks
  msrc: zeroBased(u8(80)), // Maximum Source Range Count
  nulbaf: u8(82), // Number of Unique Attribute LBA Formats
  anagrpid: u32(92), // ANA Group Identifier
  nsattr: u8(99), // Namespace Attributes: bit 0 write protected
  nvmsetid: u16(100), // NVM Set Identifier
  endgid: u16(102), // Endurance Group Identifier
  nguid: bytes(104, 16), // Namespace Globally Unique Identifier, big-endian
  eui64: bytes(120, 8), // IEEE Extended Unique Identifier, big-endian
} as const;

/** Bits of NSFEAT. NVM Command Set 1.0 §4.1.5.1. */
export const Nsfeat = {
  ThinProvisioning: 0x1,
  /** NAWUN, NAWUPF and NACWU apply instead of the controller's. */
  AtomicWrites: 0x2,
  DeallocatedError: 0x4,
  UidNotReused: 0x8,
  /** NPWG, NPWA, NPDG, NPDA and NOWS are defined. */
  OptimalPerformance: 0x10,
} as const;

/** One LBA format, 4 bytes. NVM Command Set 1.0 §4.1.5.1. */
export const LbaFormat = {
  size: 4,
  ms: u16(0), // Metadata Size, in bytes
  lbads: u8(2), // LBA Data Size, power of two
  rp: bits(u8(3), 0, 2), // Relative Performance: 0 best, 3 degraded
} as const;

/** Entries of the table of LBA formats. */
export const LBA_FORMATS_MAX = 64;

/** Offset of LBA format `index` in Identify Namespace. */
export const lbaFormatOffset = (index: number): number => 128 + LbaFormat.size * index;

/** LBA format `index` (0 to 63) of an Identify Namespace structure. */
export const lbaFormat = (view: DataView, index: number, base = 0): Decoded<typeof LbaFormat> =>
  decode(LbaFormat, view, base + lbaFormatOffset(index));

/** The LBA format in use. */
export interface CurrentLbaFormat extends Decoded<typeof LbaFormat> {
  readonly index: number;
  /** Bytes of a logical block's data, 512 to 65,536. */
  readonly blockBytes: number;
  /** Metadata follows each block's data in one buffer (extended LBA). */
  readonly extended: boolean;
}

/**
 * The format that FLBAS selects, checked: it is one of those declared, and its blocks have 512
 * bytes to 64 KiB. The structure of an inactive namespace is all zeroes and fails: look at `nsze`
 * first.
 *
 * @throws ParseError
 */
export function currentLbaFormat(view: DataView, base = 0): CurrentLbaFormat {
  const declared =
    IdentifyNamespace.nlbaf.get(view, base) + IdentifyNamespace.nulbaf.get(view, base);
  const upper = declared > 16 ? IdentifyNamespace.fidxu.get(view, base) : 0;
  const index = IdentifyNamespace.fidxl.get(view, base) + 16 * upper;
  if (index >= declared) {
    throw new ParseError("Identify Namespace", 26, `LBA format ${index} of ${declared} is in use`);
  }
  const format = lbaFormat(view, index, base);
  if (format.lbads < 9 || format.lbads > 16) {
    const message = `LBA format ${index} has blocks of 2^${format.lbads} bytes`;
    throw new ParseError("Identify Namespace", lbaFormatOffset(index) + 2, message);
  }
  const extended = format.ms > 0 && IdentifyNamespace.mtelba.get(view, base) === 1;
  return { ...format, index, blockBytes: 2 ** format.lbads, extended };
}

/**
 * Checks that the sizes of a namespace make sense, its format included: capacity within size, and a
 * size in bytes below 2^63.
 *
 * @throws ParseError
 */
export function checkNamespaceSize(view: DataView, base = 0): void {
  const { blockBytes } = currentLbaFormat(view, base);
  const nsze = IdentifyNamespace.nsze.get(view, base);
  const ncap = IdentifyNamespace.ncap.get(view, base);
  if (nsze * BigInt(blockBytes) >= 1n << 63n) {
    throw new ParseError("Identify Namespace", 0, `NSZE of ${nsze} blocks is beyond 2^63 bytes`);
  }
  if (ncap > nsze) {
    throw new ParseError("Identify Namespace", 8, `NCAP ${ncap} is greater than NSZE ${nsze}`);
  }
}

/**
 * I/O Command Set Independent Identify Namespace data structure (CNS 08h), 4096 bytes.
 * Base 2.0 §5.17.2.8 "I/O Command Set Independent Identify Namespace data structure (CNS 08h)".
 */
export const IdentifyNamespaceIndependent = {
  size: IDENTIFY_BYTES,
  nsfeat: u8(0), // Common Namespace Features
  nmic: u8(1), // Multi-path I/O and Namespace Sharing: bit 0 shared
  rescap: u8(2), // Reservation Capabilities
  fpi: u8(3), // Format Progress Indicator
  anagrpid: u32(4), // ANA Group Identifier
  nsattr: u8(8), // Namespace Attributes: bit 0 write protected
  nvmsetid: u16(10), // NVM Set Identifier
  endgid: u16(12), // Endurance Group Identifier
  nrdy: bits(u8(14), 0, 1), // NSTAT: Namespace Ready
} as const;

/**
 * Identify Controller of the NVM Command Set (CNS 06h, CSI 0), 4096 bytes; 0 means no limit.
 * NVM Command Set 1.0 §4.1.5.4 "I/O Command Set Specific Identify Controller Data Structure".
 */
export const IdentifyControllerNvm = {
  size: IDENTIFY_BYTES,
  vsl: u8(0), // Verify Size Limit, power of two of CAP.MPSMIN pages
  wzsl: u8(1), // Write Zeroes Size Limit, power of two of CAP.MPSMIN pages
  wusl: u8(2), // Write Uncorrectable Size Limit, power of two of CAP.MPSMIN pages
  dmrl: u8(3), // Dataset Management Ranges Limit
  dmrsl: u32(4), // Dataset Management Range Size Limit, in logical blocks
  dmsl: u64(8), // Dataset Management Size Limit, in logical blocks
} as const;
