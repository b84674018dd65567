// Reservations: types, keys, the report of who is registered, and the log of notifications.
// Read first: Base 2.0 §8.19 "Reservations", §7.5 "Reservation Report command", §5.16.1.24
// "Reservation Notification".

import { ParseError } from "../errors.ts";
import { bits, bytes, u16, u32, u64, u8 } from "../field.ts";
import { decode, encode, viewOf } from "../layout.ts";

/** Reservation Types (RTYPE). Base 2.0 §8.19. */
export const ReservationType = {
  None: 0,
  WriteExclusive: 1,
  ExclusiveAccess: 2,
  WriteExclusiveRegistrantsOnly: 3,
  ExclusiveAccessRegistrantsOnly: 4,
  WriteExclusiveAllRegistrants: 5,
  ExclusiveAccessAllRegistrants: 6,
} as const;
export type ReservationType = (typeof ReservationType)[keyof typeof ReservationType];

/** Bits of RESCAP in Identify Namespace. NVM Command Set 1.0 §4.1.5.1. */
export const Rescap = {
  PersistThroughPowerLoss: 0x01,
  WriteExclusive: 0x02,
  ExclusiveAccess: 0x04,
  WriteExclusiveRegistrantsOnly: 0x08,
  ExclusiveAccessRegistrantsOnly: 0x10,
  WriteExclusiveAllRegistrants: 0x20,
  ExclusiveAccessAllRegistrants: 0x40,
  /** IEKEY has the meaning that NVMe 1.3 gave it. */
  IgnoreExistingKey: 0x80,
} as const;

/** Data of Reservation Register, 16 bytes. Base 2.0 §7.3. */
export const RegisterKeys = {
  size: 16,
  crkey: u64(0), // Current Reservation Key
  nrkey: u64(8), // New Reservation Key
} as const;

/** Data of Reservation Acquire, 16 bytes. Base 2.0 §7.2. */
export const AcquireKeys = {
  size: 16,
  crkey: u64(0), // Current Reservation Key
  prkey: u64(8), // Preempt Reservation Key
} as const;

/** Data of Reservation Release, 8 bytes. Base 2.0 §7.4. */
export const ReleaseKey = {
  size: 8,
  crkey: u64(0), // Current Reservation Key
} as const;

/**
 * Reservation Status, 24 bytes; with EDS 64 bytes, the rest reserved. Registrants follow.
 * Base 2.0 §7.5 "Reservation Report command".
 */
export const ReservationStatus = {
  size: 24,
  gen: u32(0), // Generation: counts changes of registrants
  rtype: u8(4), // Reservation Type
  regstrnt: u16(5), // Number of Registrants
  ptpls: u8(9), // Persist Through Power Loss State
} as const;

/** A registrant, 24 bytes. Base 2.0 §7.5. */
export const Registrant = {
  size: 24,
  cntlid: u16(0), // Controller ID; FFFFh where the host has none now
  holds: bits(u8(2), 0, 1), // RCSTS: holds the reservation
  hostid: bytes(8, 8), // Host Identifier
  rkey: u64(16), // Reservation Key
} as const;

/** A registrant with a Host Identifier of 128 bits (EDS), 64 bytes. Base 2.0 §7.5. */
export const RegistrantExtended = {
  size: 64,
  cntlid: u16(0), // Controller ID; FFFFh where the host has none now
  holds: bits(u8(2), 0, 1), // RCSTS: holds the reservation
  rkey: u64(8), // Reservation Key
  hostid: bytes(16, 16), // Host Identifier
} as const;

/** Where registrants begin in a report with EDS. */
const EXTENDED_HEADER_BYTES = 64;

/** A registrant of a report. */
export interface RegistrantFacts {
  /** Controller ID; FFFFh where the host has none now. */
  readonly cntlid: number;
  /** Whether it holds the reservation. */
  readonly holds: boolean;
  /** Host Identifier, 8 bytes, or 16 with EDS. */
  readonly hostid: Uint8Array;
  readonly rkey: bigint;
}

/** What Reservation Report says. */
export interface ReservationReport {
  /** Counts changes of registrants. */
  readonly generation: number;
  /** See {@link ReservationType}. */
  readonly rtype: number;
  /** Registrants that there are; more than `registrants` holds where the report was cut. */
  readonly registrantCount: number;
  readonly ptpls: number;
  readonly registrants: readonly RegistrantFacts[];
}

/** Bytes of a report of so many registrants. */
export const reservationReportBytes = (registrants: number, extended: boolean): number =>
  extended
    ? EXTENDED_HEADER_BYTES + registrants * RegistrantExtended.size
    : ReservationStatus.size + registrants * Registrant.size;

/** Writes a report with EDS; registrants beyond what its count can say are left out. */
export function encodeReservationReport(
  report: Omit<ReservationReport, "registrantCount">,
): Uint8Array {
  const registrants = report.registrants.slice(0, 0xffff);
  const data = new Uint8Array(reservationReportBytes(registrants.length, true));
  const view = viewOf(data);
  encode(ReservationStatus, view, 0, {
    gen: report.generation >>> 0,
    rtype: report.rtype,
    regstrnt: registrants.length,
    ptpls: report.ptpls,
  });
  for (const [i, { cntlid, holds, hostid, rkey }] of registrants.entries()) {
    const at = EXTENDED_HEADER_BYTES + i * RegistrantExtended.size;
    encode(RegistrantExtended, view, at, { cntlid, holds: holds ? 1 : 0, hostid, rkey });
  }
  return data;
}

/**
 * Reads a report as far as it was transferred.
 *
 * @param extended whether it was asked for with EDS.
 * @throws ParseError when not even its header is there.
 */
export function decodeReservationReport(data: Uint8Array, extended: boolean): ReservationReport {
  const layout = extended ? RegistrantExtended : Registrant;
  const first = extended ? EXTENDED_HEADER_BYTES : ReservationStatus.size;
  if (data.length < first) {
    throw new ParseError("Reservation Status", data.length, `the report has ${data.length} bytes`);
  }
  const view = viewOf(data);
  const { gen, rtype, regstrnt, ptpls } = decode(ReservationStatus, view);
  const held = Math.min(regstrnt, Math.floor((data.length - first) / layout.size));
  const registrants = Array.from({ length: held }, (_, i): RegistrantFacts => {
    const { cntlid, holds, hostid, rkey } = decode(layout, view, first + i * layout.size);
    return { cntlid, holds: holds === 1, hostid, rkey };
  });
  return { generation: gen, rtype, registrantCount: regstrnt, ptpls, registrants };
}

/**
 * Reservation Notification log (LID 80h), 64 bytes: one notification, the oldest that was not read.
 * Base 2.0 §5.16.1.24 "Reservation Notification".
 */
export const ReservationNotification = {
  size: 64,
  lpc: u64(0), // Log Page Count: counts notifications; 0 for none
  rnlpt: u8(8), // Reservation Notification Log Page Type, see `ReservationEvent`
  nalp: u8(9), // Number of Available Log Pages beyond this one
  nsid: u32(12), // Namespace
} as const;

/** RNLPT. Base 2.0 §5.16.1.24. */
export const ReservationEvent = {
  Empty: 0,
  RegistrationPreempted: 1,
  ReservationReleased: 2,
  ReservationPreempted: 3,
} as const;
export type ReservationEvent = (typeof ReservationEvent)[keyof typeof ReservationEvent];
