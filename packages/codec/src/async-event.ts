// Asynchronous events: what a completion of Asynchronous Event Request reports, how to enable it.
// Read first: Base 2.0 §5.2 "Asynchronous Event Request command", §5.27.1.8 "Asynchronous Event
// Configuration (Feature Identifier 0Bh)"; notices F4h and F5h: Base 2.3.

import { decodeDwords } from "./dword.ts";
import { bits, u32 } from "./field.ts";
import type { Decoded } from "./layout.ts";
import { hexh, nameIn } from "./name.ts";

const dw0 = u32(0);

/** Result of Asynchronous Event Request, Dword 0. Base 2.0 §5.2.1 "Command Completion". */
export const AsyncEvent = {
  size: 4,
  aet: bits(dw0, 0, 3), // Asynchronous Event Type, see `AsyncEventType`
  aei: bits(dw0, 8, 8), // Asynchronous Event Information, see `AsyncErrorInfo` and the like
  lid: bits(dw0, 16, 8), // Log Page Identifier: reading it with RAE 0 unmasks the type
} as const;

/** Reads the result of Asynchronous Event Request. Values that are not assigned stay as numbers. */
export const decodeAsyncEvent = (dw0: number): Decoded<typeof AsyncEvent> =>
  decodeDwords(AsyncEvent, dw0);

/** Asynchronous event types. Base 2.0 §5.2.1 "Command Completion". */
export const AsyncEventType = {
  Error: 0,
  SmartHealth: 1,
  Notice: 2,
  Immediate: 3,
  OneShot: 4,
  CommandSet: 6,
  VendorSpecific: 7,
} as const;
export type AsyncEventType = (typeof AsyncEventType)[keyof typeof AsyncEventType];

/** Information of type Error. Base 2.0 §5.2.1. */
export const AsyncErrorInfo = {
  InvalidDoorbellRegister: 0,
  InvalidDoorbellValue: 1,
  DiagnosticFailure: 2,
  PersistentInternalError: 3,
  TransientInternalError: 4,
  FirmwareLoadError: 5,
} as const;

/** Information of type SMART / Health. Base 2.0 §5.2.1. */
export const AsyncHealthInfo = {
  Reliability: 0,
  TemperatureThreshold: 1,
  SpareBelowThreshold: 2,
} as const;

/** Information of type Notice. Base 2.0 §5.2.1; from 07h on Base 2.1 and 2.3. */
export const AsyncNoticeInfo = {
  NamespaceAttributeChanged: 0x00,
  FirmwareActivationStarting: 0x01,
  TelemetryLogChanged: 0x02,
  AnaChange: 0x03,
  PredictableLatencyLogChange: 0x04,
  LbaStatusAlert: 0x05,
  EnduranceGroupLogChange: 0x06,
  ReachabilityGroupChange: 0x07,
  ReachabilityAssociationChange: 0x08,
  AllocatedNamespaceChanged: 0x09,
  ZoneDescriptorChanged: 0xef,
  DiscoveryLogChange: 0xf0,
  HostDiscoveryLogChange: 0xf1,
  AveDiscoveryLogChange: 0xf2,
  PullModelDdcRequest: 0xf3,
  CcrCompleted: 0xf4,
  LostHostCommunication: 0xf5,
} as const;
export type AsyncNoticeInfo = (typeof AsyncNoticeInfo)[keyof typeof AsyncNoticeInfo];

/** Information of type Immediate. Base 2.0 §5.2.1. */
export const AsyncImmediateInfo = { NormalSubsystemShutdown: 0, TemperatureRecovered: 1 } as const;

/** Information of type I/O Command Set. Base 2.0 §5.2.1. */
export const AsyncCommandSetInfo = {
  ReservationLogAvailable: 0,
  SanitizeCompleted: 1,
  SanitizeCompletedUnexpectedDeallocation: 2,
  SanitizeMediaVerification: 3,
} as const;

/** The table of information values of a type; undefined for those that have none of their own. */
const infoTable = (aet: number): Readonly<Record<string, number>> | undefined =>
  (
    ({
      [AsyncEventType.Error]: AsyncErrorInfo,
      [AsyncEventType.SmartHealth]: AsyncHealthInfo,
      [AsyncEventType.Notice]: AsyncNoticeInfo,
      [AsyncEventType.Immediate]: AsyncImmediateInfo,
      [AsyncEventType.CommandSet]: AsyncCommandSetInfo,
    }) as Readonly<Record<number, Readonly<Record<string, number>>>>
  )[aet];

/** The name of an event, for people: "Notice: ANA Change"; numbers for what is not assigned. */
export function asyncEventName(aet: number, aei: number): string {
  const table = infoTable(aet);
  const info = table === undefined ? hexh(aei) : nameIn(table, aei);
  return `${nameIn(AsyncEventType, aet)}: ${info}`;
}

/**
 * Bits of Asynchronous Event Configuration (FID 0Bh), and of OAES in Identify Controller; bits 7:0
 * of the former are those of `CriticalWarning`. Base 2.0 §5.27.1.8; 20 and 21: Base 2.3, recalled
 * (docs/spec-map.md).
 */
export const AsyncEventBit = {
  NamespaceAttribute: 0x100,
  FirmwareActivation: 0x200,
  TelemetryLog: 0x400,
  AnaChange: 0x800,
  PredictableLatencyLog: 0x1000,
  LbaStatus: 0x2000,
  EnduranceGroup: 0x4000,
  NormalShutdown: 0x8000,
  TemperatureRecovery: 0x1_0000,
  AllocatedNamespace: 0x8_0000,
  CcrCompleted: 0x10_0000,
  LostHostCommunication: 0x20_0000,
  ZoneDescriptor: 0x800_0000,
  DiscoveryLog: 0x8000_0000,
} as const;
