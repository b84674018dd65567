// Log pages on what a device has been through: self-tests, telemetry, endurance, sanitize, events.
// Read first: Base 2.0 §5.16.1 "Log Specific Information".

import { ParseError } from "../errors.ts";
import { ascii, bits, bytes, u128, u16, u32, u64, u8 } from "../field.ts";
import { decode, encode, viewOf, type Decoded } from "../layout.ts";
import { nqnField } from "../nqn.ts";

/** Head of the Device Self-test log (LID 06h), 4 bytes; results follow. Base 2.0 §5.16.1.7. */
export const SelfTestLogHeader = {
  size: 4,
  operation: bits(u8(0), 0, 4), // Current Device Self-Test Operation, see `SelfTest`
  completion: bits(u8(1), 0, 7), // Current Device Self-Test Completion, in percent
} as const;

/** Self-test Result, 28 bytes; newest first. Base 2.0 §5.16.1.7 "Device Self-test". */
export const SelfTestResult = {
  size: 28,
  result: bits(u8(0), 0, 4), // Device Self-test Status: result, see `SelfTestOutcome`
  stc: bits(u8(0), 4, 4), // Device Self-test Status: code, see `SelfTest`
  segment: u8(1), // Segment Number that failed first
  nsidValid: bits(u8(2), 0, 1), // Valid Diagnostic Information
  flbaValid: bits(u8(2), 1, 1),
  sctValid: bits(u8(2), 2, 1),
  scValid: bits(u8(2), 3, 1),
  poh: u64(4), // Power On Hours when it ended
  nsid: u32(12), // Namespace
  flba: u64(16), // Failing LBA
  sct: u8(24), // Status Code Type
  sc: u8(25), // Status Code
  vs: u16(26), // Vendor Specific
} as const;

/** Results of a self-test. Base 2.0 §5.16.1.7. */
export const SelfTestOutcome = {
  Passed: 0,
  Aborted: 1,
  AbortedByReset: 2,
  AbortedByNamespaceRemoval: 3,
  AbortedByFormat: 4,
  FatalError: 5,
  UnknownSegmentFailed: 6,
  SegmentFailed: 7,
  AbortedForUnknownReason: 8,
  AbortedBySanitize: 9,
  Unused: 0xf,
} as const;

/** Results that the log holds. */
export const SELF_TEST_RESULTS_MAX = 20;

/** Bytes of the Device Self-test log. */
export const SELF_TEST_LOG_BYTES: number =
  SelfTestLogHeader.size + SELF_TEST_RESULTS_MAX * SelfTestResult.size;

/** The Device Self-test log. */
export interface SelfTestLog extends Decoded<typeof SelfTestLogHeader> {
  readonly results: readonly Decoded<typeof SelfTestResult>[];
}

/**
 * Reads a Device Self-test log, as much as there is of it; unused entries are left out.
 *
 * @throws ParseError when not even its head is there.
 */
export function decodeSelfTestLog(log: Uint8Array): SelfTestLog {
  if (log.length < SelfTestLogHeader.size) {
    throw new ParseError("Device Self-test log", 0, `the log has ${log.length} bytes`);
  }
  const view = viewOf(log);
  const results: Decoded<typeof SelfTestResult>[] = [];
  const end = log.length - SelfTestResult.size;
  for (let at: number = SelfTestLogHeader.size; at <= end; at += SelfTestResult.size) {
    const result = decode(SelfTestResult, view, at);
    if (result.result !== SelfTestOutcome.Unused) results.push(result);
  }
  return { ...decode(SelfTestLogHeader, view), results };
}

/** Writes a Device Self-test log of the first 20 results, newest first. */
export function encodeSelfTestLog(
  header: Partial<Decoded<typeof SelfTestLogHeader>>,
  results: readonly Partial<Decoded<typeof SelfTestResult>>[],
): Uint8Array {
  const log = new Uint8Array(SELF_TEST_LOG_BYTES);
  const view = viewOf(log);
  encode(SelfTestLogHeader, view, 0, header);
  for (let i = 0; i < SELF_TEST_RESULTS_MAX; i++) {
    const result = results[i] ?? { result: SelfTestOutcome.Unused };
    encode(SelfTestResult, view, SelfTestLogHeader.size + i * SelfTestResult.size, result);
  }
  return log;
}

