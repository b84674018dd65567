// Log pages, but for the two that have files of their own: ana-log.ts and discovery-log.ts.
// Read first: Base 2.0 §5.16 "Get Log Page command"; Base 2.3 §5.2.12.3 for 1Eh and 1Fh.

import { ParseError } from "./errors.ts";
import { ascii, bits, u128, u16, u32, u64, u8 } from "./field.ts";
import { decode, encode, viewOf, type Decoded } from "./layout.ts";

/** Log Page Identifiers (LID). Base 2.0 §5.16 "Get Log Page command", with those of Base 2.3. */
export const Lid = {
  SupportedLogPages: 0x00,
  ErrorInformation: 0x01,
  SmartHealth: 0x02,
  FirmwareSlot: 0x03,
  ChangedNamespaces: 0x04,
  CommandEffects: 0x05,
  DeviceSelfTest: 0x06,
  TelemetryHost: 0x07,
  TelemetryController: 0x08,
  EnduranceGroup: 0x09,
  PredictableLatency: 0x0a,
  PredictableLatencyEvents: 0x0b,
  Ana: 0x0c,
  PersistentEvent: 0x0d,
  LbaStatus: 0x0e,
  EnduranceGroupEvents: 0x0f,
  MediaUnitStatus: 0x10,
  SupportedCapacity: 0x11,
  FeatureEffects: 0x12,
  MiCommandEffects: 0x13,
  Lockdown: 0x14,
  BootPartition: 0x15,
  RotationalMedia: 0x16,
  DispersedNamespaces: 0x17,
  ManagementAddresses: 0x18,
  ReachabilityGroups: 0x1a,
  ReachabilityAssociations: 0x1b,
  ChangedAllocatedNamespaces: 0x1c,
  DevicePersonalities: 0x1d,
  CrossControllerReset: 0x1e,
  LostHostCommunication: 0x1f,
  Discovery: 0x70,
  HostDiscovery: 0x71,
  AveDiscovery: 0x72,
  PullModelDdcRequest: 0x73,
  ReservationNotification: 0x80,
  SanitizeStatus: 0x81,
  ChangedZones: 0xbf,
} as const;
export type Lid = (typeof Lid)[keyof typeof Lid];

const logPage = u32(0);

/**
 * One entry of Supported Log Pages (LID 00h), 4 bytes; the log has 256 of them, by LID.
 * Base 2.0 §5.16.1.1 "Supported Log Pages (Log Identifier 00h)".
 */
export const SupportedLogPage = {
  size: 4,
  lsupp: bits(logPage, 0, 1), // LID Supported
  ios: bits(logPage, 1, 1), // Index Offset Supported
  lidsp: bits(logPage, 16, 16), // LID Specific Parameter
} as const;

/** Bytes of the log of supported log pages. */
export const SUPPORTED_LOG_PAGES_BYTES = 1024;

/**
 * One Error Information entry (LID 01h), 64 bytes; newest first. Base 2.0 §5.16.1.2 "Error
 * Information".
 */
export const ErrorLogEntry = {
  size: 64,
  ecnt: u64(0), // Error Count; 0 marks an unused entry
  sqid: u16(8), // Submission Queue ID
  cid: u16(10), // Command ID
  p: bits(u16(12), 0, 1), // Status Field: Phase Tag
  status: bits(u16(12), 1, 15), // Status Field, packed as `statusOf` packs it
  peloc: u16(14), // Parameter Error Location: byte 7:0, bit 10:8; FFFFh for none
  lba: u64(16), // LBA
  nsid: u32(24), // Namespace
  vsia: u8(28), // Vendor Specific Information Available
  trtype: u8(29), // Transport Type, see `Trtype`
  csi: u8(30), // Command Set Indicator
  opc: u8(31), // Opcode
  csinfo: u64(32), // Command Specific Information
  ttsi: u16(40), // Transport Type Specific Information
  lpver: u8(63), // Log Page Version
} as const;

/**
 * SMART / Health Information (LID 02h), 512 bytes. Base 2.0 §5.16.1.3 "SMART / Health Information".
 */
