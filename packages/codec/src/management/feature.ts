// Every feature by its identifier: what its value or its data means, and what it belongs to.
// Read first: Base 2.0 §5.27.1 "Feature Specific Information"; NVM Command Set 1.0 §4.1.3 "Get
// Features & Set Features Commands". Those that bring-up needs are in ../feature.ts.

import {
  Fid,
  HostBehaviorSupport,
  HostIdentifier,
  KeepAliveTimer,
  NumberOfQueues,
  Timestamp,
  VolatileWriteCache,
} from "../feature.ts";
import { bits, u16, u32, u8 } from "../field.ts";

const value = u32(0);

/** Arbitration (FID 01h), 4 bytes. Base 2.0 §5.27.1.1. */
export const Arbitration = {
  size: 4,
  ab: bits(value, 0, 3), // Arbitration Burst, power of two; 7 for no limit
  lpw: u8(1), // Low Priority Weight, 0's based
  mpw: u8(2), // Medium Priority Weight, 0's based
  hpw: u8(3), // High Priority Weight, 0's based
} as const;

/** Power Management (FID 02h), 4 bytes. Base 2.0 §5.27.1.2. */
export const PowerManagement = {
  size: 4,
  ps: bits(value, 0, 5), // Power State
  wh: bits(value, 5, 3), // Workload Hint
} as const;

/** Temperature Threshold (FID 04h), 4 bytes. Base 2.0 §5.27.1.3. */
export const TemperatureThreshold = {
  size: 4,
  tmpth: u16(0), // Temperature Threshold, in Kelvin
  tmpsel: bits(value, 16, 4), // Threshold Temperature Select: 0 composite, 1 to 8 a sensor, 15 all
  thsel: bits(value, 20, 2), // Threshold Type Select: 0 over, 1 under
} as const;

/** Error Recovery (FID 05h), 4 bytes. NVM Command Set 1.0 §4.1.3.2. */
export const ErrorRecovery = {
  size: 4,
  tler: u16(0), // Time Limited Error Recovery, in 100 ms; 0 for no limit
  dulbe: bits(value, 16, 1), // Deallocated or Unwritten Logical Block Error Enable
} as const;

/** Interrupt Coalescing (FID 08h), 4 bytes. */
export const InterruptCoalescing = {
  size: 4,
  thr: u8(0), // Aggregation Threshold, 0's based
  time: u8(1), // Aggregation Time, in 100 µs
} as const;

/** Interrupt Vector Configuration (FID 09h), 4 bytes. */
export const InterruptVector = {
  size: 4,
  iv: u16(0), // Interrupt Vector
  cd: bits(value, 16, 1), // Coalescing Disable
} as const;

/** Write Atomicity Normal (FID 0Ah), 4 bytes. NVM Command Set 1.0 §4.1.3.3. */
export const WriteAtomicity = {
  size: 4,
  dn: bits(value, 0, 1), // Disable Normal: AWUN does not apply
} as const;

/** Asynchronous Event Configuration (FID 0Bh), 4 bytes. Base 2.0 §5.27.1.8. */
export const AsyncEventConfiguration = {
  size: 4,
  shcw: bits(value, 0, 8), // SMART / Health Critical Warnings
  nan: bits(value, 8, 1), // Namespace Attribute Notices
  fan: bits(value, 9, 1), // Firmware Activation Notices
  tln: bits(value, 10, 1), // Telemetry Log Notices
  anacn: bits(value, 11, 1), // Asymmetric Namespace Access Change Notices
  plealcn: bits(value, 12, 1), // Predictable Latency Event Aggregate Log Change Notices
  lbasian: bits(value, 13, 1), // LBA Status Information Alert Notices
  egealcn: bits(value, 14, 1), // Endurance Group Event Aggregate Log Change Notices
  nnss: bits(value, 15, 1), // Normal NVM Subsystem Shutdown
  zdcn: bits(value, 27, 1), // Zone Descriptor Changed Notices
  dlpcn: bits(value, 31, 1), // Discovery Log Page Change Notification
} as const;