/**
 * Head of the telemetry logs (LID 07h and 08h), 512 bytes; data areas follow in blocks of 512 bytes.
 * Base 2.0 §5.16.1.8 "Telemetry Host-Initiated".
 */
export const TelemetryHeader = {
  size: 512,
  lid: u8(0), // Log Identifier: 7 or 8
  ieee: bytes(5, 3), // IEEE OUI Identifier
  da1lb: u16(8), // Data Area 1 Last Block; 0 for none
  da2lb: u16(10), // Data Area 2 Last Block
  da3lb: u16(12), // Data Area 3 Last Block
  da4lb: u32(16), // Data Area 4 Last Block
  hostdgn: u8(381), // Host-Initiated Data Generation Number
  ctrlavail: u8(382), // Controller-Initiated Data Available
  ctrldgn: u8(383), // Controller-Initiated Data Generation Number
  rid: bytes(384, 128), // Reason Identifier
} as const;

/** Bytes of a block of telemetry. */
export const TELEMETRY_BLOCK_BYTES = 512;

/** LSP of Get Log Page 07h that has new data gathered. Base 2.0 §5.16.1.8. */
export const LSP_TELEMETRY_CREATE = 1;

/**
 * Endurance Group Information (LID 09h), 512 bytes. Base 2.0 §5.16.1.10 "Endurance Group
 * Information".
 */
export const EnduranceGroupLog = {
  size: 512,
  cw: u8(0), // Critical Warning
  avsp: u8(3), // Available Spare, in percent
  avspt: u8(4), // Available Spare Threshold, in percent
  pused: u8(5), // Percentage Used; may exceed 100
  domainid: u16(6), // Domain Identifier
  ee: u128(32), // Endurance Estimate, in 10^9 bytes
  dur: u128(48), // Data Units Read, in 10^9 bytes
  duw: u128(64), // Data Units Written, in 10^9 bytes
  muw: u128(80), // Media Units Written, in 10^9 bytes
  hrc: u128(96), // Host Read Commands
  hwc: u128(112), // Host Write Commands
  mdie: u128(128), // Media and Data Integrity Errors
  neile: u128(144), // Number of Error Information Log Entries
  tegcap: u128(160), // Total Endurance Group Capacity, in bytes
  uegcap: u128(176), // Unallocated Endurance Group Capacity, in bytes
} as const;

const effects = u32(0);

/**
 * What setting a feature does, 4 bytes: one of 256 entries of Feature Identifiers Supported and
 * Effects (LID 12h), by FID. Base 2.0 §5.16.1.19.
 */
export const FeatureEffects = {
  size: 4,
  fsupp: bits(effects, 0, 1), // Feature Supported
  udcc: bits(effects, 1, 1), // User Data Content Change
  ncc: bits(effects, 2, 1), // Namespace Capability Change
  nic: bits(effects, 3, 1), // Namespace Inventory Change
  ccc: bits(effects, 4, 1), // Controller Capability Change
  uss: bits(effects, 19, 1), // UUID Selection Supported
  fsp: bits(effects, 20, 12), // Feature Scope: bit 0 namespace, bit 1 controller, …
} as const;

/** Bytes of the log of features and effects. */
export const FEATURE_EFFECTS_BYTES = 1024;