export const SmartLog = {
  size: 512,
  cw: u8(0), // Critical Warning, see `CriticalWarning`
  ctemp: u16(1), // Composite Temperature, in Kelvin
  avsp: u8(3), // Available Spare, in percent
  avspt: u8(4), // Available Spare Threshold, in percent
  pused: u8(5), // Percentage Used; may exceed 100
  egcws: u8(6), // Endurance Group Critical Warning Summary
  dur: u128(32), // Data Units Read, in 512,000 bytes
  duw: u128(48), // Data Units Written, in 512,000 bytes
  hrc: u128(64), // Host Read Commands
  hwc: u128(80), // Host Write Commands
  cbt: u128(96), // Controller Busy Time, in minutes
  pwrc: u128(112), // Power Cycles
  poh: u128(128), // Power On Hours
  upl: u128(144), // Unexpected Power Losses (Unsafe Shutdowns)
  mdie: u128(160), // Media and Data Integrity Errors
  neile: u128(176), // Number of Error Information Log Entries
  wctt: u32(192), // Warning Composite Temperature Time, in minutes
  cctt: u32(196), // Critical Composite Temperature Time, in minutes
  tsen1: u16(200), // Temperature Sensor 1, in Kelvin; 0 for none
  tsen2: u16(202),
  tsen3: u16(204),
  tsen4: u16(206),
  tsen5: u16(208),
  tsen6: u16(210),
  tsen7: u16(212),
  tsen8: u16(214),
} as const;

/** Bits of the SMART log's critical warning. Base 2.0 §5.16.1.3 "SMART / Health Information". */
export const CriticalWarning = {
  SpareLow: 0x1,
  Temperature: 0x2,
  Degraded: 0x4,
  ReadOnly: 0x8,
  BackupFailed: 0x10,
  PersistentMemory: 0x20,
} as const;

/**
 * Firmware Slot Information (LID 03h), 512 bytes. Base 2.0 §5.16.1.4 "Firmware Slot Information".
 */
export const FirmwareSlotLog = {
  size: 512,
  cafs: bits(u8(0), 0, 3), // AFI Current Active Firmware Slot, 1 to 7
  nafs: bits(u8(0), 4, 3), // AFI Next Active Firmware Slot; 0 for the same
  frs1: ascii(8, 8), // Firmware Revision for Slot 1; empty for none
  frs2: ascii(16, 8),
  frs3: ascii(24, 8),
  frs4: ascii(32, 8),
  frs5: ascii(40, 8),
  frs6: ascii(48, 8),
  frs7: ascii(56, 8),
} as const;

/**
 * Reads a Changed Namespace List (LID 04h). `"overflow"` when more have changed than fit:
 * everything is to be looked at anew. Base 2.0 §5.16.1.5 "Changed Namespace List".
 */
export function decodeChangedNamespaces(log: Uint8Array): number[] | "overflow" {
  const view = viewOf(log);
  const nsids: number[] = [];
  for (let at = 0; at + 4 <= log.length; at += 4) {
    const nsid = view.getUint32(at, true);
    if (nsid === 0) break;
    if (nsid === 0xffff_ffff) return "overflow";
    nsids.push(nsid);
  }
  return nsids;
}

/** Writes a Changed Namespace List, 4096 bytes; of more than 1024 it says that they do not fit. */
export function encodeChangedNamespaces(nsids: readonly number[]): Uint8Array {
  const log = new Uint8Array(4096);
  const view = viewOf(log);
  const entries = nsids.length > log.length / 4 ? [0xffff_ffff] : nsids;
  for (const [i, nsid] of entries.entries()) view.setUint32(4 * i, nsid, true);
  return log;
}

const effects = u32(0);

/**
 * What a command does beside its work, 4 bytes: one entry of Commands Supported and Effects
 * (LID 05h). Base 2.0 §5.16.1.6 "Commands Supported and Effects".
 */
export const CommandEffects = {
  size: 4,
  csupp: bits(effects, 0, 1), // Command Supported
  lbcc: bits(effects, 1, 1), // Logical Block Content Change
  ncc: bits(effects, 2, 1), // Namespace Capability Change
  nic: bits(effects, 3, 1), // Namespace Inventory Change
  ccc: bits(effects, 4, 1), // Controller Capability Change
  cser: bits(effects, 14, 2), // Command Submission and Execution Relaxations
  cse: bits(effects, 16, 3), // Command Submission and Execution: 1 alone in its namespace, 2 alone
  uss: bits(effects, 19, 1), // UUID Selection Supported
  csp: bits(effects, 20, 12), // Command Scope
} as const;