/** Autonomous Power State Transition (FID 0Ch), 4 bytes. */
export const AutonomousPowerState = {
  size: 4,
  apste: bits(value, 0, 1), // Autonomous Power State Transition Enable
} as const;

/** Host Controlled Thermal Management (FID 10h), 4 bytes. Base 2.0 §5.27.1.13. */
export const ThermalManagement = {
  size: 4,
  tmt2: u16(0), // Thermal Management Temperature 2, in Kelvin
  tmt1: u16(2), // Thermal Management Temperature 1, in Kelvin
} as const;

/** Non-Operational Power State Config (FID 11h), 4 bytes. */
export const NonOperationalPowerState = {
  size: 4,
  noppme: bits(value, 0, 1), // Non-Operational Power State Permissive Mode Enable
} as const;

/** Read Recovery Level Config (FID 12h), 4 bytes. */
export const ReadRecoveryLevel = {
  size: 4,
  rrl: bits(value, 0, 4), // Read Recovery Level
} as const;

/** Sanitize Config (FID 17h), 4 bytes. Base 2.0 §5.27.1.19. */
export const SanitizeConfig = {
  size: 4,
  nodrm: bits(value, 0, 1), // No-Deallocate Response Mode
} as const;

/** I/O Command Set Profile (FID 19h), 4 bytes. Base 2.0 §5.27.1.21. */
export const CommandSetProfile = {
  size: 4,
  iocsci: bits(value, 0, 9), // I/O Command Set Combination Index
} as const;

/** Software Progress Marker (FID 80h), 4 bytes. Base 2.0 §5.27.1.24. */
export const SoftwareProgressMarker = {
  size: 4,
  pbslc: u8(0), // Pre-boot Software Load Count
} as const;

/** Reservation Notification Mask (FID 82h), 4 bytes: 1 and no such notification is given. */
export const ReservationNotificationMask = {
  size: 4,
  regpre: bits(value, 1, 1), // Mask Registration Preempted
  resrel: bits(value, 2, 1), // Mask Reservation Released
  respre: bits(value, 3, 1), // Mask Reservation Preempted
} as const;

/** Reservation Persistence (FID 83h), 4 bytes. Base 2.0 §5.27.1.27. */
export const ReservationPersistence = {
  size: 4,
  ptpl: bits(value, 0, 1), // Persist Through Power Loss
} as const;

/** Namespace Write Protection Config (FID 84h), 4 bytes. Base 2.0 §5.27.1.28. */
export const NamespaceWriteProtection = {
  size: 4,
  wps: bits(value, 0, 3), // Write Protection State, see `WriteProtection`
} as const;

/** WPS. Base 2.0 §5.27.1.28. */
export const WriteProtection = {
  None: 0,
  Protected: 1,
  UntilPowerCycle: 2,
  Permanent: 3,
} as const;

/** What a feature is: its value, or its data, and whose it is. */
export interface FeatureFacts {
  readonly fid: number;
  /** As nvme-cli calls it where it does: "num-queues". */
  readonly key: string;
  readonly title: string;
  /** Layout of the value, where that is a number of 32 bits. */
  readonly value?: { readonly size: number };
  /** Layout of the data, where it has any. */
  readonly data?: { readonly size: number };
  /** Bytes of data; 0 for none. */
  readonly dataBytes: number;
  /** Each namespace has a value of its own. */
  readonly perNamespace: boolean;
}

const number = (
  fid: number,
  key: string,
  title: string,
  layout: { readonly size: number },
): FeatureFacts => ({ fid, key, title, value: layout, dataBytes: 0, perNamespace: false });

const ofNamespace = (...row: Parameters<typeof number>): FeatureFacts => ({
  ...number(...row),
  perNamespace: true,
});

const block = (
  fid: number,
  key: string,
  title: string,
  data: { readonly size: number } | number,
): FeatureFacts => ({
  fid,
  key,
  title,
  ...(typeof data === "number" ? {} : { data }),
  dataBytes: typeof data === "number" ? data : data.size,
  perNamespace: false,
});

