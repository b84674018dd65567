// Properties of a controller: what would be registers on PCIe, reached by Property Get and Set.
// Read first: Base 2.0 §3.1.3 "Controller Properties".

import { bits, u16, u32, zeroBased } from "./field.ts";

/** Offsets of the properties that exist over fabrics. Base 2.0 §3.1.3 "Controller Properties". */
export const Property = {
  Cap: 0x00,
  Vs: 0x08,
  Cc: 0x14,
  Csts: 0x1c,
  Nssr: 0x20,
  Nssd: 0x64,
  Crto: 0x68,
} as const;
export type Property = (typeof Property)[keyof typeof Property];

/** Size of a property in bytes; `undefined` when there is none at this offset. */
export const propertyBytes = (ofst: number): 4 | 8 | undefined =>
  ofst === Property.Cap ? 8 : (Object.values(Property) as number[]).includes(ofst) ? 4 : undefined;

// Two halves: a number holds 53 bits exactly, and CAP uses bit 60 together with bit 0.
const capLow = u32(0);
const capHigh = u32(4);

/** Controller Capabilities (CAP), 8 bytes. Base 2.0 §3.1.3.1 "Controller Capabilities". */
export const Cap = {
  size: 8,
  mqes: zeroBased(bits(capLow, 0, 16)), // Maximum Queue Entries Supported
  cqr: bits(capLow, 16, 1), // Contiguous Queues Required
  ams: bits(capLow, 17, 2), // Arbitration Mechanism Supported
  to: bits(capLow, 24, 8), // Timeout of CC.EN changes, in 500 ms
  dstrd: bits(capHigh, 0, 4), // Doorbell Stride
  nssrs: bits(capHigh, 4, 1), // NVM Subsystem Reset Supported
  ncss: bits(capHigh, 5, 1), // CSS: NVM Command Set Support
  iocss: bits(capHigh, 11, 1), // CSS: I/O Command Set Support, one or more by CSI
  noiocss: bits(capHigh, 12, 1), // CSS: No I/O Command Set Support
  bps: bits(capHigh, 13, 1), // Boot Partition Support
  cps: bits(capHigh, 14, 2), // Controller Power Scope
  mpsmin: bits(capHigh, 16, 4), // Memory Page Size Minimum, see `pageBytes`
  mpsmax: bits(capHigh, 20, 4), // Memory Page Size Maximum, see `pageBytes`
  pmrs: bits(capHigh, 24, 1), // Persistent Memory Region Supported
  cmbs: bits(capHigh, 25, 1), // Controller Memory Buffer Supported
  nsss: bits(capHigh, 26, 1), // NVM Subsystem Shutdown Supported
  crwms: bits(capHigh, 27, 1), // CRMS: Controller Ready With Media Support
  crims: bits(capHigh, 28, 1), // CRMS: Controller Ready Independent of Media Support
} as const;

/** Bytes of a memory page from MPSMIN, MPSMAX or MPS; also the unit of MDTS, by CAP.MPSMIN. */
export const pageBytes = (mps: number): number => 2 ** (12 + mps);

const vs = u32(0);

/** Version (VS), 4 bytes; VER of Identify Controller too. Base 2.0 §3.1.3.2 "Version". */
export const Vs = {
  size: 4,
  ter: bits(vs, 0, 8), // Tertiary
  mnr: bits(vs, 8, 8), // Minor
  mjr: bits(vs, 16, 16), // Major
} as const;

/** A version for people: 20000h gives "2.0.0". */
export const versionText = (value: number): string =>
  `${value >>> 16}.${(value >>> 8) & 0xff}.${value & 0xff}`;

const cc = u32(0);

/** Controller Configuration (CC), 4 bytes. Base 2.0 §3.1.3.5 "Controller Configuration". */
export const Cc = {
  size: 4,
  en: bits(cc, 0, 1), // Enable
  css: bits(cc, 4, 3), // I/O Command Set Selected: 0 NVM, 6 all supported, 7 admin only
  mps: bits(cc, 7, 4), // Memory Page Size, see `pageBytes`
  ams: bits(cc, 11, 3), // Arbitration Mechanism Selected
  shn: bits(cc, 14, 2), // Shutdown Notification, see `Shn`
  iosqes: bits(cc, 16, 4), // I/O Submission Queue Entry Size, power of two: 6
  iocqes: bits(cc, 20, 4), // I/O Completion Queue Entry Size, power of two: 4
  crime: bits(cc, 24, 1), // Controller Ready Independent of Media Enable
} as const;

/** Values of CC.SHN. Base 2.0 §3.1.3.5 "Controller Configuration". */
export const Shn = { None: 0, Normal: 1, Abrupt: 2 } as const;
export type Shn = (typeof Shn)[keyof typeof Shn];

const csts = u32(0);

/** Controller Status (CSTS), 4 bytes. Base 2.0 §3.1.3.6 "Controller Status". */
export const Csts = {
  size: 4,
  rdy: bits(csts, 0, 1), // Ready
  cfs: bits(csts, 1, 1), // Controller Fatal Status
  shst: bits(csts, 2, 2), // Shutdown Status, see `Shst`
  nssro: bits(csts, 4, 1), // NVM Subsystem Reset Occurred
  pp: bits(csts, 5, 1), // Processing Paused
  st: bits(csts, 6, 1), // Shutdown Type
} as const;

/** Values of CSTS.SHST. Base 2.0 §3.1.3.6 "Controller Status". */
export const Shst = { Normal: 0, Occurring: 1, Complete: 2 } as const;
export type Shst = (typeof Shst)[keyof typeof Shst];

/**
 * What to write to NSSR to reset the subsystem: "NVMe". Base 2.0 §3.1.3.7 "NVM Subsystem Reset".
 */
export const NSSR_RESET = 0x4e564d65;

/** Controller Ready Timeouts (CRTO), 4 bytes. Base 2.0 §3.1.3.21 "Controller Ready Timeouts". */
export const Crto = {
  size: 4,
  crwmt: u16(0), // Controller Ready With Media Timeout, in 500 ms
  crimt: u16(2), // Controller Ready Independent of Media Timeout, in 500 ms
} as const;
