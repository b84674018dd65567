// Features: their identifiers, values and data.
// Read first: Base 2.0 §5.27 "Set Features command", §5.27.1 "Feature Specific Information".

import { bits, bytes, u16, u32, u8, zeroBased, type Field } from "./field.ts";

/** Feature Identifiers (FID). Base 2.0 §5.27.1 "Feature Specific Information". */
export const Fid = {
  Arbitration: 0x01,
  PowerManagement: 0x02,
  LbaRangeType: 0x03,
  TemperatureThreshold: 0x04,
  ErrorRecovery: 0x05,
  VolatileWriteCache: 0x06,
  NumberOfQueues: 0x07,
  InterruptCoalescing: 0x08,
  InterruptVector: 0x09,
  WriteAtomicity: 0x0a,
  AsyncEventConfiguration: 0x0b,
  AutonomousPowerState: 0x0c,
  HostMemoryBuffer: 0x0d,
  Timestamp: 0x0e,
  KeepAliveTimer: 0x0f,
  ThermalManagement: 0x10,
  NonOperationalPowerState: 0x11,
  ReadRecoveryLevel: 0x12,
  PredictableLatency: 0x13,
  PredictableLatencyWindow: 0x14,
  LbaStatusInterval: 0x15,
  HostBehaviorSupport: 0x16,
  SanitizeConfig: 0x17,
  EnduranceGroupEvents: 0x18,
  CommandSetProfile: 0x19,
  SpinupControl: 0x1a,
  ControllerMetadata: 0x7e,
  NamespaceMetadata: 0x7f,
  SoftwareProgressMarker: 0x80,
  HostIdentifier: 0x81,
  ReservationNotificationMask: 0x82,
  ReservationPersistence: 0x83,
  NamespaceWriteProtection: 0x84,
} as const;
export type Fid = (typeof Fid)[keyof typeof Fid];

/**
 * Number of Queues (FID 07h), 4 bytes: asked for in CDW11 (NSQR, NCQR), granted in Dword 0 (NSQA,
 * NCQA), of I/O queues each time. A peer's value is 1 to 65,536 here; FFFFh on the wire is
 * reserved. Base 2.0 §5.27.1.5 "Number of Queues (Feature Identifier 07h)".
 */
export const NumberOfQueues = {
  size: 4,
  nsq: zeroBased(u16(0)), // Number of I/O Submission Queues
  ncq: zeroBased(u16(2)), // Number of I/O Completion Queues
} as const;

const wce = u32(0);

/** Volatile Write Cache (FID 06h), 4 bytes. Base 2.0 §5.27.1.4 "Volatile Write Cache". */
export const VolatileWriteCache = {
  size: 4,
  wce: bits(wce, 0, 1), // Volatile Write Cache Enable
} as const;

/** Keep Alive Timer (FID 0Fh), 4 bytes. Base 2.0 §5.27.1.12 "Keep Alive Timer". */
export const KeepAliveTimer = {
  size: 4,
  kato: u32(0), // Keep Alive Timeout, in milliseconds; 0 disables it
} as const;

/**
 * Data of Host Behavior Support (FID 16h), 512 bytes. Base 2.0 §5.27.1.18 "Host Behavior Support".
 */
export const HostBehaviorSupport = {
  size: 512,
  acre: u8(0), // Advanced Command Retry Enable: 1 and the controller may set CRD
  etdas: u8(1), // Extended Telemetry Data Area 4 Supported
  lbafee: u8(2), // LBA Format Extension Enable
  hdisns: u8(3), // Host Dispersed Namespace Support
  cdfe: u16(4), // Copy Descriptor Formats Enable
} as const;

/**
 * Data of Host Identifier (FID 81h) with EXHID, 16 bytes. Base 2.0 §5.27.1.25 "Host Identifier".
 */
export const HostIdentifier = {
  size: 16,
  hostid: bytes(0, 16), // Host Identifier; over fabrics set by Connect only
} as const;

/**
 * Bit of CDW11 that asks for 128-bit Host Identifiers (EXHID). Base 2.0 §5.27.1.25 "Host
 * Identifier".
 */
export const EXHID = 1;

/** 48 bits as a `number`, which holds them exactly. */
const u48: Field<number> = {
  offset: 0,
  bytes: 6,
  bit: undefined,
  get: (view, base = 0) => view.getUint32(base, true) + view.getUint16(base + 4, true) * 2 ** 32,
  set(view, base, value) {
    view.setUint32(base, value % 2 ** 32, true);
    view.setUint16(base + 4, Math.floor(value / 2 ** 32), true);
  },
};

/** Data of Timestamp (FID 0Eh), 8 bytes. Base 2.0 §5.27.1.11 "Timestamp". */
export const Timestamp = {
  size: 8,
  timestamp: u48, // milliseconds since 1970 in UTC, or since reset by `to`
  sync: bits(u8(6), 0, 1), // the controller may have stopped counting
  to: bits(u8(6), 1, 3), // Timestamp Origin: 0 since reset, 1 set by Set Features
} as const;