/** Sanitize Status (LID 81h), 512 bytes. Base 2.0 §5.16.1.25 "Sanitize Status". */
export const SanitizeLog = {
  size: 512,
  sprog: u16(0), // Sanitize Progress, in 65,536ths; FFFFh when none is in progress
  sos: bits(u16(2), 0, 3), // Sanitize Status: of the most recent operation, see `SanitizeState`
  passes: bits(u16(2), 3, 5), // Sanitize Status: completed passes of an overwrite
  gde: bits(u16(2), 8, 1), // Sanitize Status: Global Data Erased, nothing was written since
  scdw10: u32(4), // Command Dword 10 of the Sanitize command
  eto: u32(8), // Estimated Time for Overwrite, in seconds; FFFFFFFFh where it is not reported
  etbe: u32(12), // Estimated Time for Block Erase
  etce: u32(16), // Estimated Time for Crypto Erase
  etodmm: u32(20), // the same with No-Deallocate
  etbenmm: u32(24),
  etcenmm: u32(28),
} as const;

/** SOS: how the most recent sanitize operation stands. Base 2.0 §5.16.1.25. */
export const SanitizeState = {
  Never: 0,
  Completed: 1,
  InProgress: 2,
  Failed: 3,
  CompletedUnexpectedDeallocation: 4,
  MediaVerification: 5,
} as const;

/** Bits of SANICAP in Identify Controller. Base 2.0 §5.17.2.1. */
export const Sanicap = {
  CryptoErase: 0x1,
  BlockErase: 0x2,
  Overwrite: 0x4,
  /** NDAS is not allowed. */
  NoDeallocateInhibited: 0x2000_0000,
} as const;

/** Head of the Persistent Event log (LID 0Dh), 512 bytes; events follow. Base 2.0 §5.16.1.14. */
export const PersistentEventHeader = {
  size: 512,
  lid: u8(0), // Log Identifier: 0Dh
  tnev: u32(4), // Total Number of Events
  tll: u64(8), // Total Log Length, in bytes
  rv: u8(16), // Log Revision
  lhl: u16(18), // Log Header Length: bytes of this after the field itself
  ts: u64(20), // Timestamp
  poh: u128(28), // Power On Hours
  pcc: u64(44), // Power Cycle Count
  vid: u16(52), // PCI Vendor ID
  ssvid: u16(54), // PCI Subsystem Vendor ID
  sn: ascii(56, 20), // Serial Number
  mn: ascii(76, 40), // Model Number
  subnqn: nqnField(116), // NVM Subsystem NVMe Qualified Name
  gnum: u16(372), // Generation Number
  rci: u32(374), // Reporting Context Information
  seb: bytes(480, 32), // Supported Events Bitmap
} as const;

/** Action of Get Log Page 0Dh, in its LSP. Base 2.0 §5.16.1.14. */
export const PersistentEventAction = { Read: 0, Establish: 1, Release: 2 } as const;

/** Head of the LBA Status Information log (LID 0Eh), 16 bytes. Base 2.0 §5.16.1.15. */
export const LbaStatusLogHeader = {
  size: 16,
  lslplen: u32(0), // LBA Status Log Page Length, in bytes
  nlslne: u32(4), // Number of LBA Status Log Namespace Elements
  estulb: u32(8), // Estimate of Unrecoverable Logical Blocks
  lsgc: u16(14), // LBA Status Generation Counter
} as const;

/** Predictable Latency Per NVM Set (LID 0Ah), 512 bytes. Base 2.0 §5.16.1.11. */
export const PredictableLatencyLog = {
  size: 512,
  status: u8(0), // Status: 1 deterministic window, 2 non-deterministic
  etype: u16(2), // Event Type
  dtwinrt: u64(32), // DTWIN Reads Typical
  dtwinwt: u64(40), // DTWIN Writes Typical
  dtwintmax: u64(48), // DTWIN Time Maximum, in milliseconds
  ndwintminh: u64(56), // NDWIN Time Minimum High, in milliseconds
  ndwintminl: u64(64), // NDWIN Time Minimum Low, in milliseconds
  dtwinre: u64(128), // DTWIN Reads Estimate
  dtwinwe: u64(136), // DTWIN Writes Estimate
  dtwinte: u64(144), // DTWIN Time Estimate, in milliseconds
} as const;

/** Header of the aggregate logs (LID 0Bh and 0Fh), 8 bytes; IDs of 16 bits follow. */
export const AggregateLogHeader = {
  size: 8,
  nument: u64(0), // Number of Entries
} as const;
