// Every bound of a fault proxy, with its default.
// Read first: lane.ts and proxy.ts, which keep them.

import { checkNames } from "@nvmeof/core";

/** Bounds of a proxy. Times in milliseconds, sizes in bytes. */
export interface ChaosLimits {
  /** Connections at the same time; more are reset at once. Default 1,024. */
  readonly connectionsMax: number;
  /**
   * Bytes that wait in one direction of a connection; its sender is not read from beyond. Default
   * 1 MiB.
   */
  readonly bufferBytesMax: number;
  /** A PDU that is longer passes unread, and no fault befalls it. Default 8 MiB. */
  readonly pduBytesMax: number;
  /** Bytes of PDUs that faults hold back in one direction; no more are held then. Default 4 MiB. */
  readonly heldBytesMax: number;
  /** PDUs that faults hold back in one direction. Default 1,024. */
  readonly heldPdusMax: number;
  /** Time to reach whom connections go to. Default 3 s. */
  readonly connectTimeoutMs: number;
  /** Time that the orderly end of a connection may take. Default 2 s. */
  readonly lingerMs: number;
}

const MIB = 1024 * 1024;

/** The bounds of a proxy that names none. */
export const defaultChaosLimits: ChaosLimits = {
  connectionsMax: 1_024,
  bufferBytesMax: MIB,
  pduBytesMax: 8 * MIB,
  heldBytesMax: 4 * MIB,
  heldPdusMax: 1_024,
  connectTimeoutMs: 3_000,
  lingerMs: 2_000,
};

/** @throws TypeError for a bound that is not known; RangeError for one that is no positive number. */
export function resolveChaosLimits(given: Partial<ChaosLimits> = {}): ChaosLimits {
  checkNames(given, Object.keys(defaultChaosLimits), "limit");
  const limits = { ...defaultChaosLimits, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`${name} is ${value}, and must be a positive whole number`);
    }
  }
  return limits;
}