/** Every feature of Base 2.0, by increasing identifier. Those with data and no layout stay bytes. */
export const featureTable: readonly FeatureFacts[] = [
  number(Fid.Arbitration, "arbitration", "Arbitration", Arbitration),
  number(Fid.PowerManagement, "power-mgmt", "Power Management", PowerManagement),
  { ...block(Fid.LbaRangeType, "lba-range-type", "LBA Range Type", 4096), perNamespace: true },
  number(Fid.TemperatureThreshold, "temp-thresh", "Temperature Threshold", TemperatureThreshold),
  ofNamespace(Fid.ErrorRecovery, "err-recovery", "Error Recovery", ErrorRecovery),
  number(Fid.VolatileWriteCache, "volatile-wc", "Volatile Write Cache", VolatileWriteCache),
  number(Fid.NumberOfQueues, "num-queues", "Number of Queues", NumberOfQueues),
  number(Fid.InterruptCoalescing, "int-coalesce", "Interrupt Coalescing", InterruptCoalescing),
  number(
    Fid.InterruptVector,
    "int-vector-config",
    "Interrupt Vector Configuration",
    InterruptVector,
  ),
  number(Fid.WriteAtomicity, "write-atom-normal", "Write Atomicity Normal", WriteAtomicity),
  number(
    Fid.AsyncEventConfiguration,
    "async-event-conf",
    "Asynchronous Event Configuration",
    AsyncEventConfiguration,
  ),
  {
    ...block(Fid.AutonomousPowerState, "apst", "Autonomous Power State Transition", 256),
    value: AutonomousPowerState,
  },
  block(Fid.HostMemoryBuffer, "host-mem-buf", "Host Memory Buffer", 4096),
  block(Fid.Timestamp, "timestamp", "Timestamp", Timestamp),
  number(Fid.KeepAliveTimer, "keep-alive-timer", "Keep Alive Timer", KeepAliveTimer),
  number(Fid.ThermalManagement, "hctm", "Host Controlled Thermal Management", ThermalManagement),
  number(
    Fid.NonOperationalPowerState,
    "nopsc",
    "Non-Operational Power State Config",
    NonOperationalPowerState,
  ),
  number(Fid.ReadRecoveryLevel, "rrl", "Read Recovery Level Config", ReadRecoveryLevel),
  block(Fid.PredictableLatency, "plm-config", "Predictable Latency Mode Config", 512),
  block(Fid.HostBehaviorSupport, "host-behavior", "Host Behavior Support", HostBehaviorSupport),
  number(Fid.SanitizeConfig, "sanitize", "Sanitize Config", SanitizeConfig),
  number(Fid.CommandSetProfile, "iocs-profile", "I/O Command Set Profile", CommandSetProfile),
  block(Fid.ControllerMetadata, "controller-metadata", "Controller Metadata", 4096),
  {
    ...block(Fid.NamespaceMetadata, "ns-metadata", "Namespace Metadata", 4096),
    perNamespace: true,
  },
  number(
    Fid.SoftwareProgressMarker,
    "sw-progress",
    "Software Progress Marker",
    SoftwareProgressMarker,
  ),
  block(Fid.HostIdentifier, "host-id", "Host Identifier", HostIdentifier),
  ofNamespace(
    Fid.ReservationNotificationMask,
    "resv-mask",
    "Reservation Notification Mask",
    ReservationNotificationMask,
  ),
  ofNamespace(
    Fid.ReservationPersistence,
    "resv-persist",
    "Reservation Persistence",
    ReservationPersistence,
  ),
  ofNamespace(
    Fid.NamespaceWriteProtection,
    "write-protect",
    "Namespace Write Protection Config",
    NamespaceWriteProtection,
  ),
];

/** What is known of a feature; undefined for a reserved or a vendor's one. */
export const featureOf = (fid: number): FeatureFacts | undefined =>
  featureTable.find((each) => each.fid === fid);