/**
 * Bytes of the log of commands and effects: 256 admin entries, 256 I/O entries, the rest reserved.
 */
export const COMMAND_EFFECTS_BYTES = 4096;

/** Offset of an opcode's {@link CommandEffects} in the log. */
export const commandEffectsOffset = (queueIsAdmin: boolean, opc: number): number =>
  (queueIsAdmin ? 0 : 1024) + CommandEffects.size * opc;

/** Header of the logs 1Eh and 1Fh, 8 bytes; entries of 8 bytes follow. Base 2.3 §5.2.12.3. */
export const EntryLogHeader = {
  size: 8,
  ne: u16(0), // Number of Entries, 511 at most
} as const;

/**
 * One entry of Cross-Controller Reset (LID 1Eh), 8 bytes. Base 2.3 §5.2.12.3.1 "Cross-Controller
 * Reset".
 */
export const CrossControllerResetEntry = {
  size: 8,
  icid: u16(0), // Impacted Controller ID
  ciu: u8(2), // Controller Instance Uniquifier
  acid: u16(4), // Alternate Controller ID; `CCR_ACID_NONE` for none
  ccrs: u8(6), // Cross-Controller Reset Status, see `CcrStatus`
  ccrf: u8(7), // Cross-Controller Reset Flags, see `CcrFlag`
} as const;

/** ACID of an entry without one. */
export const CCR_ACID_NONE = 0xffff;

/** CCRS. Base 2.3 §5.2.12.3.1 "Cross-Controller Reset". Recalled: see docs/spec-map.md. */
export const CcrStatus = { InProgress: 0, Successful: 1, Failed: 2 } as const;
export type CcrStatus = (typeof CcrStatus)[keyof typeof CcrStatus];

/** Bits of CCRF. Base 2.3 §5.2.12.3.1. Recalled: see docs/spec-map.md. */
export const CcrFlag = { Validated: 1, Initiated: 2 } as const;

/**
 * LSP of Get Log Page 1Eh that drops the completed entries it returns (RMC). Base 2.3 §5.2.12.3.1.
 * Recalled: see docs/spec-map.md.
 */
export const LSP_CCR_REMOVE_COMPLETED = 1;

/**
 * One entry of Lost Host Communication (LID 1Fh), 8 bytes. Base 2.3 §5.2.12.3.2 "Lost Host
 * Communication".
 */
export const LostHostEntry = {
  size: 8,
  cntlid: u16(0), // Controller ID
  lc: u8(2), // Lost Communication reason
  ciu: u8(3), // Controller Instance Uniquifier
} as const;

/** Entries that the logs 1Eh and 1Fh can hold. */
export const ENTRY_LOG_MAX = 511;

/**
 * Reads the entries of a log that begins with {@link EntryLogHeader}.
 *
 * @param layout `CrossControllerResetEntry` or `LostHostEntry`.
 * @throws ParseError when the log holds fewer entries than it claims.
 */
export function decodeEntryLog<L extends { readonly size: number }>(
  layout: L,
  log: Uint8Array,
): Decoded<L>[] {
  const view = viewOf(log);
  const count = log.length < EntryLogHeader.size ? ENTRY_LOG_MAX : EntryLogHeader.ne.get(view);
  if (count > ENTRY_LOG_MAX || log.length < EntryLogHeader.size + count * layout.size) {
    throw new ParseError("log page", 0, `${count} entries in ${log.length} bytes`);
  }
  return Array.from({ length: count }, (_, i) =>
    decode(layout, view, EntryLogHeader.size + i * layout.size),
  );
}

/** Writes a log of entries behind {@link EntryLogHeader}. */
export function encodeEntryLog<L extends { readonly size: number }>(
  layout: L,
  entries: readonly Partial<Decoded<L>>[],
): Uint8Array {
  const log = new Uint8Array(EntryLogHeader.size + entries.length * layout.size);
  const view = viewOf(log);
  EntryLogHeader.ne.set(view, 0, entries.length);
  for (const [i, entry] of entries.entries()) {
    encode(layout, view, EntryLogHeader.size + i * layout.size, entry);
  }
  return log;
}
